"""Records to MLflow: a view of the records that can be rebuilt from them at any time.

A record is delivered when its experiment has a FINISHED run tagged with its digest, or had one that the user
deleted. Setting the run FINISHED is the last call. A delivery that was cut off is not resumed: what is left
of it is removed, and it begins anew. Where two hosts that share no lock both finish a run of one record, each
then keeps the one with the least run id, and removes the others.
"""

import contextlib
import json
import logging
import os
import re
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import mlflow
import mlflow.store.db.utils
import requests
from filelock import FileLock
from mlflow import MlflowClient, MlflowException
from mlflow.entities import Dataset, DatasetInput, Metric, Param, Run, ViewType
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH, MAX_PARAMS_TAGS_PER_BATCH, MAX_TAG_VAL_LENGTH

from sparse_digits import record
from sparse_digits.record import Record
from sparse_digits.store import Store, shown

PATIENCE = 10  # seconds without an acknowledgement
RESULT = "record.result"  # the tag that says which record a run shows
OWNER = "record.owner"  # the tag that says which repository on which machine delivers it
BEGUN = "record.begun"  # the tag that says since when, in seconds since 1970
ATTEMPTS = 2  # hosts that log one data set at once make MLflow fail one of them on PostgreSQL
STALE = 600  # seconds after which another owner's unfinished run is taken for dead


@dataclass(frozen=True)
class View:
    """What a project's runs show beyond what it declares to DVC.

    title : the run's name.  dataset : the data set's name.  add : logs a model, images and the like.
    arrange : prepares the page of an experiment, given its id, once its runs are there.
    """

    title: Callable[[Record], str]
    dataset: Callable[[Record], str]
    add: Callable[[MlflowClient, Run, Record, Path], None]
    arrange: Callable[[MlflowClient, str], None] = lambda _client, _experiment_id: None


def deliver(root: Path, view: View, *, status: int = 0) -> int:
    """Send every record that the store lacks; return how many wait still.

    It raises nothing, but ends the process, with `status`, when the store does not answer.
    """
    waiting = record.folders(root)
    if not waiting:
        return 0
    store = Store.of(root)
    reasons: list[str] = []
    watch = _Watch(lambda reason: _warn(len(waiting), store.uri, reason), status)
    try:
        with _quiet(), watch, FileLock(store.lock):
            client = _connect(store, root)
            for name, folders in groupby(list(waiting), record.experiment_of):
                for folder, reason in _experiment(client, name, list(folders), store, root, view):
                    if reason:
                        reasons.append(reason)
                    else:
                        waiting.remove(folder)
    except Exception as error:  # noqa: BLE001 - whatever a server, a disk or a library does, the result is kept
        reasons.insert(0, _said(error))
    if waiting:
        _warn(len(waiting), store.uri, reasons[0])
    return len(waiting)


def initialise(root: Path) -> Store:
    """Make the store if it is not there, under the lock; return it."""
    store = Store.of(root)
    with _quiet(), FileLock(store.lock):
        _connect(store, root)
    return store


@contextmanager
def connected(root: Path, give_up: Callable[[str], None], status: int = 1) -> Iterator[MlflowClient]:
    """Yield a client of the store, to look into it, without making one. Raises what MLflow raises.

    give_up : is called, and the process ended with `status`, when the store does not answer.
    """
    store = Store.of(root)
    if store.file and not store.file.exists():
        raise FileNotFoundError("there is no store yet")
    with _quiet(), _Watch(give_up, status):
        yield _connect(store, root)


def values_of(result: Record) -> tuple[dict[str, float], dict[str, str]]:
    """Return a record's metrics and params by the names, and in the form, that its run has.

    A metric has six significant digits: MLflow's tables show whatever there is.
    """
    seconds = {f"seconds_{stage}": told["seconds"] for stage, told in result.stages.items() if told}
    metrics = {_name(key): float(f"{value:.6g}") for key, value in (result.metrics | seconds).items()}
    return metrics, {_name(key): str(value)[:MAX_PARAM_VAL_LENGTH] for key, value in result.params.items()}


def runs_of(client: MlflowClient, experiment_id: str, result: str = "") -> list[Run]:
    """Return the runs that show records (or this record), deleted ones too."""
    where = f"tags.`{RESULT}` = '{result}'" if result else f"tags.`{RESULT}` != ''"
    found: list[Run] = []
    token = None
    while True:
        page = client.search_runs([experiment_id], where, ViewType.ALL, 1000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _experiment(
    client: MlflowClient, name: str, folders: list[Path], store: Store, root: Path, view: View
) -> Iterator[tuple[Path, str | None]]:
    """Deliver the records of one experiment; yield each with the reason why it waits still, or None."""
    found = client.get_experiment_by_name(name)
    if found is None:
        # Whoever makes it fixes the place of its artifacts: if nothing is said, in the working directory.
        try:
            client.create_experiment(name, store.artifacts)
        except MlflowException:
            if client.get_experiment_by_name(name) is None:  # no other host was first
                raise
        found = client.get_experiment_by_name(name)
    if found.lifecycle_stage == "deleted":  # by the user: so it stays
        yield from ((folder, None) for folder in folders)
        return
    experiment_id = found.experiment_id
    mlflow.set_experiment(experiment_id=experiment_id)  # else Model.log files its model under Default
    owner = f"{socket.gethostname()}:{root.resolve()}"
    done = _settle(client, runs_of(client, experiment_id), owner)
    for folder in folders:
        yield (
            folder,
            None if folder.name in done else _record(client, experiment_id, folder, root, view, owner),
        )
    if not done.issuperset(folder.name for folder in folders):
        view.arrange(client, experiment_id)


def _record(
    client: MlflowClient, experiment_id: str, folder: Path, root: Path, view: View, owner: str
) -> str | None:
    """Deliver one record; return the reason why it waits still, or None. Raises if the store fails."""
    try:
        result = record.read(folder)
    except ValueError as damage:
        place = record.set_aside(folder, root, str(damage))
        print(f"warning: a damaged record was set aside in {place}: {damage}", file=sys.stderr)
        return None
    reason = "its run did not stay"
    for _ in range(ATTEMPTS):
        try:
            _send(client, experiment_id, result, folder, view, owner)
        except Exception as error:  # noqa: BLE001 - of whatever kind, the other records may be sent
            client.search_experiments(max_results=1)  # raises if it is the store that fails, not the record
            reason = _said(error)
        if result.result in _settle(client, runs_of(client, experiment_id, result.result), owner):
            return None
    return reason


def _settle(client: MlflowClient, runs: list[Run], owner: str) -> set[str]:
    """Remove cut-off deliveries, and all but one run of each record; return the records that need no run.

    Whoever holds the lock knows that an unfinished run of the same owner is dead.
    """
    done, kept = set(), set()
    for run in sorted(runs, key=lambda run: str(run.info.run_id)):
        tags, active = run.data.tags, run.info.lifecycle_stage == "active"
        if run.info.status == "FINISHED":
            done.add(tags[RESULT])  # if it is deleted, the user did it: so it stays
            if active and tags[RESULT] in kept:
                _remove(client, run)
            elif active:
                kept.add(tags[RESULT])
        elif active and (tags.get(OWNER) == owner or time.time() - float(tags.get(BEGUN, 0)) > STALE):
            _remove(client, run)
    return done


def _remove(client: MlflowClient, run: Run) -> None:
    """Delete a run that is not to be, and its models and children, which would outlive it."""
    run_id = run.info.run_id
    try:
        for child in client.search_runs(
            [run.info.experiment_id], f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run_id}'"
        ):
            client.delete_run(child.info.run_id)
        for model in client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run_id}'"):
            client.delete_logged_model(model.model_id)
        client.set_terminated(run_id, "KILLED")  # FINISHED and deleted would mean: by the user
        client.delete_run(run_id)
    except MlflowException:
        if client.get_run(run_id).info.lifecycle_stage == "active":  # another host did not do it either
            raise


def _send(
    client: MlflowClient, experiment_id: str, result: Record, folder: Path, view: View, owner: str
) -> None:
    """Make a record's run: what every pipeline has, and what the view adds."""
    end = int(datetime.fromisoformat(result.created).timestamp() * 1000)
    values, texts = values_of(result)
    start = end - int(sum(told["seconds"] for told in result.stages.values() if told) * 1000)
    tags = _tags(result) | {OWNER: owner, BEGUN: repr(time.time())}
    run = client.create_run(experiment_id, start, tags, view.title(result))
    run_id = run.info.run_id
    try:
        metrics = [Metric(key, value, end, 0) for key, value in values.items()]
        params = [Param(key, value) for key, value in texts.items()]
        for i in range(0, max(len(metrics), len(params)), MAX_PARAMS_TAGS_PER_BATCH):
            part = slice(i, i + MAX_PARAMS_TAGS_PER_BATCH)
            client.log_batch(run_id, metrics[part], params[part])
        name = view.dataset(result)
        inputs = [Dataset(name, md5, "local", json.dumps({"uri": path})) for path, md5 in result.data.items()]
        client.log_inputs(run_id, [DatasetInput(dataset, []) for dataset in inputs])
        client.log_artifacts(run_id, str(folder / "files"))
        client.log_artifact(run_id, str(folder / "record.json"))
        view.add(client, run, result, folder)
        client.set_terminated(run_id, "FINISHED", end)
    except Exception:
        with contextlib.suppress(Exception):  # else the next delivery removes it
            _remove(client, run)
        raise


def _tags(result: Record) -> dict[str, str]:
    """Return a run's tags: MLflow's own, and the record's."""
    code = result.code or {}
    tags = {
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": f"dvc repro {result.stage}",
        "mlflow.source.git.commit": code.get("commit"),
        "code": f"{code['commit']}{' with changes' if code['dirty'] else ''}" if code else "unknown",
        "environment": ", ".join(f"{name} {value}" for name, value in (result.environment or {}).items())
        or "unknown",
        "dvc.experiment": result.name,
        "dvc.md5": ", ".join(f"{path} {md5}" for path, md5 in result.digests.items()),  # one: a page of many
        RESULT: result.result,
    }
    return {name: value[:MAX_TAG_VAL_LENGTH] for name, value in tags.items() if value}


def _name(key: str) -> str:
    """Return a name that MLflow takes."""
    return re.sub(r"[^\w.\- :/]", "_", key)[:250]


def _said(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _warn(waiting: int, uri: str, reason: str) -> None:
    records = "1 record waits" if waiting == 1 else f"{waiting} records wait"
    print(
        f"warning: MLflow at {shown(uri)} did not take them ({shown(reason)}): {records} in records/. "
        "To send: sparse-digits track",
        file=sys.stderr,
        flush=True,
    )


def _connect(store: Store, root: Path) -> MlflowClient:
    """Return a client of the store; its schema is made if the file is new."""
    mlflow.set_tracking_uri(store.uri)
    with contextlib.chdir(root):  # MLflow gives its Default experiment a place in the working directory
        client = MlflowClient(store.uri)
        client.search_experiments(max_results=1)
    with contextlib.suppress(OSError):  # MLflow made the folder that the quoted URI seems to name: empty
        os.removedirs(Path(store.uri.removeprefix("sqlite:///")).parent)
    return client


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep MLflow to one attempt a request and off the terminal; leave the environment as it was."""
    before = dict(os.environ)  # MLflow puts the store's address there, which the next delivery would obey
    os.environ |= {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",  # _Watch is quicker
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "DO_NOT_TRACK": "true",
        "PGCONNECT_TIMEOUT": str(PATIENCE),
    }
    mlflow.store.db.utils.MAX_RETRY_COUNT = 1  # else a file that cannot be opened takes 100 s
    for name in ("mlflow", "urllib3", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.environ.clear()
        os.environ |= before


class _Watch:
    """Ends the process, with a warning, when requests are out and none is answered for too long.

    A thread does it, because nothing else gets out of a name look-up, a connection or a trickle of bytes that
    does not end. Imports, locks and other processes are waited for.
    """

    def __init__(self, warn: Callable[[str], None], status: int) -> None:
        self._warn = warn
        self._status = status
        self._out = 0  # requests: MLflow sends artifacts from several threads
        self._last = 0.0  # when one was answered, or the first one went out
        self._lock = threading.Lock()
        self._done = threading.Event()

    def _wait(self) -> None:
        while not self._done.wait(0.25):
            if self._out and time.monotonic() - self._last > PATIENCE:
                self._warn(f"no answer for {PATIENCE} s")
                os._exit(self._status)

    def _count(self, change: int) -> None:
        with self._lock:
            if change < 0 or not self._out:
                self._last = time.monotonic()
            self._out += change

    def __enter__(self) -> None:
        send = requests.Session.send

        def watched(
            session: requests.Session, request: requests.PreparedRequest, **options: Any
        ) -> requests.Response:
            self._count(1)
            try:
                return send(session, request, **options)
            finally:
                self._count(-1)

        requests.Session.send = watched  # type: ignore[method-assign, assignment] # all of MLflow's pass it
        self._send = send
        threading.Thread(target=self._wait, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        requests.Session.send = self._send  # type: ignore[method-assign] # as it was
