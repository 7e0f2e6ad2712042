"""Finished parts of a long computation, kept until all is done, under the code and inputs they come from."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sparse_digits.faults import Fault
from sparse_digits.files import Arrays, read_npz, write_npz

LIBRARIES = ("llvmlite", "numba", "numpy", "scikit-learn", "scipy")  # another version may give other bits


@cache
def code() -> str:
    """Return the digest of this package's source and of the libraries that compute."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + source.read_bytes())
    for library in LIBRARIES:
        digest.update(f"{library} {version(library)}".encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Kept:
    """A folder of finished parts. Those of other code or inputs are not found.

    made_from : whatever the parts depend on beside the code and their own names.
    """

    folder: Path
    made_from: Any

    def get(self, name: str) -> Arrays | None:
        """Return a part, or None if it is not there whole."""
        try:
            return read_npz(self._path(name))[1]
        except Fault:
            return None

    def put(self, name: str, part: Arrays) -> None:
        """Keep a part: on the disk, whole, when this returns."""
        write_npz(self._path(name), {}, **part)

    def clear(self) -> None:
        """Remove the folder, what other code or inputs left there too."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        what = json.dumps([code(), self.made_from, name], sort_keys=True)
        return self.folder / f"{name}-{hashlib.sha256(what.encode()).hexdigest()[:32]}.npz"
