"""A model's file as MLflow's logged model, its bytes as they are. No model is ever loaded.

A `.skops` or `.onnx` file is put beside the MLmodel file that MLflow's own flavor would write for it. A
folder that already has an MLmodel file, because a stage called `save_model`, keeps its flavors. Any other
model, a pickle above all, is an artifact alone.
"""

import importlib.util
import platform
import re
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import yaml
from mlflow import MlflowException
from mlflow.models import Model
from mlflow.models.model import MLMODEL_FILE_NAME

from dvc_mlflow.records import Record

LIBRARIES = {  # distributions that load a model, by the module that has to be installed to log it
    "skops": {"skops": "skops", "sklearn": "scikit-learn"},
    "onnx": {"onnx": "onnx"},
}
REQUIREMENTS, PYTHON_ENVIRONMENT = "requirements.txt", "python_env.yaml"


def log_models(record: Record, files: Path, run_id: str) -> list[str]:
    """Log the models of a record that have a flavor to MLflow's current experiment; return their ids.

    files : the folder with the record's files.
    """
    ids = []
    for path, properties in record.models.items():
        place, name = files / path, re.sub(r"[^\w\-]", "_", properties.get("name", "")) or "model"
        flavor = properties.get("flavor")
        if saved := _read_saved(place):
            logged = Model.log(
                None,
                _SavedFolder(),
                name=name,
                run_id=run_id,
                flavor_name="mlflow",
                folder=place,
                saved=saved,
            )
        elif place.is_file() and flavor and all(map(importlib.util.find_spec, LIBRARIES[flavor])):
            logged = Model.log(
                None,
                _ModelFile(),
                name=name,
                run_id=run_id,
                flavor_name="sklearn" if flavor == "skops" else flavor,
                file=place,
                kind=flavor,
                trusted=properties.get("trusted", []),
                versions=record.environment or {},
            )
        else:
            continue
        ids.append(str(logged.model_id))
    return ids


def _read_saved(folder: Path) -> Model | None:
    """Return what the MLmodel file in a folder says; None if there is none that MLflow understands."""
    try:  # Model.load would take a path for a URI
        return Model.from_dict(yaml.safe_load((folder / MLMODEL_FILE_NAME).read_text(encoding="utf-8")))
    except (AttributeError, MlflowException, OSError, TypeError, ValueError, yaml.YAMLError):
        return None


class _ModelFile:
    """What MLflow calls a flavor: it saves a model as a folder with an MLmodel file."""

    def save_model(
        self,
        path: str,
        mlflow_model: Model,
        file: Path,
        kind: str,
        trusted: list[str],
        versions: Mapping[str, Any],
    ) -> None:
        """Save a file.  trusted : types that skops may load.  versions : of the libraries that wrote it."""
        target = Path(path)
        target.mkdir(parents=True, exist_ok=True)
        name = f"model.{kind}"
        shutil.copyfile(file, target / name)
        needed = {
            library: str(versions.get(library) or version(library)) for library in LIBRARIES[kind].values()
        }
        environment = {"python_env": PYTHON_ENVIRONMENT}
        if kind == "skops":
            mlflow.pyfunc.add_to_model(
                mlflow_model, "mlflow.sklearn", model_path=name, predict_fn="predict", **environment
            )
            mlflow_model.add_flavor(
                "sklearn",
                pickled_model=name,
                sklearn_version=needed["scikit-learn"],
                serialization_format="skops",
                skops_trusted_types=trusted or None,
                code=None,
            )
        else:
            mlflow.pyfunc.add_to_model(mlflow_model, "mlflow.onnx", data=name, **environment)
            mlflow_model.add_flavor("onnx", onnx_version=needed["onnx"], data=name, code=None)
        mlflow_model.model_size_bytes = file.stat().st_size
        mlflow_model.save(str(target / MLMODEL_FILE_NAME))
        lines = [f"mlflow=={version('mlflow')}", *(f"{key}=={value}" for key, value in needed.items())]
        lines += ["onnxruntime"] if kind == "onnx" else []
        (target / REQUIREMENTS).write_text("\n".join(lines) + "\n", encoding="utf-8")
        python = f"python: {platform.python_version()}\nbuild_dependencies: []\n"
        (target / PYTHON_ENVIRONMENT).write_text(f"{python}dependencies:\n- -r {REQUIREMENTS}\n", "utf-8")


class _SavedFolder:
    """Likewise, of a folder that is one already."""

    def save_model(self, path: str, mlflow_model: Model, folder: Path, saved: Model) -> None:
        """Copy the folder, with the new model's ids in its MLmodel file."""
        shutil.copytree(folder, path, dirs_exist_ok=True)
        mlflow_model.flavors, mlflow_model.signature = saved.flavors, saved.signature
        mlflow_model.saved_input_example_info = saved.saved_input_example_info
        mlflow_model.metadata = saved.metadata
        mlflow_model.save(str(Path(path) / MLMODEL_FILE_NAME))
