"""Records to MLflow: a view of the records that can be rebuilt from them at any time.

A record is delivered when its experiment has a FINISHED run tagged with its digest, or had one that the user
deleted. Delivery is not resumed where it was cut off: what is left of it is removed, and it begins anew.
Setting the run FINISHED is the last call.
"""

import contextlib
import logging
import os
import socket
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import mlflow
import requests
from filelock import FileLock
from mlflow import MlflowClient, MlflowException
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, ViewType

from sparse_digits import record
from sparse_digits.record import Record
from sparse_digits.store import Store, shown

PATIENCE = 10  # seconds without an acknowledgement
RESULT = "record.result"  # the tag that says which record a run shows
OWNER = "record.owner"  # the tag that says which repository on which machine delivers it
BEGUN = "record.begun"  # the tag that says since when, in seconds since 1970
STALE = 600  # seconds after which another owner's unfinished run is taken for dead


@dataclass(frozen=True)
class View:
    """What a project's runs show beyond what it declares to DVC.

    title : the run's name.  dataset : the data set's name.  add : logs a model, images and the like.
    """

    title: Callable[[Record], str]
    dataset: Callable[[Record], str]
    add: Callable[[MlflowClient, Run, Record, Path], None]


def deliver(root: Path, view: View) -> int:
    """Send every record that the store lacks; return how many wait still. Never raises, never hangs."""
    waiting = record.folders(root)
    if not waiting:
        return 0
    store = Store.of(root)
    watch = _Watch(lambda reason: _warn(len(waiting), store.uri, reason))
    try:
        with _quiet(), watch, FileLock(_lock(root, store.uri)):
            client = _connect(store.uri, root)
            for name, folders in _by_experiment(waiting).items():
                experiment_id = _experiment(client, name, store.artifacts)
                _deliver_experiment(client, experiment_id, root, folders, view, waiting)
    except Exception as error:  # noqa: BLE001 - whatever a server, a disk or a library does, the result is kept
        _warn(len(waiting), store.uri, str(error).partition("\n")[0] or type(error).__name__)
    return len(waiting)


def initialise(root: Path) -> Store:
    """Make the store if it is not there, under the lock; return it."""
    store = Store.of(root)
    with _quiet(), FileLock(_lock(root, store.uri)):
        _connect(store.uri, root)
    return store


def _by_experiment(folders: list[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for folder in folders:
        found.setdefault(unquote(folder.parent.name), []).append(folder)
    return found


def _deliver_experiment(
    client: MlflowClient,
    experiment_id: str | None,
    root: Path,
    folders: list[Path],
    view: View,
    waiting: list[Path],
) -> None:
    """Deliver the records of one experiment, taking each that is in the store off `waiting`."""
    if experiment_id is None:  # the user deleted the experiment: so it stays
        waiting[:] = [folder for folder in waiting if folder not in folders]
        return
    mlflow.set_experiment(experiment_id=experiment_id)  # else log_model files its model under Default
    runs = _runs(client, experiment_id)
    for folder in folders:
        try:
            result = record.read(folder)
        except ValueError as reason:
            _set_aside(folder, root, str(reason))
        else:
            owned = runs.get(folder.name, [])
            for _ in range(20):
                if any(_is_done(run) for run in owned):
                    break
                _send(client, experiment_id, result, folder, root, view, owned)
                owned = _runs(client, experiment_id, folder.name).get(folder.name, [])
        waiting.remove(folder)


def _is_done(run: Run) -> bool:
    """Tell whether a run needs no more: finished, or finished once and deleted by the user."""
    return bool(run.info.status == "FINISHED")


def _send(
    client: MlflowClient,
    experiment_id: str,
    result: Record,
    folder: Path,
    root: Path,
    view: View,
    earlier: list[Run],
) -> None:
    """Make a record's run, whole. If another machine makes it too, the later one deletes its own."""
    owner = f"{socket.gethostname()}:{root.resolve()}"
    for run in earlier:
        ours = run.data.tags.get(OWNER) == owner
        if run.info.lifecycle_stage == "active" and (ours or _age(run) > STALE):
            _remove(client, experiment_id, run.info.run_id)
    end = int(datetime.fromisoformat(result.created).timestamp() * 1000)
    seconds = sum((told or {}).get("seconds", 0) for told in result.stages.values())
    tags = _tags(result) | {OWNER: owner, BEGUN: repr(time.time())}
    run = client.create_run(experiment_id, end - int(seconds * 1000), tags, view.title(result))
    run_id = run.info.run_id
    _fill(client, run_id, result, folder, view)
    view.add(client, run, result, folder)
    client.set_terminated(run_id, "FINISHED", end)

    rivals = [
        other
        for other in _runs(client, experiment_id, result.result).get(result.result, [])
        if other.info.lifecycle_stage == "active"
        and (_is_done(other) or (other.info.status == "RUNNING" and _age(other) < STALE))
    ]
    if min(rivals, key=_precedence, default=run).info.run_id != run_id:
        client.set_terminated(run_id, "KILLED")
        _remove(client, experiment_id, run_id)
        time.sleep(0.5)  # the other one finishes, or else this one begins anew


def _precedence(run: Run) -> tuple[float, str]:
    """Order runs of one record by when their delivery began."""
    return float(run.data.tags.get(BEGUN, "inf")), run.info.run_id


def _age(run: Run) -> float:
    return time.time() - float(run.data.tags.get(BEGUN, 0))


def _remove(client: MlflowClient, experiment_id: str, run_id: str) -> None:
    """Delete an unfinished run and its models, which would outlive it."""
    for model in client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'"):
        client.delete_logged_model(model.model_id)
    client.set_terminated(run_id, "KILLED")
    client.delete_run(run_id)


def _fill(client: MlflowClient, run_id: str, result: Record, folder: Path, view: View) -> None:
    """Log what every pipeline has: params, metrics, data, digests and the files of the record."""
    now = int(datetime.fromisoformat(result.created).timestamp() * 1000)
    seconds = {
        f"seconds_{stage}": told["seconds"]
        for stage, told in result.stages.items()
        if told and "seconds" in told
    }
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, now, 0) for name, value in (result.metrics | seconds).items()],
        params=[Param(name, str(value)) for name, value in result.params.items()],
    )
    name = view.dataset(result)
    client.log_inputs(
        run_id,
        [
            DatasetInput(
                Dataset(name, md5, "local", f'{{"uri": "{path}"}}'), [InputTag("mlflow.data.context", path)]
            )
            for path, md5 in result.data.items()
        ],
    )
    client.log_artifacts(run_id, str(folder / "files"))
    client.log_artifact(run_id, str(folder / "record.json"))


def _tags(result: Record) -> dict[str, str]:
    """Return a run's tags: MLflow's own, the record's digest, and dvc.lock's digests."""
    code = result.code or {}
    known = {
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": f"dvc repro {result.stage}",
        "mlflow.source.git.commit": code.get("commit"),
        "code": "unknown" if not code else f"{code['commit']}{' with changes' if code['dirty'] else ''}",
        "environment": "unknown"
        if not result.environment
        else ", ".join(f"{name} {value}" for name, value in result.environment.items()),
        "dvc.experiment": result.name,
        RESULT: result.result,
    }
    digests = {f"dvc.md5.{path}": md5 for path, md5 in result.digests.items()}
    return {name: value for name, value in (known | digests).items() if value}


def _experiment(client: MlflowClient, name: str, artifacts: str | None) -> str | None:
    """Return the experiment's id, made if need be; None if the user deleted it.

    Whoever makes it fixes the place of its artifacts: said here, so that it is not the working directory.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        with contextlib.suppress(MlflowException):  # another process may be first
            return str(client.create_experiment(name, artifacts))
        found = client.get_experiment_by_name(name)
    return None if found is None or found.lifecycle_stage == "deleted" else str(found.experiment_id)


def _runs(client: MlflowClient, experiment_id: str, result: str = "") -> dict[str, list[Run]]:
    """Return the runs, deleted ones too, by the digest of the record that they show."""
    where = f"tags.`{RESULT}` = '{result}'" if result else f"tags.`{RESULT}` != ''"
    found: dict[str, list[Run]] = {}
    token = None
    while True:
        page = client.search_runs([experiment_id], where, ViewType.ALL, 1000, page_token=token)
        for run in page:
            found.setdefault(run.data.tags[RESULT], []).append(run)
        token = page.token
        if not token:
            return found


def _set_aside(folder: Path, root: Path, reason: str) -> None:
    """Move a damaged record out of the way, with the reason beside it."""
    place = record.records(root) / ".damaged" / f"{folder.name}-{uuid.uuid4().hex[:6]}"
    place.parent.mkdir(exist_ok=True)
    folder.rename(place)
    (place / "reason.txt").write_text(reason + "\n", encoding="utf-8")
    print(f"warning: a damaged record was set aside in {place}: {reason}", file=sys.stderr)


def _warn(waiting: int, uri: str, reason: str) -> None:
    records = "1 record waits" if waiting == 1 else f"{waiting} records wait"
    print(
        f"warning: MLflow at {shown(uri)} did not take them ({shown(reason)}): {records} in records/. "
        "To send: sparse-digits track",
        file=sys.stderr,
        flush=True,
    )


def _lock(root: Path, uri: str) -> str:
    """Return the lock of deliveries: beside a SQLite file, which several repositories may share."""
    if uri.startswith("sqlite:///"):
        return urlsplit(uri).path[1:] + ".lock"
    return str(record.records(root) / ".lock")


def _connect(uri: str, root: Path) -> MlflowClient:
    """Return a client of the store; its schema is made if the file is new."""
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    with contextlib.chdir(root):  # MLflow gives its Default experiment a place in the working directory
        client.search_experiments(max_results=1)
    return client


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep MLflow to one attempt a request, and its and its libraries' log lines off the terminal."""
    os.environ |= {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(6 * PATIENCE),  # _Watch is quicker
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }

    for name in ("mlflow", "urllib3", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _Watch:
    """Ends the process, with status 0 and a warning, when a request is not answered for too long.

    A thread does it, because nothing else gets out of a name look-up, a connection or a trickle of bytes that
    does not end. Imports, locks and other processes are waited for.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._since: float | None = None
        self._done = threading.Event()

    def _wait(self) -> None:
        while not self._done.wait(0.25):
            if self._since is not None and time.monotonic() - self._since > PATIENCE:
                self._warn(f"no answer for {PATIENCE} s")
                os._exit(0)

    def __enter__(self) -> None:
        send = requests.Session.send

        def watched(
            session: requests.Session, request: requests.PreparedRequest, **options: Any
        ) -> requests.Response:
            self._since = time.monotonic()
            try:
                return send(session, request, **options)
            finally:
                self._since = None

        requests.Session.send = watched  # type: ignore[method-assign, assignment] # all of MLflow's pass it
        self._send = send
        threading.Thread(target=self._wait, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        requests.Session.send = self._send  # type: ignore[method-assign] # as it was
