"""Two records side by side: the params, metrics and files that differ. It needs no server and no mlflow."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dvc_mlflow import records
from dvc_mlflow.errors import UserError
from dvc_mlflow.project import Project
from dvc_mlflow.records import Record
from dvc_mlflow.text_table import aligned

ABSENT = "-"
MAX_WIDTH = 40  # characters of a value in the table
DIGITS = 8  # of a digest


@dataclass(frozen=True)
class Difference:
    """A value that two records have not in common; None where one lacks it."""

    kind: str
    name: str
    first: Any
    second: Any

    def row(self) -> tuple[str, str, str, str, str]:
        """Return the cells of the table, the last one with the difference of two numbers."""
        change = ""
        if self.kind == "metric" and None not in {self.first, self.second}:
            change = f"{self.second - self.first:+.6g}"
        return self.kind, self.name, _text(self.first, self.kind), _text(self.second, self.kind), change


def compare(project: Project, first: str, second: str) -> list[str]:
    """Return the lines of a table of what differs between two records. Raises UserError without one.

    first, second : the first digits of a record, or the name of a DVC experiment.
    """
    a, b = (find_record(project, name) for name in (first, second))
    rows = [difference.row() for difference in differences(a, b)]
    head = ("", "", _title(a), _title(b), "")
    if not rows:
        return [f"{head[2]} and {head[3]} have the same params, metrics and files."]
    return aligned([head, *rows])


def differences(a: Record, b: Record) -> Iterator[Difference]:
    """Yield what two records have not in common: params, metrics, then the digests of files."""
    yield from _unequal("stage", {"": a.stage}, {"": b.stage})
    yield from _unequal("param", a.params, b.params)
    yield from _unequal("metric", a.metrics, b.metrics)
    yield from _unequal("file", a.digests | a.outputs, b.digests | b.outputs)


def find_record(project: Project, name: str) -> Record:
    """Return the record whose identity begins with `name`, or the newest of the DVC experiment `name`.

    Raises UserError if there is none or if it is damaged.
    """
    try:
        if folder := records.find_record_folder(project.root, name):
            return records.read_record(folder)
        of_experiment = [
            record
            for folder in records.record_folders(project.root)
            if (record := records.read_record(folder)).name == name
        ]
    except ValueError as damage:
        raise UserError(f"{name}: expected a whole record, but {damage}") from None
    if not of_experiment:
        raise UserError(
            f"{name}: expected the first digits of a record or the name of a DVC experiment with a record. "
            f"To list them: {project.command} status"
        )
    return max(of_experiment, key=lambda record: record.created)


def _unequal(kind: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys([*a, *b]):
        if a.get(name) != b.get(name):
            yield Difference(kind, name, a.get(name), b.get(name))


def _title(record: Record) -> str:
    return f"{record.result[:DIGITS]} ({record.name})" if record.name else record.result[:DIGITS]


def _text(value: Any, kind: str) -> str:
    if value is None:
        return ABSENT
    text = f"{value:.10g}" if isinstance(value, float) else str(value)
    if kind == "file":
        return text[:DIGITS]
    return text if len(text) <= MAX_WIDTH else f"{text[: MAX_WIDTH - 2]}.."
