"""Which results there are, and which of them lack a record or a run in MLflow."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType

from dvc_mlflow import records
from dvc_mlflow.client.find_all import find_all
from dvc_mlflow.client.mlflow_session import connect, root_cause
from dvc_mlflow.delivery.memory import Memory
from dvc_mlflow.delivery.run_tags import RESULT, record_runs
from dvc_mlflow.errors import UserError, printable
from dvc_mlflow.project import Project
from dvc_mlflow.records import Record
from dvc_mlflow.store import Store, redact_credentials
from dvc_mlflow.text_table import aligned
from dvc_mlflow.track import collect_all


@dataclass
class Row:
    """A result, or a place whose result cannot be recorded.

    stage : the stage that computed it.  found : the places in DVC that have it.
    record : whole, missing, damaged, set aside or impossible; reason : why.
    mlflow : there, missing, deleted (by the user), unfinished, or unknown.  todo : the command that helps.
    """

    result: str | None
    stage: str | None
    experiment: str | None
    params: dict[str, object] = field(default_factory=dict)
    name: str | None = None
    found: list[str] = field(default_factory=list)
    record: str = "missing"
    reason: str = ""
    mlflow: str = "missing"
    run: str | None = None
    todo: str = ""


def print_status(project: Project, *, as_json: bool) -> None:
    """Print the table of results, or JSON. Raises UserError after it if DVC cannot read the workspace."""
    unreadable = ""
    rows = [*_recorded(project.root), *_set_aside(project.root)]
    for found in collect_all(project):
        if one := found.recorded or (found.result and found.result.record):
            _add_place(rows, found.place, one, found.result.warnings if found.result else [])
        else:
            stage = found.stage or None
            if found.place == "workspace" and not stage:
                unreadable = found.reason
            rows.append(
                Row(
                    None,
                    stage,
                    None,
                    found=[found.place],
                    record="impossible",
                    reason=found.reason,
                    mlflow="",
                )
            )

    def give_up(reason: str) -> None:
        for row in rows:
            row.mlflow = "unknown" if row.result else ""
        _print(project, rows, reason, as_json=as_json)

    try:
        with connect(project.root, give_up) as client:
            _add_runs(client, rows, project.root)
    except FileNotFoundError as reason:
        _print(project, rows, str(reason), as_json=as_json)
    except Exception as error:  # noqa: BLE001 - whatever fails in the store, the rest is known
        give_up(root_cause(error))
    else:
        _print(project, rows, None, as_json=as_json)
    if unreadable:
        raise UserError(unreadable)


def _recorded(root: Path) -> Iterable[Row]:
    for folder in records.record_folders(root):
        row = Row(folder.name, None, records.experiment_of(folder), record="whole")
        try:
            one = records.read_record(folder)
        except ValueError as reason:
            row.record, row.reason = "damaged", str(reason)
        else:
            row.stage, row.params, row.name = one.stage, one.params, one.name
        yield row


def _set_aside(root: Path) -> Iterable[Row]:
    for folder in sorted((records.records_folder(root) / ".damaged").glob("*")):
        reason = (folder / "reason.txt").read_text(encoding="utf-8").strip()
        yield Row(folder.name.partition("-")[0], None, None, record="set aside", reason=reason, mlflow="")


def _add_place(rows: list[Row], place: str, one: Record, warnings: list[str]) -> None:
    """Add to a result's rows, or to a new one, a place that has it, and the warnings about it."""
    same = [row for row in rows if row.result == one.result and row.record != "set aside"]
    if not same:
        same = [Row(one.result, one.stage, one.experiment, one.params, one.name)]
        rows += same
    for row in same:
        row.found.append(place)
        if warnings:
            row.reason, row.todo = "; ".join(warnings), "correct dvc.lock"


def _add_runs(client: MlflowClient, rows: list[Row], root: Path) -> None:
    """Add what the store has of each result."""
    wanted = {row.experiment for row in rows}
    existing = find_all(client.search_experiments, view_type=ViewType.ALL)
    experiments = {one.name: one for one in existing if one.name in wanted}
    runs: dict[str, dict[str, list[Run]]] = {name: {} for name in experiments}
    for name, experiment in experiments.items():
        for run in record_runs(client, experiment.experiment_id):
            runs[name].setdefault(run.data.tags[RESULT], []).append(run)
    delivered = {name: Memory(root, experiment).delivered for name, experiment in experiments.items()}
    for row in rows:
        if row.experiment in experiments and experiments[row.experiment].lifecycle_stage == "deleted":
            row.mlflow = "deleted"
        of_record = runs.get(row.experiment or "", {}).get(row.result or "", [])
        for run in sorted(of_record, key=lambda run: str(run.info.status) == "FINISHED"):
            if run.info.lifecycle_stage == "active":
                row.mlflow = "there" if run.info.status == "FINISHED" else "unfinished"
                row.run = run.info.run_id
            elif run.info.status == "FINISHED" and row.mlflow == "missing":
                row.mlflow = "deleted"
        if row.mlflow == "missing" and row.result in delivered.get(row.experiment or "", ()):
            row.mlflow = "deleted"  # and removed by `mlflow gc`


def _print(project: Project, rows: list[Row], trouble: str | None, *, as_json: bool) -> None:
    """Print all of it; `trouble` is why the store did not answer."""
    uri = redact_credentials(Store.of(project.root).uri)
    for row in rows:
        missing = {row.record, row.mlflow} & {"missing", "unfinished"}
        if row.result and (missing or row.record == "damaged"):
            row.todo = f"{project.command} track"
    if as_json:
        content = {
            "store": uri,
            "trouble": trouble and redact_credentials(trouble),
            "results": [asdict(row) for row in rows],
        }
        print(json.dumps(content, indent=2, default=str), flush=True)
        return
    table = [("result", "stage", "experiment", "found in", "record", "MLflow", "to do")]
    for row in rows:
        where = ", ".join(row.found) or "-"
        names = ((row.result or "-")[:12], row.stage or "-", row.experiment or "-")
        table.append((*names, where, row.record, row.mlflow, row.todo))
    print(*map(printable, aligned(table)), sep="\n")
    for row in rows:
        if row.reason:
            print("\n" + printable(f"{row.result[:12] if row.result else row.found[0]}: {row.reason}"))
    print(f"\nMLflow: {uri}" + (f" ({redact_credentials(trouble)})" if trouble else ""))
    print(_verdict(rows), flush=True)


def _verdict(rows: list[Row]) -> str:
    if any(row.mlflow == "unknown" for row in rows):
        return "Which results MLflow has is unknown."
    if any(row.todo for row in rows):
        return "There is something to do."
    if any(row.record == "impossible" for row in rows):
        return "Every result that can be recorded has its record and its run."
    return "Every result has its record and its run."
