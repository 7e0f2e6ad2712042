"""The .npz files of the pipeline: arrays, and the params that they and everything upstream were made with.

The same arrays and params give the same bytes each time, by any Python. Files are read without pickle.
"""

import json
import lzma
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from dvc_mlflow.files import write_atomically
from sparse_digits.runtime.errors import InvalidNpzError, MissingFileError

Arrays = dict[str, npt.NDArray[Any]]
Params = dict[str, Any]  # by full name: {"train.C": 0.01}
ZIP64_VERSION = 45  # of the zip format, the first with large files
DAMAGED = (  # what NumPy and zipfile raise of some file, also of a compressed one from elsewhere
    *(zipfile.BadZipFile, EOFError, KeyError, lzma.LZMAError, OSError, OverflowError, RuntimeError),
    *(struct.error, SyntaxError, tokenize.TokenError, TypeError, ValueError, zlib.error),
)


def write_npz(path: Path, params: Params, **arrays: npt.ArrayLike) -> None:
    """Write arrays and the params that they were made with, whole or not at all."""
    write_atomically(path, lambda file: save_npz(file, params, **arrays))


def save_npz(file: IO[bytes], params: Params, **arrays: npt.ArrayLike) -> None:
    """Write what `write_npz` writes into an open file: as `numpy.savez` by Python 3.11.4 and later."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in {**arrays, "params": json.dumps(params, sort_keys=True)}.items():
            with archive.open(Member(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


class Member(zipfile.ZipInfo):
    """An entry of an archive whose header has both sizes in the field for large files alone.

    Python before 3.11.4 wrote them into the field for small files, too (gh-103861): other bytes.
    """

    def FileHeader(self, zip64: bool | None = None) -> bytes:  # noqa: FBT001 - the signature of the base class
        """Return the header."""
        header = bytearray(super().FileHeader(zip64))
        self.extract_version = max(self.extract_version, ZIP64_VERSION)
        self.create_version = max(self.create_version, ZIP64_VERSION)
        header[4:6] = self.extract_version.to_bytes(2, "little")
        header[18:26] = b"\xff" * 8
        return bytes(header)


def read_npz(path: Path | IO[bytes]) -> tuple[Params, Arrays]:
    """Return the params that a file was made with, and its arrays.

    Raises MissingFileError, or InvalidNpzError if the file is truncated, damaged or not of this pipeline.
    """
    try:
        # Opened here, because np.load leaves the file of a broken archive open.
        with path.open("rb") if isinstance(path, Path) else path as file:
            with np.load(file, allow_pickle=False) as npz:
                arrays = dict(npz)
            return json.loads(arrays.pop("params").item()), arrays
    except FileNotFoundError:
        raise MissingFileError(path) from None
    except DAMAGED as error:
        raise InvalidNpzError(path, error) from None
