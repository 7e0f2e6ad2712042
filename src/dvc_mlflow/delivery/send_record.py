"""One record to one MLflow run: created, filled, and set FINISHED by the last call; or removed."""

import contextlib
import json
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mlflow import MlflowClient, MlflowException
from mlflow.entities import Dataset, DatasetInput, Metric, Param, Run
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH, MAX_PARAMS_TAGS_PER_BATCH

from dvc_mlflow.delivery.request_watchdog import unwatched
from dvc_mlflow.delivery.run_tags import BEGUN, OWNER, child_runs, models_of, tags_of
from dvc_mlflow.records import Record
from dvc_mlflow.run_content import RunContent

HEARTBEAT = 60.0  # seconds between two changes of the tag BEGUN of a run that is being delivered


def send_record(
    client: MlflowClient,
    experiment_id: str,
    record: Record,
    folder: Path,
    content: RunContent,
    owner: str,
    removed: Run | None = None,
) -> None:
    """Create a record's run: what every project declares to DVC, and what `content` adds.

    A metric has six significant digits, because MLflow's tables show all that there are.

    removed : a run of an earlier attempt. It is used again, so that a failure that repeats leaves one run.
    """
    end = int(datetime.fromisoformat(record.created).timestamp() * 1000)
    seconds = {f"seconds_{stage}": known["seconds"] for stage, known in record.stages.items() if known}
    start = end - int(sum(seconds.values()) * 1000)
    tags = tags_of(record) | {OWNER: owner, BEGUN: repr(time.time())}
    name = content.title(record)
    run = _restore(client, removed, tags, name) if removed else None
    run = run or client.create_run(experiment_id, start, tags, name)
    run_id = run.info.run_id
    try:
        with _heartbeat(client, run_id):
            values = _valid_names(record.metrics | seconds).items()
            metrics = [Metric(key, float(f"{value:.6g}"), end, 0) for key, value in values]
            texts = _valid_names(record.params).items()
            params = [Param(key, str(value)[:MAX_PARAM_VAL_LENGTH]) for key, value in texts]
            for i in range(0, max(len(metrics), len(params)), MAX_PARAMS_TAGS_PER_BATCH):
                batch = slice(i, i + MAX_PARAMS_TAGS_PER_BATCH)
                client.log_batch(run_id, metrics[batch], params[batch])
            inputs = [DatasetInput(dataset, []) for dataset in _datasets(record, content)]
            client.log_inputs(run_id, inputs)
            if record.outputs:
                client.log_artifacts(run_id, str(folder / "files"))
            client.log_artifact(run_id, str(folder / "record.json"))
            content.add(client, run, record, folder)
        client.set_terminated(run_id, "FINISHED", end)
    except Exception:
        with contextlib.suppress(Exception):  # else the next delivery removes it
            remove_run(client, run)
        raise


def _restore(client: MlflowClient, removed: Run, tags: Mapping[str, str], name: str) -> Run | None:
    """Return a removed run without artifacts and RUNNING again; None if the store cannot do that."""
    run_id = removed.info.run_id
    try:
        _delete_artifacts(removed.info.artifact_uri)
        client.restore_run(run_id)
        for key, value in tags.items():
            client.set_tag(run_id, key, value)
        client.update_run(run_id, "RUNNING", name)
        return client.get_run(run_id)
    except Exception:  # noqa: BLE001 - of whatever kind: there will be a new run
        with contextlib.suppress(Exception):
            client.delete_run(run_id)
        return None


def _delete_artifacts(uri: str) -> None:
    if is_local_uri(uri):  # MLflow's own deletion unquotes a path twice, and deletes nothing
        shutil.rmtree(local_file_uri_to_path(uri), ignore_errors=True)
        return
    artifacts = get_artifact_repository(uri)
    for entry in artifacts.list_artifacts():
        artifacts.delete_artifacts(entry.path)


@contextlib.contextmanager
def _heartbeat(client: MlflowClient, run_id: str) -> Iterator[None]:
    """Change the run's tag BEGUN every minute, so that no other host takes the run for an abandoned one."""
    done = threading.Event()

    def beat() -> None:
        unwatched.thread = True  # an answer to this thread is no progress of the delivery
        while not done.wait(HEARTBEAT):
            with contextlib.suppress(Exception):  # a store that fails is the delivery's business
                client.set_tag(run_id, BEGUN, repr(time.time()))

    threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def remove_run(client: MlflowClient, run: Run) -> None:
    """Delete a run, and its models and children, which MLflow would keep."""
    run_id = run.info.run_id
    try:
        for child in child_runs(client, run):
            client.delete_run(child.info.run_id)
        for model in models_of(client, run):
            client.delete_logged_model(model.model_id)
        client.set_terminated(run_id, "KILLED")  # FINISHED and deleted would mean: by the user
        client.delete_run(run_id)
    except MlflowException:
        if client.get_run(run_id).info.lifecycle_stage == "active":  # no other host has deleted it either
            raise


def _datasets(record: Record, content: RunContent) -> list[Dataset]:
    """Return a data set for each path of the data, by the project's name or, without one, by the path."""
    name = content.dataset(record) if content.dataset else None
    return [
        Dataset(name or path, md5, "local", json.dumps({"uri": path})) for path, md5 in record.data.items()
    ]


def _valid_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by names that MLflow accepts."""
    return {re.sub(r"[^\w.\- :/]", "_", key)[:250]: value for key, value in values.items()}
