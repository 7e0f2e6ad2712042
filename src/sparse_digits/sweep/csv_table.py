"""Tables: columns by name, as CSV with the same bytes each time."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dvc_mlflow.files import write_atomically
from sparse_digits.runtime.errors import MissingFileError
from sparse_digits.runtime.rounding import FLOAT_FORMAT

Table = dict[str, npt.NDArray[Any]]  # columns of one length


def write_csv(path: Path, table: Mapping[str, Sequence[Any] | npt.NDArray[Any]]) -> None:
    """Write a table, floats rounded, booleans as 0 and 1."""
    columns = [_cells(np.asarray(column)) for column in table.values()]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([table, *zip(*columns, strict=True)])
    write_atomically(path, text.getvalue().encode())


def _cells(column: npt.NDArray[Any]) -> list[str]:
    """Return the texts of a column's values; that of NaN is "nan"."""
    if column.dtype.kind == "f":
        return [format(value, FLOAT_FORMAT) for value in column]
    return [str(value) for value in (column.astype(int) if column.dtype.kind == "b" else column)]


def read_csv(path: Path) -> Table:
    """Read a table: columns of int64, float64 or text. Raises MissingFileError."""
    try:
        rows = np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8", deletechars="")
    except FileNotFoundError:
        raise MissingFileError(path, "dvc repro sweep/dvc.yaml") from None
    rows = np.atleast_1d(rows)
    return {name: rows[name] for name in rows.dtype.names or ()}


def filter_rows(table: Table, mask: npt.NDArray[np.bool_]) -> Table:
    """Return the rows where `mask`, (rows,), is true."""
    return {name: column[mask] for name, column in table.items()}
