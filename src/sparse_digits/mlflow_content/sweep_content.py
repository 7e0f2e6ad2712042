"""What a sweep shows in MLflow: a parent run, a child for each point, and a page with all side by side."""

import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from dvc_mlflow.errors import UserError
from dvc_mlflow.pages import shared_views
from dvc_mlflow.records import Record
from sparse_digits import figures
from sparse_digits.mlflow_content import charts
from sparse_digits.runtime.files import Arrays, read_npz
from sparse_digits.sweep.csv_table import rounded
from sparse_digits.sweep.figures import colour_limit
from sparse_digits.sweep.selection import TITLES, pick_representative

NUMBERS = (
    *("sparsity", "accuracy", "validation_accuracy", "log_loss", "duality_gap", "objective"),
    *("nonzero_weights", "pixels_used", "n_iter", "lambda"),
)  # of a point
MODEL_MD5 = "dvc.md5"  # the tag that says which model file a point has
ALONG = ("accuracy", "validation_accuracy", "sparsity", "nonzero_weights")  # the parent's history, against C


def is_sweep(record: Record) -> bool:
    """Tell whether a record is that of a sweep."""
    return "sweep.solver" in record.params


def title(record: Record) -> str:
    """Return the parent's name, with the DVC experiment if it was one."""
    name = f"sweep over C, {record.params['sweep.solver']}"
    return f"{name} ({record.name})" if record.name else name


def add(client: MlflowClient, run: Run, record: Record, folder: Path) -> None:
    """Log the children first, then what the parent has: note, history against C, a slider over the images."""
    files = folder / "files"
    made_with, points = read_npz(next(files.rglob("models.npz")))
    chosen = json.loads(next(files.rglob("chosen.json")).read_bytes())
    experiment_id, run_id = run.info.experiment_id, run.info.run_id
    limit = colour_limit(points["coef"])
    gridded = _gridded(points, chosen)
    history = []
    for i in range(len(points["C"])):
        at = _numbers(points, i)
        words = (f"C = {at['C']:g}", f"{at['sparsity']:.1f} % zero", f"{100 * at['accuracy']:.1f} % right")
        image = figures.tile(points["coef"][i], words, 256, limit)
        child = _child(client, experiment_id, run_id, record, made_with, at)
        if i in gridded:
            client.log_image(child, image, key="coef", step=0)
        else:
            client.log_image(child, image, "coef.png")
        client.set_terminated(child, "FINISHED")
        client.log_image(run_id, image, key="coef", step=i)
        now = int(time.time() * 1000)
        named = {f"path_{name}": at[name] for name in ALONG} | {"path_log10_C": math.log10(at["C"])}
        history += [Metric(name, float(f"{value:.6g}"), now, i) for name, value in named.items()]
    for start in range(0, len(history), 1000):  # MLflow's limit
        client.log_batch(run_id, metrics=history[start : start + 1000])
    client.set_tag(run_id, "mlflow.note.content", note(record, points, chosen))
    client.set_tag(run_id, "sweep.parent", record.result)
    name = charts.sweep_name(record.result)
    client.set_experiment_tag(experiment_id, shared_views.PREFIX + name, charts.sweep_content(record.result))


def _gridded(points: Arrays, chosen: dict[str, Any]) -> set[int]:
    """Return which points the grid of images has, of the first split seed at the largest train size.

    Left to itself MLflow takes the first ten of all runs with such an image: those at the largest C.
    """
    size = points["train_size"].max()
    seed = points["split_seed"][points["train_size"] == size].min()
    of_one = np.flatnonzero((points["train_size"] == size) & (points["split_seed"] == seed))
    places = pick_representative(points["C"][of_one], chosen[f"train_size_{size}"], charts.MOST_IMAGES)
    return set(of_one[places].tolist())


def note(record: Record, points: Arrays, chosen: dict[str, Any]) -> str:
    """Return the choice and the table of all points, in markdown."""
    again = f"to compute them again: `sparse-digits verify {record.result[:8]}`"
    lines = [f"{len(points['C'])} points, record `{record.result}`; {again}", ""]
    for size, of in chosen.items():
        lines += [f"**{size.replace('_', ' ')}**, chosen by accuracy on validation rows:", ""]
        lines += [
            f"- {text}: **C = {of[name]['C']:g}**, sparsity {of[name]['sparsity']:.2f} %, "
            f"test accuracy {of[name]['accuracy']:.4f}"
            for name, text in TITLES.items()
            if name in of
        ]
        lines.append("")
    lines += [
        "| C | split seed | train size | sparsity | validation | test | duality gap |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for i in range(min(len(points["C"]), 60)):  # a tag holds 8,000 characters; the rest is in sweep.csv
        at = _numbers(points, i)
        lines.append(
            f"| {at['C']:g} | {at['split_seed']} | {at['train_size']} | {at['sparsity']:.2f} % "
            f"| {at['validation_accuracy']:.4f} | {at['accuracy']:.4f} | {at['duality_gap']:.1e} |"
        )
    return "\n".join(lines)


def _numbers(points: Arrays, i: int) -> dict[str, Any]:
    return {name: column[i].item() for name, column in points.items() if column.ndim == 1}


def point(record: Record, folder: Path, run: Run, stage: str, model: str) -> Record:
    """Return the record that the result of `stage` would have at the point which a child run shows.

    record, folder : the sweep's.  model : the path of the model that the pipeline of `stage` writes.
    Raises `Fault` if the run shows no point of this sweep.
    """
    made_with, points = read_npz(next((folder / "files").rglob("models.npz")))
    for i in range(len(points["C"])):
        at = _numbers(points, i)
        params = _params(record, made_with, at)
        if {name: str(value) for name, value in params.items()} == run.data.params:
            metrics = {name: rounded(at[name]) for name in NUMBERS if name != "lambda"}
            outputs = {model: at["model_md5"]}
            return replace(
                record, stage=stage, params=params, metrics=metrics, outputs=outputs, stages={}, digests={}
            )
    raise UserError(f"{run.info.run_id}: expected the params of a point of the sweep {record.result}")


def _params(record: Record, made_with: dict[str, Any], at: dict[str, Any]) -> dict[str, Any]:
    """Return the params with which `dvc repro` finds a point, by full name."""
    params = {
        **{name: value for name, value in made_with.items() if name.startswith("fetch.")},
        **{name: value for name, value in record.params.items() if name.startswith(("split.", "train."))},
        **{f"train.{key}": record.params[f"sweep.{key}"] for key in ("solver", "tol", "max_iter")},
        "train.C": at["C"],
        "train.l1_ratio": float(record.params["train.l1_ratio"]),
        "split.seed": at["split_seed"],
        "split.train_size": at["train_size"],
    }
    if record.params["sweep.vary_random_state"]:
        params["train.random_state"] = at["split_seed"]
    return params


def _child(
    client: MlflowClient,
    experiment_id: str,
    parent: str,
    record: Record,
    made_with: dict[str, Any],
    at: dict[str, Any],
) -> str:
    """Begin the run of one point, with the digest of the model file that `dvc repro` writes there.

    Returns its id.
    """
    params = _params(record, made_with, at)
    tags = {
        MLFLOW_PARENT_RUN_ID: parent,
        charts.SWEEP: record.result,
        MODEL_MD5: f"model.npz {at['model_md5']}",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": f"dvc repro {record.stage}",
    }
    now = int(time.time() * 1000)
    name = f"C={at['C']:g}, split seed {at['split_seed']}, {at['train_size']} rows"
    run_id = str(client.create_run(experiment_id, now, tags, name).info.run_id)
    numbers = {name: at[name] for name in NUMBERS} | {"log10_C": round(math.log10(at["C"]), 4)}
    client.log_batch(
        run_id,
        [Metric(name, float(f"{value:.6g}"), now, 0) for name, value in numbers.items()],
        [Param(name, str(value)) for name, value in sorted(params.items())],
        [RunTag("sweep.converged", str(at["converged"]))],
    )
    return run_id
