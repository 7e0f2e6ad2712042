"""Which results there are, and which of them is not yet where it should be."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType

from dvc_mlflow import collect, deliver, records
from dvc_mlflow.collect import ReadEmbeddedParams
from dvc_mlflow.records import CollectedResult
from dvc_mlflow.store import Store, redact_credentials

TRACK = "sparse-digits track"


@dataclass
class Row:
    """A result, or a place whose result cannot be recorded.

    stage : whose result it is.  found : where it lies in DVC.
    record : whole, missing, damaged, set aside or impossible, and the reason.
    mlflow : there, missing, deleted (by the user), unfinished, or unknown.  todo : what puts it right.
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


def status(
    root: Path, address: str, made_with: ReadEmbeddedParams, *, optional: Sequence[str] = (), as_json: bool
) -> None:
    """Print the table, or JSON.

    address : the stage whose results are asked for.  optional : others, which a place need not have.
    """
    rows = [*_recorded(root), *_set_aside(root)]
    for stage in (address, *optional):
        for place, found in collect.collect_all(stage, made_with):
            if not isinstance(found, str):
                _lies(rows, place, found)
            elif stage == address:
                rows.append(
                    Row(None, stage, None, found=[place], record="impossible", reason=found, mlflow="")
                )

    def give_up(reason: str) -> None:
        for row in rows:
            row.mlflow = "unknown" if row.result else ""
        _print(root, rows, reason, as_json=as_json)

    try:
        with deliver.connect(root, give_up) as client:
            _ask(client, rows)
    except FileNotFoundError as reason:
        _print(root, rows, str(reason), as_json=as_json)
    except Exception as error:  # noqa: BLE001 - whatever the store's trouble is, the rest can be told
        give_up(deliver.root_cause(error))
    else:
        _print(root, rows, None, as_json=as_json)


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


def _row_of(found: CollectedResult) -> Row:
    one = found.record
    return Row(one.result, one.stage, one.experiment, one.params, one.name)


def _lies(rows: list[Row], place: str, found: CollectedResult) -> None:
    """Note in a result's rows, or a new one, where it lies, and what is odd about it."""
    known = [row for row in rows if row.result == found.record.result and row.record != "set aside"]
    if not known:
        known = [_row_of(found)]
        rows += known
    for row in known:
        row.found.append(place)
        if found.warnings:
            row.reason, row.todo = "; ".join(found.warnings), "mend dvc.lock"


def _ask(client: MlflowClient, rows: list[Row]) -> None:
    """Fill in what the store has."""
    experiments = {found.name: found for found in client.search_experiments(view_type=ViewType.ALL)}
    runs: dict[str, list[Run]] = {
        name: deliver.record_runs(client, found.experiment_id) for name, found in experiments.items()
    }
    for row in rows:
        mine = [
            run for run in runs.get(row.experiment or "", []) if run.data.tags[deliver.RESULT] == row.result
        ]
        if row.experiment in experiments and experiments[row.experiment].lifecycle_stage == "deleted":
            row.mlflow = "deleted"
        for run in sorted(mine, key=lambda run: str(run.info.status) == "FINISHED"):
            if run.info.lifecycle_stage == "active":
                row.mlflow = "there" if run.info.status == "FINISHED" else "unfinished"
                row.run = run.info.run_id
            elif run.info.status == "FINISHED" and row.mlflow == "missing":
                row.mlflow = "deleted"


def _print(root: Path, rows: list[Row], trouble: str | None, *, as_json: bool) -> None:
    """Print all of it; `trouble` is why the store could not be asked."""
    uri = redact_credentials(Store.of(root).uri)
    for row in rows:
        missing = {row.record, row.mlflow} & {"missing", "unfinished"}
        if row.result and (missing or row.record == "damaged"):
            row.todo = TRACK
    if as_json:
        content = {
            "store": uri,
            "trouble": trouble and redact_credentials(trouble),
            "results": [asdict(row) for row in rows],
        }
        print(json.dumps(content, indent=2, default=str), flush=True)
        return
    table = [("result", "of", "experiment", "found in", "record", "MLflow", "to do")]
    for row in rows:
        where = ", ".join(row.found) or "-"
        of = (row.stage or "-", row.experiment or "-")
        table.append(((row.result or "-")[:12], *of, where, row.record, row.mlflow, row.todo))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    for row in rows:
        if row.reason:
            print(f"\n{row.result[:12] if row.result else row.found[0]}: {row.reason}")
    print(f"\nMLflow: {uri}" + (f" ({redact_credentials(trouble)})" if trouble else ""))
    verdict = "There is something to do." if any(row.todo for row in rows) else "All is where it should be."
    if verdict.startswith("All") and any(row.record == "impossible" for row in rows):
        verdict = "What can be recorded is where it should be."
    if any(row.mlflow == "unknown" for row in rows):
        verdict = "What is in MLflow is not known."
    print(verdict, flush=True)
