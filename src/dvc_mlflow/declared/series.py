"""Series of numbers in the files that DVC plots: CSV, TSV, JSON and YAML, with a row for each point."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

MAX_BYTES = 50_000_000  # of a file that is read
MAX_POINTS = 1000  # of a series; of more rows that many are taken, evenly spaced, first and last among them
MAX_COLUMNS = 50  # that become series if the plot declares no y; a table with more is no series
STEPS = ("step", "epoch", "iteration")  # columns that are x if the plot declares none
TIMESTAMP = "timestamp"  # DVCLive's column, which is no series

Row = Mapping[str, Any]
Points = list[tuple[int, float]]  # step and value
Item = TypeVar("Item")


def read_series(
    path: Path, x: str | None = None, y: Sequence[str] = (), *, header: bool = True
) -> dict[str, Points]:
    """Return the points of each column of numbers, {} if the file has no series or cannot be read.

    x : the column with the steps, by default one that is named so. Where its values are not whole numbers
        that differ, the steps are the numbers of the rows, and x is a series too.
    y : the columns; by default all others, if none of them has text.
    """
    try:
        rows = _read_rows(path, header=header)
    except (OSError, ValueError, csv.Error, RecursionError, yaml.YAMLError):
        return {}
    names = list(dict.fromkeys(name for row in rows for name in row if isinstance(name, str)))
    x = x or next((name for name in STEPS if name in names and name not in y), None)
    columns = {name: [_number(row.get(name)) for row in rows] for name in names}
    texts = {name for name in names if any(_is_text(row.get(name)) for row in rows)}
    chosen = list(y) or [name for name in names if name not in {x, TIMESTAMP}]
    if not y and (texts & set(chosen) or len(chosen) > MAX_COLUMNS):
        return {}
    chosen = [name for name in chosen if name in columns and name not in texts]
    steps = _steps(columns.get(x or "", []))
    if not steps and x in columns and x not in texts:
        chosen.append(x)
    kept = spread(range(len(rows)), MAX_POINTS)
    series = {name: [(steps[i] if steps else i, columns[name][i]) for i in kept] for name in chosen}
    return {
        name: sorted((step, value) for step, value in points if value is not None)
        for name, points in series.items()
    }


def _read_rows(path: Path, *, header: bool) -> list[Row]:
    """Return the rows of a table. Raises ValueError if the file is none."""
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: expected at most {MAX_BYTES} bytes")
    suffix = path.suffix.lower()
    if suffix in {".csv", ".tsv"}:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file, delimiter="\t" if suffix == ".tsv" else ","))
        lines = [line for line in lines if line]
        names = lines.pop(0) if header and lines else [str(i) for i in range(len(lines[0]) if lines else 0)]
        return [dict(zip(names, line, strict=False)) for line in lines]
    if suffix == ".json":
        return _find_rows(json.loads(path.read_bytes()))
    if suffix in {".yaml", ".yml"}:
        return _find_rows(yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)))  # noqa: S506
    return []


def _find_rows(content: Any) -> list[Row]:
    """Return the first list of mappings in nested mappings, which is what DVC plots."""
    if isinstance(content, list) and content and all(isinstance(row, Mapping) for row in content):
        return content
    for value in content.values() if isinstance(content, Mapping) else ():
        if rows := _find_rows(value):
            return rows
    return []


def _number(cell: Any) -> float | None:
    if isinstance(cell, bool):
        return None
    try:
        return float(cell)
    except (OverflowError, TypeError, ValueError):
        return None


def _is_text(cell: Any) -> bool:
    return cell is not None and cell != "" and _number(cell) is None


def _steps(values: Sequence[float | None]) -> list[int]:
    """Return the values as steps, [] if they are not whole numbers that differ."""
    steps = [int(value) for value in values if value is not None and math.isfinite(value) and value % 1 == 0]
    fits = all(abs(step) < 2**53 for step in steps) and len(set(steps)) == len(values)
    return steps if fits else []


def spread(items: Sequence[Item], number: int) -> Sequence[Item]:
    """Return all items, or of more than `number` that many, evenly spaced, with the first and the last."""
    if len(items) <= number:
        return items
    return [items[round(i * (len(items) - 1) / (number - 1))] for i in range(number)]
