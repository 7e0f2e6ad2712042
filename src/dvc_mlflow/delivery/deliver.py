"""Which records to send to MLflow: each one once, whoever delivers and whenever a delivery is cut off.

A record is delivered when its experiment has a FINISHED run tagged with its identity, or had one that the
user deleted; the folder of the records remembers that, since `mlflow gc` leaves no trace of the run. Setting
the run FINISHED is the last call. A delivery that was cut off is not resumed: its partial run is removed, and
the record is sent again. Where two hosts that share no lock both finish a run of one record, each of them
then keeps the one with the least run id and removes the others.
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import mlflow
import requests
from filelock import FileLock
from mlflow import MlflowClient, MlflowException
from mlflow.entities import Experiment, Run

from dvc_mlflow import records
from dvc_mlflow.client.artifact_store import check_artifact_store
from dvc_mlflow.client.experiment_tag import set_experiment_tag
from dvc_mlflow.client.logged_models import NEEDED, has_logged_models
from dvc_mlflow.client.mlflow_session import open_client, quiet, refusal_in, root_cause
from dvc_mlflow.client.request_watchdog import ARTIFACT_VARIABLE, artifact_patience, request_watchdog
from dvc_mlflow.delivery.content_errors import ContentError, content_errors
from dvc_mlflow.delivery.memory import Memory
from dvc_mlflow.delivery.owner import earlier_owner_of, owner_of
from dvc_mlflow.delivery.run_tags import BEGUN, KIND, OWNER, RESULT, record_runs
from dvc_mlflow.delivery.send_record import remove_run, send_record
from dvc_mlflow.errors import UserError, error_chain, warn
from dvc_mlflow.run_content import RunContent
from dvc_mlflow.store import Store, redact_credentials

ATTEMPTS = 2  # on PostgreSQL MLflow fails one of two hosts that log the same data set at once
STALE = 600  # seconds without a heartbeat after which the partial run of another owner is removed
FEW = 20  # records whose runs are asked for one by one; for more, all runs of the experiment are read
CREATE_RUN = "runs/create"  # who may not call it cannot deliver a record of the experiment
TIMEOUTS = 2  # records in a row whose artifacts are not taken in time, after which the server counts as dead

Outcome = tuple[Path, Exception | None]  # a record, and the failure that keeps it pending, or None


class ArtifactTimeoutError(Exception):
    """An artifact that the server did not take in time."""


def deliver(
    root: Path,
    content: RunContent | Callable[[], RunContent],
    *,
    status: int = 0,
    command: str = "dvc-mlflow",
) -> int:
    """Send every record that the store lacks; return how many are still pending.

    Raises what `content` raises, and nothing else, but ends the process, with `status`, when the store does
    not answer.

    content : or a function that returns it, which is called when there is a record to send: its imports may
        take seconds.
    command : the program that warnings name.
    """
    load_content = (lambda: content) if isinstance(content, RunContent) else content
    pending = dict.fromkeys(records.record_folders(root))
    if not pending:
        return 0
    store = Store.of(root)
    failures: list[Exception] = []
    timeouts = 0

    def warn_of(failure: Exception | str) -> None:
        _warn(len(pending), store, failure, command)

    try:
        with request_watchdog(warn_of, status), quiet(store), FileLock(store.lock):
            client = open_client(store, root)
            by_experiment = groupby(list(pending), records.experiment_of)
            for name, folders in [(name, list(group)) for name, group in by_experiment]:
                for folder, failure in _until_refused(
                    _deliver_experiment(client, name, folders, store, root, load_content), folders
                ):
                    if failure is None:
                        del pending[folder]
                    else:
                        failures.append(failure)
                    timeouts = timeouts + 1 if isinstance(failure, ArtifactTimeoutError) else 0
                    if timeouts == TIMEOUTS and failure:
                        raise failure  # noqa: TRY301 - as if the store had raised it
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a server, a disk or a library does, the record stays
        failures.insert(0, error)
    if failures:
        warn_of(failures[0])
    return len(pending)


def _until_refused(outcomes: Iterator[Outcome], folders: list[Path]) -> Iterator[Outcome]:
    """Yield the outcomes of an experiment; once the server refuses a call, that for all records left."""
    left = dict.fromkeys(folders)
    try:
        for folder, failure in outcomes:
            del left[folder]
            yield folder, failure
    except Exception as error:
        if not refusal_in(error):
            raise
        yield from ((folder, error) for folder in left)


def _deliver_experiment(
    client: MlflowClient,
    name: str,
    folders: list[Path],
    store: Store,
    root: Path,
    load_content: Callable[[], RunContent],
) -> Iterator[Outcome]:
    """Deliver the records of one experiment and yield their outcomes."""
    try:
        experiment = _find_or_create_experiment(client, name, store)
    except MlflowException as error:
        client.search_experiments(max_results=1)  # raises if it is the store that fails, not this experiment
        yield from ((folder, error) for folder in folders)
        return
    if experiment.lifecycle_stage == "deleted":  # by the user: it stays deleted
        yield from ((folder, None) for folder in folders)
        return
    experiment_id = experiment.experiment_id
    mlflow.set_experiment(experiment_id=experiment_id)  # else Model.log files its model under Default
    owner, memory = owner_of(root), Memory(root, experiment)
    unknown = [folder.name for folder in folders if folder.name not in memory.delivered]
    runs, owners = _runs_of(client, experiment_id, unknown), {owner, earlier_owner_of(root)}
    memory.retain({run.info.run_id for run in runs if run.info.status != "FINISHED"})
    delivered = remove_duplicates_and_partial_runs(client, runs, owners, memory)
    memory.save()
    missing = [folder for folder in folders if folder.name not in delivered]
    yield from ((folder, None) for folder in folders if folder.name in delivered)
    if not missing:
        return
    try:
        check_artifact_store(experiment, store)
    except UserError as fault:
        yield from ((folder, fault) for folder in missing)
        return
    if not has_logged_models(client, experiment_id):
        warn(f"MLflow at {redact_credentials(store.uri)}: {NEEDED}")
    content = load_content()
    removed = {run.data.tags[RESULT]: run for run in runs if _is_removed(run, owner)}
    try:
        for folder in sorted(missing, key=_size):  # none waits for a larger one that the server refuses
            earlier = removed.get(folder.name)
            failure = _deliver_record(client, experiment_id, folder, root, content, owner, memory, earlier)
            yield folder, failure
    finally:
        memory.save()
    for key in KIND.keys() - experiment.tags.keys():  # the user's own value stays
        set_experiment_tag(client, experiment_id, key, KIND[key])
    with content_errors():
        content.arrange(client, experiment_id)


def _find_or_create_experiment(client: MlflowClient, name: str, store: Store) -> Experiment:
    """Return the experiment of this name. Whoever creates it fixes the place of its artifacts."""
    if experiment := client.get_experiment_by_name(name):
        return experiment
    try:
        client.create_experiment(name, store.artifacts)
    except MlflowException:
        if experiment := client.get_experiment_by_name(name):  # another host created it meanwhile
            return experiment
        raise
    return client.get_experiment_by_name(name)


def _runs_of(client: MlflowClient, experiment_id: str, results: list[str]) -> list[Run]:
    """Return the runs of these records, and all that are not finished."""
    if len(results) > FEW:
        return record_runs(client, experiment_id)
    found = record_runs(client, experiment_id, unfinished=True)
    for result in results:
        found += record_runs(client, experiment_id, result)
    return list({run.info.run_id: run for run in found}.values())


def _size(folder: Path) -> int:
    """Return the bytes of a record."""
    return sum(path.stat().st_size for path in folder.rglob("*"))


def _deliver_record(
    client: MlflowClient,
    experiment_id: str,
    folder: Path,
    root: Path,
    content: RunContent,
    owner: str,
    memory: Memory,
    removed: Run | None,
) -> Exception | None:
    """Deliver one record; return the failure that keeps it pending, or None.

    Raises if the store fails, or takes no run from this user.

    removed : a run of it that failed earlier.
    """
    try:
        record = records.read_record(folder)
    except ValueError as damage:
        place = records.set_aside(folder, root, str(damage))
        warn(f"a damaged record was set aside in {place}: {damage}")
        return None
    except PermissionError as error:
        return error
    failure: Exception = RuntimeError("its run did not stay")
    for _ in range(ATTEMPTS):
        try:
            send_record(client, experiment_id, record, folder, content, owner, removed)
        except Exception as error:
            if (refusal := refusal_in(error)) and refusal.call == CREATE_RUN:
                raise
            client.search_experiments(max_results=1)  # raises if it is the store that fails, not the record
            failure = error
        runs = record_runs(client, experiment_id, record.result)
        if record.result in remove_duplicates_and_partial_runs(client, runs, {owner}, memory):
            return None
        removed = next((run for run in runs if _is_removed(run, owner)), None)
        if any(isinstance(link, requests.Timeout | TimeoutError) for link in error_chain(failure)):
            return ArtifactTimeoutError(
                f"the server did not take an artifact within {artifact_patience():g} s. "
                f"To allow more seconds: {ARTIFACT_VARIABLE}"
            )
    return failure


def _is_removed(run: Run, owner: str) -> bool:
    """Return whether a run failed in a delivery of this owner, which removed it."""
    deleted = run.info.lifecycle_stage == "deleted" and run.info.status != "FINISHED"
    return bool(deleted and run.data.tags.get(OWNER) == owner)


def remove_duplicates_and_partial_runs(
    client: MlflowClient, runs: list[Run], owners: set[str], memory: Memory
) -> set[str]:
    """Remove partial runs, and all but one run of each record; return the records that need no run.

    owners : the names of this repository. The caller holds the lock, so an unfinished run of one of them
        belongs to a process that has ended.
    """
    active_records = set()
    for run in sorted(runs, key=lambda run: str(run.info.run_id)):
        tags, active = run.data.tags, run.info.lifecycle_stage == "active"
        if run.info.status == "FINISHED":
            memory.delivered.add(tags[RESULT])  # a finished run that is deleted was deleted by the user
            if active and tags[RESULT] in active_records:
                remove_run(client, run)
            elif active:
                active_records.add(tags[RESULT])
        elif active and (
            tags.get(OWNER) in owners or memory.unchanged_for(run.info.run_id, tags.get(BEGUN, "")) > STALE
        ):
            remove_run(client, run)
    return memory.delivered


def _warn(pending: int, store: Store, failure: Exception | str, command: str) -> None:
    """Print one line: what failed, and what is pending and how to deliver it."""
    if isinstance(failure, ContentError):
        reason = str(failure)
    else:
        cause = failure if isinstance(failure, str) else root_cause(failure)
        reason = f"MLflow at {store.uri} failed ({cause})"
    number = "1 record is" if pending == 1 else f"{pending} records are"
    consequence = f": {number} pending in records/. To deliver: {command} track" if pending else ""
    warn(f"{redact_credentials(reason)}{consequence}")
