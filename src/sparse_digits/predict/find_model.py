"""The model that a prediction is made by: a file, a point of the sweep, a record, or one in MLflow."""

import math
import tempfile
from pathlib import Path

import numpy as np

from dvc_mlflow.cli import keep_mlflow_private
from dvc_mlflow.errors import UserError
from dvc_mlflow.project import Project
from dvc_mlflow.records import find_record_folder
from dvc_mlflow.store import Store
from sparse_digits import model
from sparse_digits.runtime.errors import MissingFileError
from sparse_digits.runtime.npz import read_npz

MODEL = Path("results/model.npz")
SWEEP_MODELS = Path("sweep/models.npz")
REGISTRY = "models:/"  # how MLflow's URI of a registered model begins


def find_model(name: str | None, C: float | None) -> model.Model:
    """Return the named model; without a name that of the workspace. Raises UserError.

    A file needs no project around it.

    name : a file, the first digits of a record, the id of an MLflow run, or the URI of a registered model,
        models:/NAME@ALIAS or models:/NAME/VERSION.
    C : of a point of the sweep, in place of a name.
    """
    if C is not None:
        return point_of_sweep(Project.find().folder / SWEEP_MODELS, C)
    if name is None:
        return read_model(Project.find().folder / MODEL)
    if name.startswith(REGISTRY):
        return _registered_model(Project.find(), name)
    path = Path(name)
    if path.is_dir() or (path.suffix and not path.exists()):
        got = "a folder" if path.is_dir() else "no file of this name"
        raise UserError(f"{name or '--model'}: expected a file with a model, got {got}")
    if path.exists():
        return read_model(path)
    project = Project.find()
    if folder := find_record_folder(project.root, name):
        path = folder / "files" / MODEL
        if not path.exists():
            raise _no_model(f"record {folder.name[:12]}")
        return read_model(path)
    return _model_of_run(project, name)


def read_model(path: Path) -> model.Model:
    """Read a model from anywhere. Raises UserError, also where its arrays do not fit together."""
    try:
        fitted = model.read(path)
        n_classes, n_pixels = fitted.coef.shape
        shapes = [part.shape for part in (fitted.intercept, fitted.classes, fitted.mean, fitted.scale)]
        numbers = (fitted.coef, fitted.intercept, fitted.mean, fitted.scale)
        fits = (
            shapes == [(n_classes,)] * 2 + [(n_pixels,)] * 2
            and n_classes > 1
            and math.isqrt(n_pixels) ** 2 == n_pixels > 0
            and all(np.isfinite(part).all() for part in numbers)
        )
    except MemoryError as error:  # announced by a file from elsewhere, not needed by a model
        raise UserError(f"{path}: expected a model, but it cannot be read: {error}") from None
    except (AttributeError, TypeError, ValueError):
        fits = False
    if not fits:
        raise UserError(f"{path}: expected a model of square images, got arrays that do not fit together")
    return fitted


def point_of_sweep(path: Path, C: float) -> model.Model:
    """Return the model of the sweep at a C: of its largest train size, and of its first split seed."""
    if not path.exists():
        raise MissingFileError(path, "sparse-digits sweep")
    try:
        params, arrays = read_npz(path)
        Cs = arrays["C"]
    except KeyError:
        raise UserError(f"{path}: expected the models of a sweep, got another file") from None
    matching = np.flatnonzero(np.isclose(Cs, C, rtol=1e-9, atol=0))
    if not len(matching):
        known = ", ".join(f"{known:g}" for known in np.unique(Cs))
        raise UserError(f"{path}: expected a C of the sweep ({known}), got {C:g}")
    i = min(matching, key=lambda i: (-arrays["train_size"][i], arrays["split_seed"][i]))
    parts = ("coef", "intercept", "classes", "mean", "scale")
    return model.Model(
        **{part: arrays[part][i] for part in parts},
        n_iter=int(arrays["n_iter"][i]),
        converged=bool(arrays["converged"][i]),
        params=params | {"train.C": float(arrays["C"][i]), "split.train_size": int(arrays["train_size"][i])},
    )


def _model_of_run(project: Project, run_id: str) -> model.Model:
    """Download the model.npz of an MLflow run and read it. Raises UserError."""
    unknown = UserError(
        f"{run_id}: expected a file, the first digits of a record, the id of an MLflow run, "
        "or models:/NAME@ALIAS, got none of them. `sparse-digits status` lists the records"
    )
    store = Store.of(project.root)
    if store.file and not store.file.exists():
        raise unknown
    keep_mlflow_private()
    from mlflow import MlflowException, artifacts

    from dvc_mlflow.client.store_client import store_client

    with store_client(project) as client, tempfile.TemporaryDirectory() as folder:
        try:
            client.get_run(run_id)
        except MlflowException as error:
            raise unknown if error.error_code == "RESOURCE_DOES_NOT_EXIST" else error from None
        if not any(item.path == MODEL.parent.name for item in client.list_artifacts(run_id)):
            raise _no_model(f"run {run_id}")
        uri = client.tracking_uri
        path = artifacts.download_artifacts(
            run_id=run_id, artifact_path=str(MODEL), dst_path=folder, tracking_uri=uri
        )
        return read_model(Path(path))


def _registered_model(project: Project, uri: str) -> model.Model:
    """Return a registered model. Raises UserError."""
    keep_mlflow_private()
    from dvc_mlflow.client.store_client import store_client
    from sparse_digits.mlflow_content import registry

    with store_client(project) as client:
        try:
            return registry.read(client, uri)
        except ValueError as error:
            raise UserError(
                f"{uri}: expected a model that `sparse-digits register` has registered, got {error}"
            ) from None


def _no_model(place: str) -> UserError:
    return UserError(
        f"{place}: expected a result with {MODEL}, got one without. --C takes a point of the sweep"
    )
