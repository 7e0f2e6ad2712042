"""A model as MLflow stores it: a scikit-learn pipeline from raw pixels to a class, without pickle."""

from importlib.metadata import version

import mlflow.sklearn
import numpy as np
import numpy.typing as npt
from mlflow.models import Model, ModelSignature, infer_signature
from mlflow.models.model import ModelInfo
from mlflow.types import ColSpec, Schema

from sparse_digits import model
from sparse_digits.predict.sklearn_pipeline import to_pipeline

REQUIREMENTS = ("mlflow", "numpy", "scikit-learn", "scipy", "skops")  # to load the logged model


def log_model(fitted: model.Model, run_id: str | None = None) -> ModelInfo:
    """Log a model to MLflow's current experiment, as that of a run or of none, and return where it is."""
    input_example = fitted.mean.round().astype(np.uint8)[None]
    return Model.log(
        artifact_path=None,
        name=f"C-{fitted.params['train.C']:g}".replace(".", "_"),
        flavor=mlflow.sklearn,
        run_id=run_id,
        sk_model=to_pipeline(fitted),
        signature=signature(len(fitted.mean), fitted.classes[:1]),
        input_example=input_example,
        pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
    )


def signature(columns: int, predicted: npt.NDArray[np.integer]) -> ModelSignature:
    """Return a signature whose columns take integers and floats; that of a tensor takes one type alone."""
    return ModelSignature(Schema([ColSpec("double")] * columns), infer_signature(predicted).inputs)
