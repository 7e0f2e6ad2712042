"""Which records to send to MLflow: each one once, whoever delivers and whenever a delivery is cut off.

A record is delivered when its experiment has a FINISHED run tagged with its identity, or had one that the
user deleted. Setting the run FINISHED is the last call. A delivery that was cut off is not resumed: its
partial run is removed, and the record is sent again. Where two hosts that share no lock both finish a run of
one record, each of them then keeps the one with the least run id and removes the others.
"""

import socket
import sys
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import mlflow
from filelock import FileLock
from mlflow import MlflowClient, MlflowException
from mlflow.entities import Run

from dvc_mlflow import records
from dvc_mlflow.delivery.mlflow_session import open_client, quiet, root_cause
from dvc_mlflow.delivery.request_watchdog import request_watchdog
from dvc_mlflow.delivery.run_tags import BEGUN, OWNER, RESULT, record_runs
from dvc_mlflow.delivery.send_record import remove_run, send_record
from dvc_mlflow.run_content import RunContent
from dvc_mlflow.store import Store, redact_credentials

ATTEMPTS = 2  # on PostgreSQL MLflow fails one of two hosts that log the same data set at once
STALE = 600  # seconds after which the partial run of another owner is removed


def deliver(root: Path, content: RunContent, *, status: int = 0, command: str = "dvc-mlflow") -> int:
    """Send every record that the store lacks; return how many are still pending.

    Raises nothing, but ends the process, with `status`, when the store does not answer.
    command : the program that warnings name.
    """
    pending = records.record_folders(root)
    if not pending:
        return 0
    store = Store.of(root)
    reasons: list[str] = []

    def warn(reason: str) -> None:
        _warn(len(pending), store.uri, reason, command)

    try:
        with quiet(), request_watchdog(warn, status), FileLock(store.lock):
            client = open_client(store, root)
            for name, folders in groupby(list(pending), records.experiment_of):
                for folder, reason in _deliver_experiment(client, name, list(folders), store, root, content):
                    if reason:
                        reasons.append(reason)
                    else:
                        pending.remove(folder)
    except Exception as error:  # noqa: BLE001 - whatever a server, a disk or a library does, the record stays
        reasons.insert(0, root_cause(error))
    if pending:
        warn(reasons[0])
    return len(pending)


def _deliver_experiment(
    client: MlflowClient, name: str, folders: list[Path], store: Store, root: Path, content: RunContent
) -> Iterator[tuple[Path, str | None]]:
    """Deliver the records of one experiment; yield each with the reason why it is still pending, or None."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        # Whoever creates it fixes the place of its artifacts, by default in the working directory.
        try:
            client.create_experiment(name, store.artifacts)
        except MlflowException:
            if client.get_experiment_by_name(name) is None:  # no other host created it meanwhile
                raise
        experiment = client.get_experiment_by_name(name)
    if experiment.lifecycle_stage == "deleted":  # by the user: it stays deleted
        yield from ((folder, None) for folder in folders)
        return
    experiment_id = experiment.experiment_id
    mlflow.set_experiment(experiment_id=experiment_id)  # else Model.log files its model under Default
    owner = f"{socket.gethostname()}:{root.resolve()}"
    delivered = remove_duplicates_and_partial_runs(client, record_runs(client, experiment_id), owner)
    for folder in folders:
        if folder.name in delivered:
            yield folder, None
        else:
            yield folder, _deliver_record(client, experiment_id, folder, root, content, owner)
    if not delivered.issuperset(folder.name for folder in folders):
        content.arrange(client, experiment_id)


def _deliver_record(
    client: MlflowClient, experiment_id: str, folder: Path, root: Path, content: RunContent, owner: str
) -> str | None:
    """Deliver one record; return the reason why it is still pending, or None. Raises if the store fails."""
    try:
        record = records.read_record(folder)
    except ValueError as damage:
        place = records.set_aside(folder, root, str(damage))
        print(f"warning: a damaged record was set aside in {place}: {damage}", file=sys.stderr)
        return None
    reason = "its run did not stay"
    for _ in range(ATTEMPTS):
        try:
            send_record(client, experiment_id, record, folder, content, owner)
        except Exception as error:  # noqa: BLE001 - of whatever kind, the other records may be sent
            client.search_experiments(max_results=1)  # raises if it is the store that fails, not the record
            reason = root_cause(error)
        runs = record_runs(client, experiment_id, record.result)
        if record.result in remove_duplicates_and_partial_runs(client, runs, owner):
            return None
    return reason


def remove_duplicates_and_partial_runs(client: MlflowClient, runs: list[Run], owner: str) -> set[str]:
    """Remove partial runs, and all but one run of each record; return the records that need no run.

    The caller holds the lock, so an unfinished run of the same owner belongs to a process that has ended.
    """
    delivered, active_records = set(), set()
    for run in sorted(runs, key=lambda run: str(run.info.run_id)):
        tags, active = run.data.tags, run.info.lifecycle_stage == "active"
        if run.info.status == "FINISHED":
            delivered.add(tags[RESULT])  # a finished run that is deleted was deleted by the user
            if active and tags[RESULT] in active_records:
                remove_run(client, run)
            elif active:
                active_records.add(tags[RESULT])
        elif active and (tags.get(OWNER) == owner or time.time() - float(tags.get(BEGUN, 0)) > STALE):
            remove_run(client, run)
    return delivered


def _warn(pending: int, uri: str, reason: str, command: str) -> None:
    number = "1 record is" if pending == 1 else f"{pending} records are"
    print(
        f"warning: MLflow at {redact_credentials(uri)} failed ({redact_credentials(reason)}): "
        f"{number} pending in records/. To deliver: {command} track",
        file=sys.stderr,
        flush=True,
    )
