"""A record compared with its run in MLflow and with a new computation from its commit, params and data."""

import contextlib
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient, MlflowException
from mlflow.entities import Run

from dvc_mlflow import provenance, records
from dvc_mlflow.client.mlflow_session import connect, root_cause
from dvc_mlflow.collection import collect
from dvc_mlflow.collection.dvc_repository import open_repository
from dvc_mlflow.delivery.run_tags import RESULT, active_run
from dvc_mlflow.errors import UserError, printable
from dvc_mlflow.project import Project
from dvc_mlflow.records import Record
from dvc_mlflow.run_content import Parts, RunContent
from dvc_mlflow.store import Store, redact_credentials
from dvc_mlflow.verification.find_commit import find_commit
from dvc_mlflow.verification.rebuild import rebuild, why_no_commit
from dvc_mlflow.verification.run_snapshot import expected_snapshot, snapshot

WIDTH = 14  # of a value in the table


@dataclass(frozen=True)
class Comparison:
    """One value of the record and the value that was found for it."""

    name: str
    recorded: object
    found: object

    @property
    def same(self) -> bool:
        """Whether the two are equal, or neither is a number."""
        both = self.recorded, self.found
        return self.recorded == self.found or all(
            isinstance(value, float) and math.isnan(value) for value in both
        )

    def row(self, width: int) -> str:
        """Return a line of the table."""
        verdict = "same" if self.same else "DIFFERS"
        return (
            f"{self.name:{width}} {_short(self.recorded):>{WIDTH}} {_short(self.found):>{WIDTH}}  {verdict}"
        )


def verify(name: str, project: Project, content: RunContent | None = None) -> bool:
    """Verify a record by the first digits of its identity, or a run by its id; print what was compared.

    content : by default the project's. Returns whether everything could be compared and is the same. Raises
    UserError if there is no such record.
    """
    content = content or project.content()
    with contextlib.ExitStack() as stack:
        client = _connect(stack, project.root)
        folder, run = _find(name, project.root, client, content.parts)
        try:
            record = records.read_record(folder)
        except ValueError as damage:
            raise UserError(f"{folder}: expected a whole record, but {damage}") from None
        print(printable(f"Record {record.result} in the experiment {record.experiment}"))
        comparisons: list[Comparison] = []
        if client and run and content.parts and RESULT not in run.data.tags:
            record = _record_of_part(project, content.parts, record, folder, run)
            print(printable(f"A part of it, as {record.stage} computes it: {run.info.run_name}"))
            comparisons += _compare_part(client, run, record, content.parts, folder, content)
        elif client and run:
            comparisons += _compare_run(client, run, record, folder, content)
    if not run:
        print("No run in MLflow shows it.")
    _print_environment(record)
    commit = find_commit(record, project.folder)
    if commit:
        comparisons += _compare_computation(record, rebuild(record, project.folder, commit))
    else:
        print(f"It cannot be computed again: {why_no_commit(record, project.folder)}.")
    _print_table(comparisons, computed_again=bool(commit))
    return bool(commit and comparisons) and all(comparison.same for comparison in comparisons)


def _connect(stack: contextlib.ExitStack, root: Path) -> MlflowClient | None:
    """Return a client of the store; print why if there is none."""

    def give_up(reason: str) -> None:
        uri = redact_credentials(Store.of(root).uri)
        print(f"MLflow at {uri} does not answer: {reason}.", file=sys.stderr, flush=True)

    try:
        return stack.enter_context(connect(root, give_up))
    except Exception as error:  # noqa: BLE001 - whatever fails in the store, the record can be verified
        give_up(redact_credentials(root_cause(error)))
        return None


def _find(name: str, root: Path, client: MlflowClient | None, parts: Parts | None) -> tuple[Path, Run | None]:
    """Return the folder of the named record, and its run, or the named run of one of its parts."""
    if folder := records.find_record_folder(root, name):
        return folder, client and active_run(client, folder)
    with contextlib.suppress(MlflowException):
        if client is None:
            raise UserError(
                f"{name}: no record begins with it, and MLflow does not answer whether it is a run"
            )
        run = client.get_run(name)
        result = run.data.tags.get(RESULT) or run.data.tags.get(parts.tag if parts else "")
        experiment = client.get_experiment(run.info.experiment_id).name
        for folder in records.record_folders(root):
            if (folder.name, records.experiment_of(folder)) == (result, experiment):
                return folder, run
    raise UserError(f"{name}: expected the id of a run with a record here, or the first digits of a record")


def _record_of_part(project: Project, parts: Parts, record: Record, folder: Path, run: Run) -> Record:
    """Return the record that a part would have by itself."""
    with open_repository(project.folder) as repo:
        model = next(iter(collect.models_of(repo, parts.stage)), "")
    return parts.record_of(record, folder, run, parts.stage, model)


def _compare_run(
    client: MlflowClient, run: Run, record: Record, folder: Path, content: RunContent
) -> Iterator[Comparison]:
    """Compare the run with a new delivery of its record: a difference was made after the delivery."""
    expected = expected_snapshot(folder, content)
    yield from _compare_values(client, run, expected)
    for path in record.outputs.keys() - expected.keys():
        print(printable(f"MLflow does not return a file with such a name: {path}"))


def _compare_part(
    client: MlflowClient, run: Run, part: Record, parts: Parts, folder: Path, content: RunContent
) -> Iterator[Comparison]:
    """Compare the run of a part, whose tag has the digest of its output, likewise."""
    prefix = f"{run.info.run_name}: "
    whole = expected_snapshot(folder, content).items()
    expected = {key.removeprefix(prefix): value for key, value in whole if key.startswith(prefix)}
    yield from _compare_values(client, run, expected)
    for path, md5 in part.outputs.items():
        yield Comparison(f"run: {path}", md5, run.data.tags.get(parts.md5, "").rpartition(" ")[2])


def _compare_values(client: MlflowClient, run: Run, expected: Mapping[str, object]) -> Iterator[Comparison]:
    """Compare a run's status and everything that it shows."""
    yield Comparison("run: status", "FINISHED", run.info.status)
    values = snapshot(client, run)
    differing = [key for key, value in expected.items() if values.get(key) != value]
    number = f"{len(expected) - len(differing)} equal"
    yield Comparison("run: values, files, models", number if expected else "some", number)
    for key in differing:
        yield from _differences(f"run: {key}", expected[key], values.get(key))


def _differences(name: str, expected: object, found: object) -> Iterator[Comparison]:
    """Compare a value that differs; of a metric's history each step that differs."""
    if not (isinstance(expected, dict) and isinstance(found, dict)):
        yield Comparison(name, expected, found)
        return
    steps = sorted(expected.keys() | found.keys())
    for step in steps:
        if expected.get(step) != found.get(step):
            place = name if len(steps) == 1 else f"{name} at step {step}"
            yield Comparison(place, *(_only(history.get(step)) for history in (expected, found)))


def _only(values: list[object] | None) -> object:
    """Return the only value of a step, or all of them."""
    return values[0] if values and len(values) == 1 else values


def _compare_computation(record: Record, computed: Record) -> Iterator[Comparison]:
    """Compare the record with that of a new computation."""
    for path, md5 in record.data.items():
        yield Comparison(f"rebuilt: {path}", md5, computed.data.get(path))
    for key, value in record.metrics.items():
        yield Comparison(f"rebuilt: metric {key}", value, computed.metrics.get(key))
    for path, md5 in record.outputs.items():
        if path not in record.data:
            yield Comparison(f"rebuilt: {path}", md5, computed.outputs.get(path))


def _print_environment(record: Record) -> None:
    """Print how the environment differs from the one that computed the record."""
    current = provenance.environment()
    for key, value in (record.environment or {}).items():
        if current.get(key) != value:
            print(printable(f"The environment differs: {key} was {value}, is {current.get(key)}."))
    if not record.environment:
        print("The environment that computed it is unknown.")


def _print_table(comparisons: list[Comparison], *, computed_again: bool) -> None:
    width = max([len(comparison.name) for comparison in comparisons], default=0)
    print(f"\n{'':{width}} {'recorded':>{WIDTH}} {'found':>{WIDTH}}")
    for comparison in comparisons:
        print(printable(comparison.row(width)))
    same = sum(comparison.same for comparison in comparisons)
    remark = "" if computed_again else "Nothing was computed again. "
    print(f"\n{remark}{same} of {len(comparisons)} are the same.")


def _short(value: object) -> str:
    text = "none" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)
    return text if len(text) <= WIDTH else text[: WIDTH - 2] + ".."
