"""What this project's runs show in MLflow beyond what dvc.yaml declares: the model, and its images."""

import math
from importlib.metadata import version
from pathlib import Path

import mlflow.sklearn
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.models import Model, infer_signature
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from dvc_mlflow.records import Record
from dvc_mlflow.run_content import Parts, RunContent
from sparse_digits import figures, model
from sparse_digits.metrics import format_summary
from sparse_digits.mlflow_content import charts, sweep_content

NEEDED = ("mlflow", "numpy", "scikit-learn", "scipy", "skops")  # to load the model


def title(record: Record) -> str:
    """Return a run's name: the C, and the DVC experiment if it was one."""
    if sweep_content.is_sweep(record):
        return sweep_content.title(record)
    name = f"C={record.params['train.C']:g} {record.params['train.solver']}"
    return f"{name} ({record.name})" if record.name else name


def dataset(record: Record) -> str:
    """Return the data set's name."""
    return str(record.params["fetch.dataset"])


def pipeline(fitted: model.Model) -> Pipeline:
    """Return the model as scikit-learn's own: from raw pixels to a class."""
    scaler, classifier = StandardScaler(), LogisticRegression()
    scaler.mean_, scaler.scale_ = fitted.mean, fitted.scale
    scaler.n_features_in_ = classifier.n_features_in_ = len(fitted.mean)
    scaler.n_samples_seen_ = int(fitted.params["split.train_size"])
    classifier.coef_, classifier.intercept_ = fitted.coef, fitted.intercept
    classifier.classes_ = fitted.classes
    classifier.n_iter_ = np.array([fitted.n_iter])
    return Pipeline([("scale", scaler), ("classify", classifier)])


def note(record: Record) -> str:
    """Return what a person wants to know of a run first, in markdown."""
    m = record.metrics
    seconds = sum(told["seconds"] for told in record.stages.values() if told)
    code, environment = record.code, record.environment
    if not code and not environment:
        rows = {"code": "unknown, as is the environment: DVC restored this result, it was not computed here"}
    else:
        changed = " with changes" if code and code["dirty"] else ""
        rows = {
            "code": f"`{code['commit'][:12]}`{changed}" if code else "unknown: there was no git",
            "computed": f"in {seconds:.1f} s" if seconds else "elsewhere",
            "environment": ", ".join(f"{name} {value}" for name, value in (environment or {}).items())
            or "unknown",
        }
    rows["record"] = f"`{record.result}`; to compute it again: `sparse-digits verify {record.result[:8]}`"
    return "\n".join(
        [
            *(f"{line}  " for line in format_summary(m).splitlines()),
            "",
            "| | |",
            "| --- | --- |",
            *(f"| {name} | {value} |" for name, value in rows.items()),
        ]
    )


def arrange(client: MlflowClient, experiment_id: str) -> None:
    """Prepare the experiment's page: columns with C and the numbers, charts of what C does, the images."""
    client.set_experiment_tag(experiment_id, charts.TAG, charts.content())


def add(client: MlflowClient, run: Run, record: Record, folder: Path) -> None:
    """Log the note, the C as a number that sorts, an image for each class, all of them in one, the model.

    Of a sweep: what `sweep_view` has.
    """
    if sweep_content.is_sweep(record):
        sweep_content.add(client, run, record, folder)
        return
    run_id = run.info.run_id
    fitted = model.read(next((folder / "files").rglob("model.npz")))
    m = record.metrics
    C = record.params["train.C"]
    client.set_tag(run_id, "mlflow.note.content", note(record))
    client.log_metric(run_id, "log10_C", round(math.log10(C), 4))
    words = (f"C = {C:g}", f"{m['sparsity']:.1f} % zero", f"{100 * m['accuracy']:.1f} % right")
    client.log_image(run_id, figures.tile(fitted.coef, words), key="coef", step=0)
    for step, image in enumerate(figures.class_images(fitted.coef)):
        client.log_image(run_id, image, key="class", step=step)
    example = fitted.mean.round().astype(np.uint8)[None]
    Model.log(
        artifact_path=None,
        name=f"C-{record.params['train.C']:g}".replace(".", "_"),
        flavor=mlflow.sklearn,
        run_id=run_id,
        sk_model=pipeline(fitted),
        signature=infer_signature(example, fitted.predict(example)),
        input_example=example,
        pip_requirements=[f"{name}=={version(name)}" for name in NEEDED],
    )


def page(record: Record) -> str | None:
    """Return the name of the shared view of a sweep's page; other records have no page of their own."""
    return charts.sweep_name(record.result) if sweep_content.is_sweep(record) else None


CONTENT = RunContent(
    title=title,
    dataset=dataset,
    add=add,
    arrange=arrange,
    page=page,
    parts=Parts(charts.SWEEP, sweep_content.MODEL_MD5, "evaluate", sweep_content.point),
)
