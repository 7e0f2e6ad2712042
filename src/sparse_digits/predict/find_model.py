"""The model that a prediction is made by: a file, a point of the sweep, a record or an MLflow run."""

import sys
import tempfile
from pathlib import Path

import numpy as np

from dvc_mlflow.errors import UserError
from dvc_mlflow.project import Project
from dvc_mlflow.records import record_folders
from sparse_digits import model
from sparse_digits.runtime.npz import read_npz

MODEL = Path("results/model.npz")
SWEEP_MODELS = Path("sweep/models.npz")


def find_model(project: Project, name: str | None, C: float | None) -> model.Model:
    """Return the named model; without a name that of the workspace. Raises UserError.

    name : a file, the first digits of a record, or the id of an MLflow run.
    C : of a point of the sweep, in place of a name.
    """
    if C is not None:
        return point_of_sweep(project.folder / SWEEP_MODELS, C)
    if name is None:
        return model.read(project.folder / MODEL)
    path = Path(name)
    if path.exists() or path.suffix:
        return model.read(path)
    folders = [folder for folder in record_folders(project.root) if folder.name.startswith(name)]
    if len({folder.name for folder in folders}) > 1:
        raise UserError(f"{name}: expected the first digits of one record, got those of {len(folders)}")
    if folders:
        path = folders[0] / "files" / MODEL
        if not path.exists():
            raise _no_model(f"record {folders[0].name[:12]}")
        return model.read(path)
    return _model_of_run(project.root, name)


def point_of_sweep(path: Path, C: float) -> model.Model:
    """Return the model of the sweep at a C: of its largest train size, and of its first split seed."""
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


def _model_of_run(root: Path, run_id: str) -> model.Model:
    """Download the model.npz of an MLflow run and read it. Raises UserError."""
    from dvc_mlflow.cli import keep_mlflow_private

    keep_mlflow_private()
    from mlflow import MlflowException, artifacts

    from dvc_mlflow.delivery.mlflow_session import connect

    def give_up(reason: str) -> None:
        print(f"{run_id}: expected an answer of MLflow about this run, got none ({reason})", file=sys.stderr)

    try:
        with connect(root, give_up, 2) as client, tempfile.TemporaryDirectory() as folder:
            client.get_run(run_id)
            if not any(item.path == MODEL.parent.name for item in client.list_artifacts(run_id)):
                raise _no_model(f"run {run_id}")
            uri = client.tracking_uri
            return model.read(
                Path(
                    artifacts.download_artifacts(
                        run_id=run_id, artifact_path=str(MODEL), dst_path=folder, tracking_uri=uri
                    )
                )
            )
    except (MlflowException, FileNotFoundError):
        raise UserError(
            f"{run_id}: expected a file, the first digits of a record, or the id of an MLflow run, "
            "got none of them. `sparse-digits status` lists the records"
        ) from None


def _no_model(place: str) -> UserError:
    return UserError(
        f"{place}: expected a result with {MODEL}, got one without. --C takes a point of the sweep"
    )
