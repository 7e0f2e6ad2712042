"""A model as MLflow stores it: a scikit-learn pipeline from raw pixels to a class, without pickle.

The files are those of `mlflow.sklearn.save_model`, which imports scikit-learn and skops. These imports would
be a third of what a delivery imports, so the files are written without them (docs/decisions/0032).
"""

from importlib.metadata import version
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import numpy.typing as npt
import yaml
from mlflow.models import Model, ModelSignature, infer_signature
from mlflow.models.model import MLMODEL_FILE_NAME, ModelInfo
from mlflow.models.utils import _save_example
from mlflow.types import ColSpec, Schema
from mlflow.utils.environment import _mlflow_conda_env, _PythonEnv
from mlflow.utils.file_utils import get_total_file_size

from sparse_digits import model
from sparse_digits.predict.skops_file import to_skops

REQUIREMENTS = ("mlflow", "numpy", "scikit-learn", "scipy", "skops")  # to load the logged model
FILE = "model.skops"
CONDA, PYTHON, PIP = "conda.yaml", "python_env.yaml", "requirements.txt"  # MLflow's names


class _Flavor:
    """What MLflow calls a flavor: it saves a model as a folder with an MLmodel file."""

    @staticmethod
    def save_model(
        path: str,
        mlflow_model: Model,
        fitted: model.Model,
        validate_serving_input: bool,  # noqa: ARG004, FBT001 - it is for `Model.log`
    ) -> None:
        """Save the model, with an example of its input, in the flavors of scikit-learn and of pyfunc."""
        folder = Path(path)
        folder.mkdir()
        mlflow_model.signature = signature(len(fitted.mean), fitted.classes[:1])
        _save_example(mlflow_model, fitted.mean.round().astype(np.uint8)[None], path)
        (folder / FILE).write_bytes(to_skops(fitted))
        mlflow.pyfunc.add_to_model(
            mlflow_model,
            "mlflow.sklearn",
            model_path=FILE,
            conda_env=CONDA,
            python_env=PYTHON,
            predict_fn="predict",
        )
        mlflow_model.add_flavor(
            "sklearn",
            pickled_model=FILE,
            sklearn_version=version("scikit-learn"),
            serialization_format="skops",
            skops_trusted_types=None,
            code=None,
        )
        mlflow_model.model_size_bytes = get_total_file_size(path)
        mlflow_model.save(str(folder / MLMODEL_FILE_NAME))
        pinned = [f"{name}=={version(name)}" for name in REQUIREMENTS]
        conda = _mlflow_conda_env(additional_pip_deps=pinned, install_mlflow=False)
        (folder / CONDA).write_text(yaml.safe_dump(conda, default_flow_style=False))
        (folder / PIP).write_text("\n".join(pinned))
        _PythonEnv.current().to_yaml(str(folder / PYTHON))


def log_model(fitted: model.Model, run_id: str | None = None) -> ModelInfo:
    """Log a model to MLflow's current experiment, as that of a run or of none, and return where it is."""
    return Model.log(
        artifact_path=None,
        name=f"C-{fitted.params['train.C']:g}".replace(".", "_"),
        flavor=_Flavor,
        flavor_name="mlflow.sklearn",
        run_id=run_id,
        fitted=fitted,
        validate_serving_input=False,  # it would load the model to see whether it answers the example
    )


def signature(columns: int, predicted: npt.NDArray[np.generic]) -> ModelSignature:
    """Return a signature whose columns take integers and floats; that of a tensor takes one type alone."""
    return ModelSignature(Schema([ColSpec("double")] * columns), infer_signature(predicted).inputs)
