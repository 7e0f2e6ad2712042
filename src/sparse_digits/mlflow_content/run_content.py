"""What the run of one model shows in MLflow beyond what dvc.yaml declares: note, images, the model itself."""

import csv
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Run

from dvc_mlflow.client.logged_models import has_logged_models
from dvc_mlflow.records import Record
from dvc_mlflow.run_content import six_digits
from sparse_digits import figures, model
from sparse_digits.metrics import format_summary


def title(record: Record) -> str:
    """Return a run's name: its C and solver, and the DVC experiment if the record is one."""
    name = f"C={record.params['train.C']:g} {record.params['train.solver']}"
    return f"{name} ({record.name})" if record.name else name


def add(client: MlflowClient, run: Run, record: Record, folder: Path) -> None:
    """Log the note, log10 of C for sorting, an image of each class, one of all classes, and the model."""
    run_id = run.info.run_id
    fitted = model.read(next((folder / "files").rglob("model.npz")))
    C = record.params["train.C"]
    of_classes = per_class_table(folder)
    client.set_tag(run_id, "mlflow.note.content", note(record, of_classes))
    client.log_metric(run_id, "log10_C", log10_C(C))
    image = figures.tile(fitted.coef, image_text(C, record.metrics))
    client.log_image(run_id, image, key="coef", step=0)
    for step, class_image in enumerate(figures.class_images(fitted.coef)):
        client.log_image(run_id, class_image, key="class", step=step)
    if has_logged_models(client, run.info.experiment_id):
        from sparse_digits.mlflow_content.logged_model import log_model  # noqa: PLC0415 - mlflow.pyfunc takes time

        log_model(fitted, run_id)
    client.log_batch(run_id, metrics=per_class_metrics(of_classes))


def per_class_table(folder: Path) -> list[dict[str, str]]:
    """Return the rows of per_class.csv in a record's folder; earlier records have none."""
    files = (folder / "files").rglob("per_class.csv")
    return [row for path in files for row in csv.DictReader(path.read_text().splitlines())]


def per_class_metrics(of_classes: Sequence[Mapping[str, str]]) -> list[Metric]:
    """Return each metric of per_class.csv as its macro average, and as a history whose step is the class.

    The step of a class that has a name is its place in the table.

    MLflow draws a history as one line, and lists its last value: the average is what runs are compared by.
    It is left out where the metric of a class is not defined.
    """
    now = int(time.time() * 1000)
    numbered = all(row["class"].isdecimal() for row in of_classes)
    steps = [int(row["class"]) if numbered else place for place, row in enumerate(of_classes)]
    logged = []
    for name in (name for name in (of_classes[0] if of_classes else ()) if name not in {"class", "rows"}):
        by_class = {k: float(row[name]) for k, row in zip(steps, of_classes, strict=True) if row[name]}
        logged += [Metric(f"per_class/{name}", six_digits(value), now, k) for k, value in by_class.items()]
        if len(by_class) == len(of_classes):
            logged.append(Metric(f"{name}_macro", six_digits(sum(by_class.values()) / len(by_class)), now, 0))
    return logged


def log10_C(C: float) -> float:
    """Return C as a metric by which MLflow can sort and plot runs; it cannot sort by params as numbers."""
    return round(math.log10(C), 4)


def image_text(C: float, metrics: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the lines of text on the image of a model."""
    return f"C = {C:g}", f"{metrics['sparsity']:.1f} % zero", f"{100 * metrics['accuracy']:.1f} % right"


def note(record: Record, of_classes: Sequence[Mapping[str, str]] = ()) -> str:
    """Return the run's description in markdown: metrics, of each class too, and where the result comes from.

    of_classes : the rows of per_class.csv.
    """
    code, environment = record.code, record.environment
    seconds = sum(provenance["seconds"] for provenance in record.stages.values() if provenance)
    if not code and not environment:
        rows = {"code": "unknown, as is the environment: DVC restored this result, it was not computed here"}
    else:
        changed = " with changes" if code and code["dirty"] else ""
        versions = ", ".join(f"{name} {value}" for name, value in (environment or {}).items())
        rows = {
            "code": f"`{code['commit'][:12]}`{changed}" if code else "unknown: there was no git",
            "computed": f"in {seconds:.1f} s" if seconds else "elsewhere",
            "environment": versions or "unknown",
        }
    rows["record"] = f"`{record.result}`; to compute it again: `sparse-digits verify {record.result[:8]}`"
    return "\n".join(
        [
            *(
                f"{line}  " for line in format_summary(record.metrics).splitlines()
            ),  # two spaces: a line break
            "",
            "| | |",
            "| --- | --- |",
            *(f"| {name} | {value} |" for name, value in rows.items()),
            *_table(of_classes),
        ]
    )


def _table(of_classes: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the lines of a markdown table with a row for each class, none if there are no rows."""
    if not of_classes:
        return []
    names = list(of_classes[0])
    cells = [
        [
            value if name in {"class", "rows"} or not value else f"{float(value):.4f}"
            for name, value in row.items()
        ]
        for row in of_classes
    ]
    header, *lines = [f"| {'&emsp;| '.join(line)} |" for line in [names, *cells]]  # MLflow's cells touch
    table = [header, "| --- " * len(names) + "|", *lines]
    return [
        "",
        *table,
        "",
        "Metrics `per_class/…` have the class as their step; `…_macro` is the mean of the classes.",
    ]
