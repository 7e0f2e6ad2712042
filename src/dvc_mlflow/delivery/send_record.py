"""One record to one MLflow run: created, filled, and set FINISHED by the last call; or removed."""

import contextlib
import json
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from mlflow import MlflowClient, MlflowException
from mlflow.entities import Dataset, DatasetInput, Metric, Param, Run
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri
from mlflow.utils.validation import (
    MAX_ENTITY_KEY_LENGTH,
    MAX_METRICS_PER_BATCH,
    MAX_PARAM_VAL_LENGTH,
    MAX_PARAMS_TAGS_PER_BATCH,
)
from PIL import Image

from dvc_mlflow.client.logged_models import has_logged_models
from dvc_mlflow.client.request_watchdog import unwatched
from dvc_mlflow.declared import plots
from dvc_mlflow.declared.series import Points
from dvc_mlflow.delivery.content_errors import content_errors
from dvc_mlflow.delivery.run_tags import BEGUN, OWNER, child_runs, models_of, tags_of
from dvc_mlflow.records import Record
from dvc_mlflow.run_content import RunContent, six_digits

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
    with_histories = "histories" not in content.without
    histories = _valid_names(plots.histories(record, folder / "files")) if with_histories else {}
    tags = tags_of(record) | {OWNER: owner, BEGUN: repr(time.time())}
    with content_errors():
        name, datasets = content.title(record), _datasets(record, content)
    run = _restore(client, removed, tags, name) if removed else None
    run = run or client.create_run(experiment_id, start, tags, name)
    run_id = run.info.run_id
    try:
        with _heartbeat(client, run_id):
            texts = _valid_names(record.params).items()
            params = [Param(key, str(value)[:MAX_PARAM_VAL_LENGTH]) for key, value in texts]
            for i in range(0, len(params), MAX_PARAMS_TAGS_PER_BATCH):
                client.log_batch(run_id, params=params[i : i + MAX_PARAMS_TAGS_PER_BATCH])
            if datasets:
                client.log_inputs(run_id, [DatasetInput(dataset, []) for dataset in datasets])
            if record.outputs:
                client.log_artifacts(run_id, str(folder / "files"))
            client.log_artifact(run_id, str(folder / "record.json"))
            models = _log_models(client, run, record, folder, content)
            _log_metrics(client, run_id, _valid_names(record.metrics | seconds), histories, models, end)
            if "images" not in content.without:
                _log_images(client, run_id, record, folder)
            with content_errors():
                content.add(client, run, record, folder)
        client.set_terminated(run_id, "FINISHED", end)
    except Exception:
        with contextlib.suppress(Exception):  # else the next delivery removes it
            remove_run(client, run)
        raise


def _log_models(
    client: MlflowClient, run: Run, record: Record, folder: Path, content: RunContent
) -> list[str]:
    """Log a record's models unless `content` has others; return their ids."""
    if not record.models or "models" in content.without:
        return []
    if not has_logged_models(client, run.info.experiment_id):
        return []
    from dvc_mlflow.declared.model_files import log_models  # noqa: PLC0415 - mlflow.pyfunc takes a second

    return log_models(record, folder / "files", run.info.run_id)


def _log_metrics(
    client: MlflowClient,
    run_id: str,
    values: Mapping[str, float],
    histories: Mapping[str, Points],
    models: Sequence[str],
    end: int,
) -> None:
    """Log metrics, as those of the models too, and histories.

    MLflow's tables show the last value of a history, or the metric of the same name: it has the last step,
    and of two values there the later one counts.  end : the time of the metrics, in milliseconds.
    """
    last_steps = {key: points[-1][0] for key, points in histories.items()}
    last = {key: (last_steps.get(key, 0), six_digits(value)) for key, value in values.items()}
    metrics = [
        Metric(key, value, end, step, model_id=model, run_id=model and run_id)
        for model in models or (None,)
        for key, (step, value) in last.items()
    ] + [
        Metric(key, six_digits(value), end - 1, step)
        for key, points in histories.items()
        for step, value in points
        if last.get(key) != (step, six_digits(value))
    ]
    for start in range(0, len(metrics), MAX_METRICS_PER_BATCH):
        client.log_batch(run_id, metrics[start : start + MAX_METRICS_PER_BATCH])


def _log_images(client: MlflowClient, run_id: str, record: Record, folder: Path) -> None:
    for path, key, step in plots.images(record, folder / "files"):
        try:
            with Image.open(path) as file:
                image = file.convert("RGBA")
        except (OSError, ValueError, Image.DecompressionBombError):
            continue  # whatever it is, it is an artifact
        client.log_image(run_id, image, key=key, step=step)


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
        while not done.wait(HEARTBEAT):
            with unwatched(), contextlib.suppress(Exception):  # a store that fails is the delivery's business
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
    """Return a data set for each path of the data, by the project's name or, without one, by the path.

    What the first stage itself declares as a metric, plot, model or report is none.
    """
    name = content.dataset(record) if content.dataset else None
    declared = {place for path in record.outputs for place in (path, *map(str, PurePosixPath(path).parents))}
    return [
        Dataset(name or path, md5, "local", json.dumps({"uri": path}))
        for path, md5 in record.data.items()
        if path not in declared
    ]


def _valid_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by names that MLflow accepts, which are no paths out of a folder."""

    def valid(name: str) -> str:
        parts = re.sub(r"[^\w.\- :/]", "_", name)[:MAX_ENTITY_KEY_LENGTH].split("/")
        return "/".join(part for part in parts if part not in {"", ".", ".."}) or "_"

    return {valid(key): value for key, value in values.items()}
