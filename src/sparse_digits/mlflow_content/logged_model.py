"""A model as MLflow stores it: a scikit-learn pipeline from raw pixels to a class, without pickle."""

from importlib import import_module
from importlib.metadata import version
from typing import Any

import mlflow.sklearn
import numpy as np
import numpy.typing as npt
from mlflow.models import Model, ModelSignature, infer_signature
from mlflow.models.model import ModelInfo
from mlflow.types import ColSpec, Schema
from mlflow.utils.requirements_utils import warn_dependency_requirement_mismatches

from sparse_digits import model
from sparse_digits.predict.sklearn_pipeline import to_pipeline

REQUIREMENTS = ("mlflow", "numpy", "scikit-learn", "scipy", "skops")  # to load the logged model


class _Flavor:
    """scikit-learn's flavor; MLflow would load the model again to see whether it answers the example."""

    @staticmethod
    def save_model(*, validate_serving_input: bool, **options: Any) -> None:  # noqa: ARG004 - it is for `Model.log`
        mlflow.sklearn.save_model(**options)


def prepare() -> None:
    """Import skops, and let MLflow find the package of each module, which it does once a process."""
    import_module("skops.io")
    warn_dependency_requirement_mismatches(_requirements())


def _requirements() -> list[str]:
    return [f"{name}=={version(name)}" for name in REQUIREMENTS]


def log_model(fitted: model.Model, run_id: str | None = None) -> ModelInfo:
    """Log a model to MLflow's current experiment, as that of a run or of none, and return where it is."""
    input_example = fitted.mean.round().astype(np.uint8)[None]
    return Model.log(
        artifact_path=None,
        name=f"C-{fitted.params['train.C']:g}".replace(".", "_"),
        flavor=_Flavor,
        flavor_name="mlflow.sklearn",
        validate_serving_input=False,
        run_id=run_id,
        sk_model=to_pipeline(fitted),
        signature=signature(len(fitted.mean), fitted.classes[:1]),
        input_example=input_example,
        pip_requirements=_requirements(),
    )


def signature(columns: int, predicted: npt.NDArray[np.integer]) -> ModelSignature:
    """Return a signature whose columns take integers and floats; that of a tensor takes one type alone."""
    return ModelSignature(Schema([ColSpec("double")] * columns), infer_signature(predicted).inputs)
