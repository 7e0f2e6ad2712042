"""The command that helps when DVC lacks a result, its files or a readable dvc.lock."""

import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dvc.exceptions import DvcException

from dvc_mlflow import git

if TYPE_CHECKING:
    from dvc.stage import Stage


def compute(address: str, frozen: Iterable[str] = ()) -> str:
    """Return the command that computes a stage; `frozen` are the addresses of those that are frozen.

    A plain `dvc repro` runs the pipeline at the root alone.
    """
    target = f" {shlex.quote(address)}" if ":" in address else ""
    unfreezing = (f"dvc unfreeze {shlex.quote(stage)}" for stage in frozen)
    return " && ".join([*unfreezing, f"dvc repro{target}"])


def is_frozen(stage: "Stage") -> bool:
    """Return whether `dvc freeze` keeps `dvc repro` from a stage; an import is frozen by nature."""
    return bool(stage.frozen and stage.cmd)


def bring(folder: Path, name: str | None, digest: str, computing: str) -> str:
    """Return the command that brings files that are neither in the workspace nor in DVC's cache.

    folder : of the project.  name : of the DVC experiment that has the files, None for the workspace.
    digest : DVC's MD5 of one of them.  computing : the command that computes them.
    """
    if place := _cache_of_another_worktree(folder, digest):
        return f"To bring them from another worktree: cp -Rn {shlex.quote(str(place))} .dvc/"
    if name is None:
        return f"To bring them: dvc pull. To compute them: {computing}"
    remote = (git.git(folder, "remote") or "").partition("\n")[0]
    quoted = shlex.quote(name)
    bringing = f"To bring them: dvc exp pull {remote} {quoted}. " if remote else ""
    # `dvc exp apply` writes dvc.lock and params, then fails for lack of the files: hence no `&&`.
    return f"{bringing}To compute them: dvc exp apply {quoted}; {computing}"


def remove_damaged(cache: Any, digests: Iterable[str]) -> str:
    """Return how to remove files that are in DVC's cache with other bytes than their digest says, else "".

    digests : of files whose bytes were not found. DVC trusts its cache, and restores damaged bytes.
    """
    paths = [path for digest in digests if Path(path := cache.oid_to_path(digest)).exists()]
    return f"The cache has damaged bytes; to remove them: rm -f {shlex.join(paths)}. " if paths else ""


def restore_lock(error: DvcException) -> str:
    """Return how to restore dvc.lock if DVC cannot read it, after a merge or an interruption, else ""."""
    path = Path(getattr(error, "path", ""))
    if path.name != "dvc.lock":
        return ""
    quoted = shlex.quote(path.as_posix())
    try:
        conflict = any(line.startswith("<<<<<<< ") for line in path.read_text("utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        conflict = False
    if conflict:
        return (
            ". A merge left a conflict in it. To take either side: "
            f"git checkout --ours {quoted} (or --theirs), then: dvc repro"
        )
    return f". DVC was interrupted as it wrote it. To restore it: git checkout {quoted} (or rm, without git)"


def remove_rwlock(folder: Path) -> str:
    """Return how to remove DVC's list of locked paths if a full disk or a kill left half of it, else ""."""
    path = folder / ".dvc" / "tmp" / "rwlock"
    try:
        json.loads(path.read_bytes())
    except FileNotFoundError:
        return ""
    except ValueError:
        return f"{path} was half written. Once no other dvc runs here: rm {shlex.quote(str(path))}"
    return ""


def _cache_of_another_worktree(folder: Path, digest: str) -> Path | None:
    """Return the cache of another worktree of the repository if it has a file."""
    within = git.git(folder, "rev-parse", "--show-prefix") or ""
    listed = (git.git(folder, "worktree", "list", "--porcelain") or "").splitlines()
    for line in listed:
        key, _, path = line.partition(" ")
        cache = Path(path, within, ".dvc", "cache")
        own = cache.resolve() == (folder / ".dvc" / "cache").resolve()
        if key == "worktree" and not own and (cache / "files" / "md5" / digest[:2] / digest[2:]).exists():
            return cache
    return None
