"""The provenance of a stage: commit, environment and seconds, in a file beside its outputs.

They vary between two runs of a stage, so they must not be in a file that DVC tracks, or no run would ever
equal another. The file has the MD5s of the outputs that it is about. It counts for nothing where DVC has
restored other outputs from its cache.
"""

import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from dvc_mlflow import git
from dvc_mlflow.files import md5, write_atomically

LIBRARIES = ("numpy", "scipy", "scikit-learn", "matplotlib", "dvc", "mlflow")


def provenance_path(output: Path, stage: str) -> Path:
    """Return the path of a stage's provenance, beside its first output."""
    return output.parent / f"{stage}.provenance.json"


def write_provenance(stage: str, outputs: Iterable[Path], inputs: Iterable[Path] = ()) -> None:
    """Write the provenance of a stage whose process is about to end.

    inputs : the paths that the outputs were computed from. With them the last stage of a pipeline can be
        recorded even if DVC was killed before it wrote dvc.lock.
    """
    outputs = list(outputs)
    content = {
        "outputs": {output.name: md5(output) for output in outputs},
        "inputs": {path.name: md5(path) for path in inputs},
        "ended": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "seconds": max(0, round(time.time() - psutil.Process().create_time(), 3)),  # a clock may be set back
        "code": code_version(Path.cwd(), [*_imported_files(Path.cwd()), "dvc.yaml"]),
        "environment": environment(),
    }
    write_atomically(provenance_path(outputs[0], stage), (json.dumps(content, indent=2) + "\n").encode())


def read_provenance(path: Path, md5s: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the provenance at `path` if it is about outputs with these MD5s by name, else None."""
    for place in (path, path.with_name(path.name.replace(".provenance.json", ".note.json"))):
        try:  # .note.json is the name that earlier versions gave it
            content = json.loads(place.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(content, dict) and content.get("outputs") == dict(md5s):
            return content
    return None


def code_version(folder: Path, paths: Iterable[str]) -> dict[str, Any] | None:
    """Return the commit that `folder` is at and whether any of `paths` differ from it; None without git.

    paths : absolute, or relative to `folder`.

    The variable RECORDS_CODE names the working tree that the code in `folder` was copied from, if it was.
    """
    tree = Path(os.environ.get("RECORDS_CODE") or folder)
    relative = [os.path.relpath(path, folder) if Path(path).is_absolute() else str(path) for path in paths]
    commit = git.git(tree, "rev-parse", "HEAD")
    changes = git.git(tree, "status", "--porcelain", "--", *relative) if relative else ""
    if commit is None or changes is None:
        return None
    return {"commit": commit, "dirty": bool(changes)}


def refusal(folder: Path) -> str:
    """Return why git refuses the repository that the code in `folder` comes from, "" if it does not."""
    return git.refusal(Path(os.environ.get("RECORDS_CODE") or folder))


def _imported_files(folder: Path) -> list[str]:
    """Return the files below `folder`, outside the environment, that this process runs."""
    names = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
    # A name is enough to leave out those of the environment: to resolve them all takes a tenth of a second.
    paths = [Path(name).resolve() for name in names if name and not name.startswith(sys.prefix + os.sep)]
    return [str(path) for path in paths if path.is_relative_to(folder)]


def environment() -> dict[str, str]:
    """Return the versions and the machine that a result was computed with."""
    versions = {}
    for name in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "threads": os.environ.get("OMP_NUM_THREADS", str(os.cpu_count())),
        **versions,
    }


def _processor() -> str:
    """Return the processor's name if the system has it, else its architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
