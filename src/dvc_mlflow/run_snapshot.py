"""What a run shows, to be held to what its record gives once more: values, files, models, children.

MLflow's ids and times are left out, and what describes the environment of the delivery.
"""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import joblib
import mlflow
import skops.io
from mlflow import MlflowClient, MlflowException
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from dvc_mlflow import deliver, provenance
from dvc_mlflow.errors import UserError
from dvc_mlflow.store import Store

ENVIRONMENT = {"conda.yaml", "python_env.yaml", "requirements.txt"}  # MLflow's, beside a model
VARY = (
    rb"(?m)^ *(artifact_path|model_id|model_uuid|run_id|utc_time_created|model_size_bytes|\w*version): .*\n"
)


def expected_snapshot(folder: Path, view: deliver.RunContent) -> dict[str, object]:
    """Return what a whole record's run shows, by what it is, from a delivery into a temporary store."""
    uri = os.environ.pop("MLFLOW_TRACKING_URI", None)
    try:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            shutil.copytree(folder, root / "records" / folder.parent.name / folder.name)
            if deliver.deliver(root, view):
                raise UserError(f"{folder}: expected a record that can be delivered")
            client = MlflowClient(Store.of(root).uri)
            ids = [experiment.experiment_id for experiment in client.search_experiments()]
            (run,) = (run for one in ids for run in deliver.record_runs(client, one))
            return snapshot(client, run)
    finally:
        if uri is not None:
            os.environ["MLFLOW_TRACKING_URI"] = uri


def snapshot(client: MlflowClient, run: Run) -> dict[str, object]:
    """Return what a run shows: numbers, params, and the digests of its artifacts, models and children."""
    run_id, experiments = run.info.run_id, [run.info.experiment_id]
    found: dict[str, object] = {**run.data.metrics, **run.data.params}
    with tempfile.TemporaryDirectory() as folder:
        for path in _paths(client, run_id):
            with contextlib.suppress(MlflowException, OSError):  # a name that MLflow does not hand out
                name = re.sub(r"timestamp[^.]*?(\+compressed)?(?=\.)", r"\1", path)
                found[name] = _digest(Path(client.download_artifacts(run_id, path, folder)))
    for model in client.search_logged_models(experiments, f"source_run_id = '{run_id}'"):
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(MlflowException, OSError):
            place = Path(
                mlflow.artifacts.download_artifacts(
                    artifact_uri=model.artifact_location, dst_path=folder, tracking_uri=client.tracking_uri
                )
            )
            for file in place.rglob("*"):
                if file.is_file() and file.name not in ENVIRONMENT:
                    found[f"model {model.name}: {file.relative_to(place)}"] = _digest(file)
    for child in client.search_runs(
        experiments, f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run_id}'", max_results=1000
    ):
        found |= {f"{child.info.run_name}: {key}": value for key, value in snapshot(client, child).items()}
    return found


def _paths(client: MlflowClient, run_id: str, folder: str = "") -> Iterator[str]:
    for entry in client.list_artifacts(run_id, folder):
        if entry.is_dir:
            yield from _paths(client, run_id, entry.path)
        else:
            yield entry.path


def _digest(file: Path) -> str:
    """Return a digest of a file, without what varies from one delivery to the next."""
    if file.suffix == ".skops":  # its names are addresses in memory: what counts is what it loads
        try:
            return str(joblib.hash(skops.io.load(file)))  # of scikit-learn's and numpy's types alone
        except Exception as error:  # noqa: BLE001 - types that it does not trust, whatever else was put there
            return f"{type(error).__name__}: {error}"
    if file.name == "MLmodel":
        file.write_bytes(re.sub(VARY, b"", file.read_bytes()))
    return provenance.md5(file)
