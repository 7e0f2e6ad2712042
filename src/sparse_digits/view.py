"""What this project's runs show in MLflow beyond what dvc.yaml declares: the model, and its images."""

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

from sparse_digits import figures, model
from sparse_digits.record import Record
from sparse_digits.track import View

NEEDED = ("mlflow", "numpy", "scikit-learn", "scipy", "skops")  # to load the model


def title(record: Record) -> str:
    """Return a run's name: the C, and the DVC experiment if it was one."""
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


def add(client: MlflowClient, run: Run, record: Record, folder: Path) -> None:
    """Log the note, the C as a number that sorts, an image for each class, all of them in one, the model."""
    run_id = run.info.run_id
    fitted = model.read(next((folder / "files").rglob("model.npz")))
    m = record.metrics
    client.set_tag(
        run_id,
        "mlflow.note.content",
        f"**{m['sparsity']:.2f} %** of the weights are zero, test accuracy **{m['accuracy']:.4f}**, "
        f"relative duality gap **{m['duality_gap']:.2g}**.",
    )
    client.log_metric(run_id, "log10_C", round(float(np.log10(record.params["train.C"])), 4))
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


VIEW = View(title, dataset, add)
