"""What a sweep shows in MLflow: a parent run, a child run for each point, and a page that compares them."""

import math
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import numpy.typing as npt
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_USER

from dvc_mlflow.client.experiment_tag import set_experiment_tag
from dvc_mlflow.errors import UserError
from dvc_mlflow.pages import shared_views
from dvc_mlflow.records import Record
from dvc_mlflow.run_content import six_digits
from sparse_digits import figures
from sparse_digits.metrics import Where, in_table_order
from sparse_digits.mlflow_content import charts
from sparse_digits.mlflow_content.run_content import image_text, log10_C
from sparse_digits.runtime.npz import Arrays, read_npz
from sparse_digits.runtime.rounding import round_float
from sparse_digits.sweep.selection import read_selection
from sparse_digits.sweep.selection_display import TITLES, pick_representative

MODEL_MD5 = "dvc.md5"  # the tag of a child with the MD5 of the model file of its point
IMAGE_PIXELS = 256  # per side
MAX_NOTE_ROWS = 60  # a tag holds 8,000 characters; sweep.csv has all points
MAX_STEPS = 100  # images of the parent run, which its page shows behind a slider
MAX_BATCH = 1000  # metrics in one request to MLflow

Point = dict[str, Any]  # the scalars of one point of a sweep, by the name of their column


def is_sweep(record: Record) -> bool:
    """Return whether a record is that of a sweep."""
    return "sweep.solver" in record.params


def title(record: Record) -> str:
    """Return the parent run's name: the solver, and the DVC experiment if the record is one."""
    name = f"sweep over C, {record.params['sweep.solver']}"
    return f"{name} ({record.name})" if record.name else name


def add(client: MlflowClient, run: Run, record: Record, folder: Path) -> None:
    """Log the child runs, then the parent's metrics along C, images, note and the sweep's page."""
    files = folder / "files"
    params_of_file, columns = read_npz(next(files.rglob("models.npz")))
    selection = read_selection(next(files.rglob("chosen.json")).read_bytes())
    experiment_id, run_id = run.info.experiment_id, run.info.run_id
    color_limit = figures.path_limit(columns["coef"])
    in_grid = _points_in_image_grid(columns, selection)
    n_points = len(columns["C"])
    on_slider = set(np.linspace(0, n_points - 1, min(n_points, MAX_STEPS)).round().astype(int).tolist())
    history = []
    for i, coef in enumerate(columns["coef"]):
        point = _point(columns, i)
        image = figures.tile(coef, image_text(point["C"], point), IMAGE_PIXELS, color_limit)
        child = _start_child(client, run, record, params_of_file, point)
        if i in in_grid:
            client.log_image(child.info.run_id, image, key="coef", step=0)
        else:
            _log_png(client, child, image)
        client.set_terminated(child.info.run_id, "FINISHED")
        if i in on_slider:
            client.log_image(run_id, image, key="coef", step=i)
        along_path = _metrics(point, Where.PATH_HISTORY) | {"log10_C": math.log10(point["C"])}
        history += _mlflow_metrics({f"path_{name}": value for name, value in along_path.items()}, step=i)
    for start in range(0, len(history), MAX_BATCH):
        client.log_batch(run_id, metrics=history[start : start + MAX_BATCH])
    client.set_tag(run_id, "mlflow.note.content", note(record, columns, selection))
    client.set_tag(run_id, "sweep.parent", record.result)
    view = shared_views.PREFIX + charts.sweep_name(record.result)
    set_experiment_tag(client, experiment_id, view, charts.sweep_view(record.result))


def note(record: Record, columns: Arrays, selection: Mapping[str, Any]) -> str:
    """Return the parent run's description in markdown: the selected C's and a table of the points."""
    metrics = [metric for metric in in_table_order(Where.TABLE) if metric.name in columns]
    recompute = f"to compute them again: `sparse-digits verify {record.result[:8]}`"
    lines = [f"{len(columns['C'])} points, record `{record.result}`; {recompute}", ""]
    for size, of_size in selection.items():
        lines += [f"**{size.replace('_', ' ')}**, C selected by accuracy on validation rows:", ""]
        for name, text in TITLES.items():
            if entry := of_size.get(name):
                values = [
                    f"{metric.title} {metric.text(entry[metric.name])}"
                    for metric in metrics
                    if metric.name in entry
                ]
                lines.append(f"- {text}: **C = {entry['C']:g}**, {', '.join(values)}")
        lines.append("")
    titles = ["C", "split seed", "train size", *(metric.title for metric in metrics)]
    lines += [f"| {' | '.join(titles)} |", f"| {' | '.join(['---'] * len(titles))} |"]
    for i in range(min(len(columns["C"]), MAX_NOTE_ROWS)):
        point = _point(columns, i)
        values = [metric.text(point[metric.name]) for metric in metrics]
        cells = [f"{point['C']:g}", str(point["split_seed"]), str(point["train_size"]), *values]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def record_of_point(record: Record, folder: Path, run: Run, stage: str, model: str) -> Record:
    """Return the record that the result of `stage` would have at the point that a child run shows.

    record, folder : of the sweep.  run : the child.  model : the path of the model that the pipeline of
    `stage` writes.  Raises UserError if the run shows no point of this sweep.
    """
    params_of_file, columns = read_npz(next((folder / "files").rglob("models.npz")))
    for i in range(len(columns["C"])):
        candidate = _point(columns, i)
        params = _params(record, params_of_file, candidate)
        if {name: str(value) for name, value in params.items()} == run.data.params:
            return replace(
                record,
                stage=stage,
                params=params,
                metrics={
                    name: round_float(value) for name, value in _metrics(candidate, Where.CHILD_RUN).items()
                },
                outputs={model: candidate["model_md5"]},
                stages={},
                digests={},
            )
    raise UserError(f"{run.info.run_id}: expected the params of a point of the sweep {record.result}")


def _point(columns: Arrays, i: int) -> Point:
    return {name: column[i].item() for name, column in columns.items() if column.ndim == 1}


def _metrics(point: Point, where: Where) -> dict[str, float]:
    """Return the metrics of a point that are shown there; old records lack the newest metrics."""
    return {metric.name: point[metric.name] for metric in in_table_order(where) if metric.name in point}


def _mlflow_metrics(values: Mapping[str, float], step: int) -> list[Metric]:
    now = int(time.time() * 1000)
    return [Metric(name, six_digits(value), now, step) for name, value in values.items()]


def _params(record: Record, params_of_file: Mapping[str, Any], point: Point) -> dict[str, Any]:
    """Return the params with which `dvc repro` computes a point, by full name."""
    params = {
        **{name: value for name, value in params_of_file.items() if name.startswith("fetch.")},
        **{name: value for name, value in record.params.items() if name.startswith(("split.", "train."))},
        **{f"train.{key}": record.params[f"sweep.{key}"] for key in ("solver", "tol", "max_iter")},
        "train.C": point["C"],
        "train.l1_ratio": float(record.params["train.l1_ratio"]),
        "split.seed": point["split_seed"],
        "split.train_size": point["train_size"],
    }
    if record.params["sweep.vary_random_state"]:
        params["train.random_state"] = point["split_seed"]
    return params


def _start_child(
    client: MlflowClient, parent: Run, record: Record, params_of_file: Mapping[str, Any], point: Point
) -> Run:
    """Start the run of one point, tagged with the MD5 of the model file that `dvc repro` writes there."""
    tags = {
        MLFLOW_PARENT_RUN_ID: parent.info.run_id,
        charts.SWEEP: record.result,
        MODEL_MD5: f"model.npz {point['model_md5']}",
        "sweep.converged": str(point["converged"]),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": f"dvc repro {record.stage}",
        MLFLOW_USER: parent.data.tags.get(MLFLOW_USER, ""),
    }
    name = f"C={point['C']:g}, split seed {point['split_seed']}, {point['train_size']} rows"
    now = int(time.time() * 1000)
    run = client.create_run(parent.info.experiment_id, now, tags, name)
    of_C = {"lambda": point["lambda"], "log10_C": log10_C(point["C"])}
    client.log_batch(
        run.info.run_id,
        _mlflow_metrics(_metrics(point, Where.CHILD_RUN) | of_C, step=0),
        [Param(key, str(value)) for key, value in sorted(_params(record, params_of_file, point).items())],
    )
    return run


def _log_png(client: MlflowClient, run: Run, image: npt.NDArray[np.uint8]) -> None:
    """Log an image as coef.png, as the client's `log_image` does, which reads the run again for its place."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coef.png"
        mlflow.Image(image).save(path)
        get_artifact_repository(run.info.artifact_uri, client.tracking_uri).log_artifact(str(path))


def _points_in_image_grid(columns: Arrays, selection: Mapping[str, Any]) -> set[int]:
    """Return the indices of the points whose images the page shows: of one path, spread over its C's.

    The path is that of the first split seed at the largest train size. MLflow's grid shows the first ten runs
    that have such an image, which would all have a large C if every child had one.
    """
    size = columns["train_size"].max()
    seed = columns["split_seed"][columns["train_size"] == size].min()
    path = np.flatnonzero((columns["train_size"] == size) & (columns["split_seed"] == seed))
    shown = pick_representative(columns["C"][path], selection[f"train_size_{size}"], charts.MAX_IMAGES)
    return set(path[shown].tolist())
