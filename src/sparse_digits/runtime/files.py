"""Files that are written whole or not at all, with the same bytes each time, and read without pickle."""

import json
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from dvc_mlflow.errors import UserError

Arrays = dict[str, npt.NDArray[Any]]
Params = dict[str, Any]  # by full name: {"train.C": 0.01}

SIGNIFICANT_DIGITS = 10  # the digits after them differ between processors


def write(path: Path, content: bytes | Callable[[IO[bytes]], object]) -> None:
    """Write bytes, or what a function writes into the open file, under a temporary name; then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_npz(path: Path, params: Params, **arrays: npt.ArrayLike) -> None:
    """Write arrays, and the params that they and everything upstream were made with."""
    write(path, lambda file: save_npz(file, params, **arrays))


def save_npz(file: IO[bytes], params: Params, **arrays: npt.ArrayLike) -> None:
    """Write what `write_npz` does into an open file."""
    np.savez(file, allow_pickle=False, **arrays, params=json.dumps(params, sort_keys=True))


def read_npz(path: Path | IO[bytes]) -> tuple[Params, Arrays]:
    """Return the params that a file was made with, and its arrays.

    Raises `Fault` if the file is missing, cut or not one of this pipeline's.
    """
    broken = (zipfile.BadZipFile, EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError)
    try:
        # Opened here, because np.load leaves the file of a broken archive open.
        with path.open("rb") if isinstance(path, Path) else path as file:
            with np.load(file, allow_pickle=False) as npz:
                arrays = dict(npz)
            return json.loads(arrays.pop("params").item()), arrays
    except FileNotFoundError:
        raise UserError(f"{path}: no such file. `dvc repro` makes it") from None
    except broken as error:
        raise UserError(
            f"{path}: expected a whole .npz file of this pipeline, but {error}. `dvc repro -f` makes it anew"
        ) from None


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write numbers and texts by name, floats rounded to the digits that every processor agrees on."""
    rounded = {
        name: float(f"{value:.{SIGNIFICANT_DIGITS}g}") if isinstance(value, float) else value
        for name, value in values.items()
    }
    write(path, (json.dumps(rounded, indent=2) + "\n").encode())
