"""The .npz files of the pipeline: arrays, and the params that they and everything upstream were made with.

The same arrays and params give the same bytes each time. Files are read without pickle.
"""

import json
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from dvc_mlflow.files import write_atomically
from sparse_digits.runtime.errors import InvalidNpzError, MissingFileError

Arrays = dict[str, npt.NDArray[Any]]
Params = dict[str, Any]  # by full name: {"train.C": 0.01}


def write_npz(path: Path, params: Params, **arrays: npt.ArrayLike) -> None:
    """Write arrays and the params that they were made with, whole or not at all."""
    write_atomically(path, lambda file: save_npz(file, params, **arrays))


def save_npz(file: IO[bytes], params: Params, **arrays: npt.ArrayLike) -> None:
    """Write what `write_npz` writes into an open file."""
    np.savez(file, allow_pickle=False, **arrays, params=json.dumps(params, sort_keys=True))


def read_npz(path: Path | IO[bytes]) -> tuple[Params, Arrays]:
    """Return the params that a file was made with, and its arrays.

    Raises MissingFileError, or InvalidNpzError if the file is truncated, damaged or not of this pipeline.
    """
    damaged = (zipfile.BadZipFile, EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError)
    try:
        # Opened here, because np.load leaves the file of a broken archive open.
        with path.open("rb") if isinstance(path, Path) else path as file:
            with np.load(file, allow_pickle=False) as npz:
                arrays = dict(npz)
            return json.loads(arrays.pop("params").item()), arrays
    except FileNotFoundError:
        raise MissingFileError(path) from None
    except damaged as error:
        raise InvalidNpzError(path, error) from None
