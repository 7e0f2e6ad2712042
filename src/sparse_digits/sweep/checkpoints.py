"""Checkpoints: finished parts of a long computation, valid for the same code and inputs only."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import l1path
from dvc_mlflow.errors import UserError
from sparse_digits.runtime.npz import Arrays, read_npz, write_npz

LIBRARIES = ("llvmlite", "numba", "numpy", "scikit-learn", "scipy")  # another version may give other bits


@cache
def code_digest() -> str:
    """Return the digest of the source that computes and of the versions of its libraries."""
    digest = hashlib.sha256()
    for package in (Path(l1path.__file__).parent, Path(__file__).parents[1]):
        for source in sorted(package.rglob("*.py")):
            digest.update(source.relative_to(package).as_posix().encode() + source.read_bytes())
    for library in LIBRARIES:
        digest.update(f"{library} {version(library)}".encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Checkpoints:
    """A folder of finished parts; parts of other code or inputs are ignored.

    inputs : what the parts depend on beside the code and their own names.
    """

    folder: Path
    inputs: Any

    def get(self, name: str) -> Arrays | None:
        """Return a part, or None if it is missing or damaged."""
        try:
            return read_npz(self._path(name))[1]
        except UserError:
            return None

    def put(self, name: str, part: Arrays) -> None:
        """Save a part: when this returns it is on the disk."""
        write_npz(self._path(name), {}, **part)

    def clear(self) -> None:
        """Remove the folder, parts of other code or inputs included."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        key = json.dumps([code_digest(), self.inputs, name], sort_keys=True)
        return self.folder / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"
