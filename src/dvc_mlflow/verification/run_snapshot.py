"""A snapshot of what a run shows: values, files, models and children.

It is compared with the snapshot of a new delivery of the same record. So it leaves out MLflow's ids and
times, and the files that describe the environment of the delivery.
"""

import contextlib
import math
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from mlflow import MlflowClient, MlflowException
from mlflow.entities import LoggedModel, Run
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from dvc_mlflow.delivery.deliver import deliver
from dvc_mlflow.delivery.run_tags import child_runs, models_of, record_runs
from dvc_mlflow.errors import UserError
from dvc_mlflow.files import md5, md5_of_bytes
from dvc_mlflow.run_content import RunContent
from dvc_mlflow.store import Store
from dvc_mlflow.verification.empty_store import copy_tables

ENVIRONMENT = {"conda.yaml", "python_env.yaml", "requirements.txt"}  # MLflow's, beside a model
VARY = (  # and the numbers that the signature takes: that of version 0.1 refused all but uint8
    rb"(?m)^ *((artifact_path|model_id|model_uuid|run_id|utc_time_created|model_size_bytes|\w*version): .*"
    rb"|inputs: '\[\{\"type\":\s+"
    rb"(\"tensor\",\s+\"tensor-spec\":\s+\{\"dtype\":\s+\"uint8\"|\"double\")[^']*')\n"
)


def expected_snapshot(folder: Path, content: RunContent) -> dict[str, object]:
    """Return the snapshot that a whole record's run should have, from a delivery into a temporary store."""
    store = Store.of(folder.parents[2])
    uri = os.environ.pop("MLFLOW_TRACKING_URI", None)
    try:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            if store.file and store.file.exists():
                copy_tables(store.file, root / "mlflow.db")
            shutil.copytree(folder, root / "records" / folder.parent.name / folder.name)
            if deliver(root, content):
                raise UserError(f"{folder}: expected a record that can be delivered")
            client = MlflowClient(Store.of(root).uri)
            ids = [experiment.experiment_id for experiment in client.search_experiments()]
            (run,) = (run for experiment_id in ids for run in record_runs(client, experiment_id))
            return snapshot(client, run)
    finally:
        if uri is not None:
            os.environ["MLFLOW_TRACKING_URI"] = uri


def snapshot(client: MlflowClient, run: Run) -> dict[str, object]:
    """Return metrics and params by name, and the digests of artifacts and models, of a run and its children.

    A metric is its history: the values by step.
    """
    children = child_runs(client, run)
    models: dict[str, list[LoggedModel]] = {}
    for model in models_of(client, run, *children):
        models.setdefault(model.source_run_id, []).append(model)
    values = _own_snapshot(client, run, models.get(run.info.run_id, []))
    for child in children:
        own = _own_snapshot(client, child, models.get(child.info.run_id, []))
        values |= {f"{child.info.run_name}: {key}": value for key, value in own.items()}
    return values


def _own_snapshot(client: MlflowClient, run: Run, models: list[LoggedModel]) -> dict[str, object]:
    """Return the snapshot of a run without its children.

    It asks for nothing that the search for the run has returned: a sweep has thousands of children.
    """
    values: dict[str, object] = {**_metrics(client, run), **run.data.params}
    artifacts = get_artifact_repository(run.info.artifact_uri, client.tracking_uri)
    with tempfile.TemporaryDirectory() as folder:
        for path in _artifact_paths(artifacts):
            with contextlib.suppress(MlflowException, OSError):  # a name that MLflow does not return
                name = re.sub(r"timestamp[^.]*?(\+compressed)?(?=\.)", r"\1", path)
                values[name] = _digest(Path(artifacts.download_artifacts(path, folder)))
    for model in models:
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(MlflowException, OSError):
            artifacts = get_artifact_repository(model.artifact_location, client.tracking_uri)
            place = Path(artifacts.download_artifacts("", folder))
            for file in place.rglob("*"):
                if file.is_file() and file.name not in ENVIRONMENT:
                    values[f"model {model.name}: {file.relative_to(place)}"] = _digest(file)
    return values


def _metrics(client: MlflowClient, run: Run) -> dict[str, dict[int, list[float | str]]]:
    """Return the histories of a run's metrics; of a child's metric whose last step is 0, the last value.

    MLflow returns a history by a request of its own, the last values and their steps with the run.
    """
    of_child = MLFLOW_PARENT_RUN_ID in run.data.tags
    return {
        last.key: {0: [_comparable(last.value)]}
        if of_child and last.step == 0
        else _history(client, run.info.run_id, last.key)
        for last in run.data.to_proto().metrics
    }


def _history(client: MlflowClient, run_id: str, key: str) -> dict[int, list[float | str]]:
    """Return all values of a metric by step, in the order in which they were logged."""
    by_step: dict[int, list[float | str]] = {}
    points = client.get_metric_history(run_id, key)
    for point in sorted(points, key=lambda point: (point.step, point.timestamp)):
        by_step.setdefault(point.step, []).append(_comparable(point.value))
    return by_step


def _comparable(value: float) -> float | str:
    """Return a value that equals itself: NaN as a text."""
    return "NaN" if math.isnan(value) else value


def _artifact_paths(artifacts: ArtifactRepository, folder: str | None = None) -> Iterator[str]:
    for entry in artifacts.list_artifacts(folder):
        if entry.is_dir:
            yield from _artifact_paths(artifacts, entry.path)
        else:
            yield entry.path


def _digest(file: Path) -> str:
    """Return a digest of a file, without what varies from one delivery to the next."""
    if file.suffix == ".skops":  # names in it are addresses in memory: what counts is the object in it
        return _skops_digest(file)
    if file.name == "MLmodel":
        return md5_of_bytes(re.sub(VARY, b"", file.read_bytes()))
    return md5(file)


def _skops_digest(file: Path) -> str:
    """Return a digest of the object in a skops file; of types that skops trusts alone."""
    import joblib  # noqa: PLC0415 - who has logged a skops model has both; nobody else needs them
    import skops.io  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of scikit-learn, where another version of it saved the object
            return str(joblib.hash(skops.io.load(file)))
    except Exception as error:  # noqa: BLE001 - of untrusted types, or of whatever replaced the file
        return f"{type(error).__name__}: {error}"
