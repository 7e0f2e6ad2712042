"""What varies between two runs of a stage: a note beside its outputs that DVC does not know.

Seconds, versions, processor and commit must not be in a file that DVC tracks, or no run would ever equal
another. The note carries its outputs' MD5s: whoever finds another file there (DVC restored it from its cache)
takes the note as telling nothing.
"""

import contextlib
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

LIBRARIES = ("numpy", "scipy", "scikit-learn", "matplotlib", "dvc", "mlflow")


def provenance_path(output: Path, stage: str) -> Path:
    """Return where a stage's note lies."""
    return output.parent / f"{stage}.note.json"


def write_provenance(stage: str, outputs: Iterable[Path], inputs: Iterable[Path] = ()) -> None:
    """Leave the note of a stage whose process ends now."""
    outputs = list(outputs)
    content = {
        "outputs": {output.name: md5(output) for output in outputs},
        "inputs": {path.name: md5(path) for path in inputs},
        "ended": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "seconds": round(time.time() - psutil.Process().create_time(), 3),
        "code": code_version(Path.cwd(), [*_imported(Path.cwd()), "dvc.yaml"]),
        "environment": environment(),
    }
    place = provenance_path(outputs[0], stage)
    temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    temporary.replace(place)


def read_provenance(path: Path, md5s: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the note at `path` if it is about outputs with these MD5s by name, else None: unknown."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("outputs") == dict(md5s) else None


def md5(path: Path) -> str:
    """Return the MD5 of a file, or of a folder, as dvc.lock has it."""
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file()]
        listed = [{"md5": md5(file), "relpath": file.relative_to(path).as_posix()} for file in files]
        listed.sort(key=lambda entry: entry["relpath"])
        content = json.dumps(listed, sort_keys=True).encode()
        return hashlib.md5(content, usedforsecurity=False).hexdigest() + ".dir"
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def code_version(folder: Path, paths: Iterable[str]) -> dict[str, Any] | None:
    """Return the commit that `folder` is at and whether any of `paths` differ from it; None without git."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        dirty = bool(git("status", "--porcelain", "--", *paths))
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit, "dirty": dirty}


def _imported(folder: Path) -> list[str]:
    """Return the files below `folder`, outside the environment, that this process runs."""
    names = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
    # Those of the environment are told by their names: to resolve them all takes a tenth of a second.
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
    """Return the processor's name where the system tells it, else its architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
