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
from collections.abc import Callable, Iterator, Mapping
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

from dvc_mlflow import records
from dvc_mlflow.records import Record
from dvc_mlflow.store import Store, redact_credentials, sqlite

PATIENCE = 10  # seconds without an acknowledgement
RESULT = "record.result"  # the tag that says which record a run shows
OWNER = "record.owner"  # the tag that says which repository on which machine delivers it
BEGUN = "record.begun"  # the tag that says since when, in seconds since 1970
ATTEMPTS = 2  # hosts that log one data set at once make MLflow fail one of them on PostgreSQL
STALE = 600  # seconds after which another owner's unfinished run is taken for dead


@dataclass(frozen=True)
class RunContent:
    """What a project's runs show beyond what it declares to DVC.

    title : the run's name.  dataset : the data set's name.  add : logs a model, images and the like.
    arrange : prepares the page of an experiment, given its id, once its runs are there.
    """

    title: Callable[[Record], str]
    dataset: Callable[[Record], str]
    add: Callable[[MlflowClient, Run, Record, Path], None]
    arrange: Callable[[MlflowClient, str], None] = lambda _client, _experiment_id: None


def deliver(root: Path, view: RunContent, *, status: int = 0) -> int:
    """Send every record that the store lacks; return how many wait still.

    It raises nothing, but ends the process, with `status`, when the store does not answer.
    """
    waiting = records.record_folders(root)
    if not waiting:
        return 0
    store = Store.of(root)
    reasons: list[str] = []
    watch = _request_watchdog(lambda reason: _warn(len(waiting), store.uri, reason), status)
    try:
        with _quiet(), watch, FileLock(store.lock):
            client = _connect(store, root)
            for name, folders in groupby(list(waiting), records.experiment_of):
                for folder, reason in _experiment(client, name, list(folders), store, root, view):
                    if reason:
                        reasons.append(reason)
                    else:
                        waiting.remove(folder)
    except Exception as error:  # noqa: BLE001 - whatever a server, a disk or a library does, the result is kept
        reasons.insert(0, root_cause(error))
    if waiting:
        _warn(len(waiting), store.uri, reasons[0])
    return len(waiting)


def initialize_store(root: Path) -> None:
    """Make the store's tables if they are not there, as the first delivery would."""
    store = Store.of(root)
    with _quiet(), FileLock(store.lock):
        _connect(store, root)


@contextmanager
def connect(root: Path, give_up: Callable[[str], None], status: int = 1) -> Iterator[MlflowClient]:
    """Yield a client of the store, to look into it, without making one. Raises what MLflow raises.

    give_up : is called, and the process ended with `status`, when the store does not answer.
    """
    store = Store.of(root)
    if store.file and not store.file.exists():
        raise FileNotFoundError("there is no store yet")
    with _quiet(), _request_watchdog(give_up, status):
        yield _connect(store, root)


def record_runs(client: MlflowClient, experiment_id: str, result: str = "") -> list[Run]:
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
    client: MlflowClient, name: str, folders: list[Path], store: Store, root: Path, view: RunContent
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
    done = _remove_duplicates_and_partial_runs(client, record_runs(client, experiment_id), owner)
    for folder in folders:
        yield (
            folder,
            None if folder.name in done else _record(client, experiment_id, folder, root, view, owner),
        )
    if not done.issuperset(folder.name for folder in folders):
        view.arrange(client, experiment_id)


def _record(
    client: MlflowClient, experiment_id: str, folder: Path, root: Path, view: RunContent, owner: str
) -> str | None:
    """Deliver one record; return the reason why it waits still, or None. Raises if the store fails."""
    try:
        result = records.read_record(folder)
    except ValueError as damage:
        place = records.set_aside(folder, root, str(damage))
        print(f"warning: a damaged record was set aside in {place}: {damage}", file=sys.stderr)
        return None
    reason = "its run did not stay"
    for _ in range(ATTEMPTS):
        try:
            _send(client, experiment_id, result, folder, view, owner)
        except Exception as error:  # noqa: BLE001 - of whatever kind, the other records may be sent
            client.search_experiments(max_results=1)  # raises if it is the store that fails, not the record
            reason = root_cause(error)
        if result.result in _remove_duplicates_and_partial_runs(
            client, record_runs(client, experiment_id, result.result), owner
        ):
            return None
    return reason


def _remove_duplicates_and_partial_runs(client: MlflowClient, runs: list[Run], owner: str) -> set[str]:
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
    client: MlflowClient, experiment_id: str, result: Record, folder: Path, view: RunContent, owner: str
) -> None:
    """Make a record's run: what every pipeline has, and what the view adds.

    A metric has six significant digits: MLflow's tables show whatever there is.
    """
    end = int(datetime.fromisoformat(result.created).timestamp() * 1000)
    seconds = {f"seconds_{stage}": told["seconds"] for stage, told in result.stages.items() if told}
    start = end - int(sum(seconds.values()) * 1000)
    values = result.metrics | seconds
    tags = _tags(result) | {OWNER: owner, BEGUN: repr(time.time())}
    run = client.create_run(experiment_id, start, tags, view.title(result))
    run_id = run.info.run_id
    try:
        metrics = [Metric(key, float(f"{value:.6g}"), end, 0) for key, value in _named(values).items()]
        texts = _named(result.params).items()
        params = [Param(key, str(value)[:MAX_PARAM_VAL_LENGTH]) for key, value in texts]
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


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by names that MLflow takes."""
    return {re.sub(r"[^\w.\- :/]", "_", key)[:250]: value for key, value in values.items()}


def root_cause(error: BaseException) -> str:
    """Return in a line what went wrong: with a connection, what is at the bottom of it."""
    text, chain = str(error), [error]
    while inner := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(inner)
    if any(isinstance(one, requests.RequestException) for one in chain):
        error = chain[-1]
        while error.args and isinstance(error.args[-1], BaseException):
            error = error.args[-1]
        text = getattr(error, "strerror", None) or str(error)
    return text.strip().partition("\n")[0] or type(error).__name__


def _warn(waiting: int, uri: str, reason: str) -> None:
    records = "1 record waits" if waiting == 1 else f"{waiting} records wait"
    print(
        f"warning: MLflow at {redact_credentials(uri)} did not take them ({redact_credentials(reason)}): "
        f"{records} in records/. To send: sparse-digits track",
        file=sys.stderr,
        flush=True,
    )


def _connect(store: Store, root: Path) -> MlflowClient:
    """Return a client of the store. A SQLite file that is not there is made, by whoever holds the lock.

    It gets its name when it has its tables: of two processes that make them in one file, one fails.
    """
    mlflow.set_tracking_uri(store.uri)
    with contextlib.chdir(root):  # MLflow gives its Default experiment a place in the working directory
        if store.file and not store.file.exists():
            draft = store.file.with_name(f"{store.file.name}.new")
            for left in (draft, draft.with_name(f"{draft.name}-journal")):  # by a process that was killed
                left.unlink(missing_ok=True)
            MlflowClient(sqlite(draft)).search_experiments(max_results=1)
            draft.rename(store.file)
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
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",  # _watch is quicker
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


@contextmanager
def _request_watchdog(warn: Callable[[str], None], status: int) -> Iterator[None]:
    """End the process, after a warning, when requests are out and none is answered for too long.

    A thread does it, because nothing else gets out of a name look-up, a connection or a trickle of bytes that
    does not end. Imports, locks and other processes are waited for.
    """
    send, lock, done = requests.Session.send, threading.Lock(), threading.Event()
    out, last = 0, 0.0  # requests, as MLflow sends artifacts from several threads; when one was answered

    def count(change: int) -> None:
        nonlocal out, last
        with lock:
            if change < 0 or not out:
                last = time.monotonic()
            out += change

    def watched(
        session: requests.Session, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        count(1)
        try:
            return send(session, request, **options)
        finally:
            count(-1)

    def wait() -> None:
        while not done.wait(0.25):
            if out and time.monotonic() - last > PATIENCE:
                warn(f"no answer for {PATIENCE} s")
                os._exit(status)

    requests.Session.send = watched  # type: ignore[method-assign, assignment] # all of MLflow's pass it
    threading.Thread(target=wait, daemon=True).start()
    try:
        yield
    finally:
        done.set()
        requests.Session.send = send  # type: ignore[method-assign] # as it was
