"""Finished parts of a long computation, kept until all is done, under the code and inputs they come from."""

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
from sparse_digits.runtime.files import Arrays, read_npz, write_npz

LIBRARIES = ("llvmlite", "numba", "numpy", "scikit-learn", "scipy")  # another version may give other bits


@cache
def code_digest() -> str:
    """Return the digest of the source that computes and of the libraries that it uses."""
    digest = hashlib.sha256()
    for package in (Path(l1path.__file__).parent, Path(__file__).parents[1]):
        for source in sorted(package.rglob("*.py")):
            digest.update(source.relative_to(package).as_posix().encode() + source.read_bytes())
    for library in LIBRARIES:
        digest.update(f"{library} {version(library)}".encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Checkpoints:
    """A folder of finished parts. Those of other code or inputs are not found.

    made_from : whatever the parts depend on beside the code and their own names.
    """

    folder: Path
    made_from: Any

    def get(self, name: str) -> Arrays | None:
        """Return a part, or None if it is not there whole."""
        try:
            return read_npz(self._path(name))[1]
        except UserError:
            return None

    def put(self, name: str, part: Arrays) -> None:
        """Keep a part: on the disk, whole, when this returns."""
        write_npz(self._path(name), {}, **part)

    def clear(self) -> None:
        """Remove the folder, what other code or inputs left there too."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        what = json.dumps([code_digest(), self.made_from, name], sort_keys=True)
        return self.folder / f"{name}-{hashlib.sha256(what.encode()).hexdigest()[:32]}.npz"
