"""Tables: columns by name, as CSV with the same bytes each time."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dvc_mlflow.errors import UserError
from sparse_digits.runtime.files import SIGNIFICANT_DIGITS, write

Table = dict[str, npt.NDArray[Any]]  # columns of one length


def rounded(value: float) -> float:
    """Return a number rounded to the digits that every processor agrees on."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def write_csv(path: Path, table: Mapping[str, Sequence[Any] | npt.NDArray[Any]]) -> None:
    """Write a table, floats rounded."""
    columns = [np.asarray(column) for column in table.values()]
    texts = [
        [f"{value:.{SIGNIFICANT_DIGITS}g}" for value in column]
        if column.dtype.kind == "f"
        else (column.astype(int) if column.dtype.kind == "b" else column).astype(str)
        for column in columns
    ]
    lines = [",".join(table), *(",".join(row) for row in zip(*texts, strict=True)), ""]
    write(path, "\n".join(lines).encode())


def read_csv(path: Path) -> Table:
    """Read a table: a column of whole numbers as int64, of numbers as float64, any other as text."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            names, *rows = list(csv.reader(file))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file. `dvc repro sweep/dvc.yaml` makes it") from None
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    return {name: _numbers(column) for name, column in zip(names, columns, strict=True)}


def filter_rows(table: Table, chosen: npt.NDArray[np.bool_]) -> Table:
    """Return the rows that are chosen, (rows,) bool."""
    return {name: column[chosen] for name, column in table.items()}


def _numbers(texts: Sequence[str]) -> npt.NDArray[Any]:
    for kind in (np.int64, np.float64):
        try:
            return np.array(texts).astype(kind)
        except ValueError:
            continue
    return np.array(texts)
