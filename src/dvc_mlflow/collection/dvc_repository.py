"""A project as DVC sees it, in the workspace or in a commit, wherever in its git repository it lies."""

import contextlib
import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.fs import GitFileSystem
from dvc.repo import Repo
from dvc.scm import SCM, SCMError

from dvc_mlflow import git
from dvc_mlflow.collection.remedies import restore_lock
from dvc_mlflow.errors import NotRecorded, UserError
from dvc_mlflow.files import kind_of

EXPERIMENT = re.compile("refs/exps/([0-9a-f]{2})/([0-9a-f]{38,})/(.+)")  # the digits are the baseline


@contextlib.contextmanager
def open_repository(folder: Path, commit: str | None = None) -> Iterator[Repo]:
    """Open the DVC project in `folder`, or what a commit has of it. Raises NotRecorded if DVC cannot read it.

    Raises UserError if DVC cannot work on this disk, or what should be a file is none.

    Meanwhile the environment is without git's local variables: DVC works with git in this process too.
    """
    for path in () if commit else (folder / "dvc.yaml", folder / "dvc.lock"):
        if not path.is_file() and (path.exists() or path.is_symlink()):  # DVC: "is not a .dvc file"
            raise UserError(f"{path}: expected a file, got {kind_of(path)}")
    with (
        git.without_local_variables(),
        translate_dvc_errors(),
        _open_commit(folder, commit) if commit else Repo(str(folder)) as repo,
    ):
        yield repo


@contextlib.contextmanager
def translate_dvc_errors() -> Iterator[None]:
    """Turn an error that DVC finds in a repository into NotRecorded."""
    try:
        yield
    except DvcException as error:
        raise NotRecorded(_explain(error) + restore_lock(error)) from error
    except sqlite3.OperationalError as error:
        raise UserError(
            f"DVC's index: expected a disk that can be written, got: {error}. "
            "To put it on another disk: export DVC_SITE_CACHE_DIR=FOLDER"
        ) from error


def _explain(error: DvcException) -> str:
    """Return DVC's error in one line. Its text of a YAML file says neither what is wrong nor where."""
    path, inner, text = os.path.normpath(getattr(error, "path", "")), getattr(error, "exc", None), str(error)
    if syntax := getattr(inner, "__cause__", None):
        text = f"{path}: expected YAML, but {syntax}"
    elif faults := getattr(inner, "errors", None):
        keys = [".".join(map(str, fault.path)) or "the file" for fault in faults]
        text = f"{path}: " + "; ".join(
            f"{key}: {fault.error_message}" for key, fault in zip(keys, faults, strict=True)
        )
    return " ".join(text.split()).replace(' in "<unicode string>",', ",")


def experiments(folder: Path) -> list[tuple[str, str]]:
    """Return the name and the commit of every DVC experiment of the project in `folder`.

    DVC's own list waits for its lock, which a running `dvc repro` has, and lists those of a monorepo's other
    projects too: they changed files, but none of this one.
    """
    listed = git.git(folder, "for-each-ref", "--format=%(refname) %(objectname)", "refs/exps/") or ""
    is_part = bool(git.git(folder, "rev-parse", "--show-prefix"))
    found = set()
    for line in listed.splitlines():
        ref, _, commit = line.rpartition(" ")
        if match := EXPERIMENT.fullmatch(ref):
            baseline = match[1] + match[2]
            elsewhere = is_part and _changed(folder, baseline, commit, ".") == ""
            if not (elsewhere and _changed(folder, baseline, commit, ":/")):
                found.add((match[3], commit))
    return sorted(found)


def _changed(folder: Path, baseline: str, commit: str, path: str) -> str | None:
    """Return the files below `path` that differ between two commits; None if one is missing."""
    return git.git(folder, "diff", "--name-only", baseline, commit, "--", path)


def _open_commit(folder: Path, commit: str) -> Repo:
    """Open a commit. `Repo(path, rev=commit)` would look for .dvc at the root of the git repository alone."""
    scm = SCM(str(folder))
    fs = GitFileSystem(scm=scm, rev=commit)
    within = folder.resolve().relative_to(Path(scm.root_dir).resolve())
    root = fs.join("/", *within.parts)
    if not fs.isdir(fs.join(root, Repo.DVC_DIR)):
        scm.close()
        raise SCMError(f"the commit {commit[:12]} has no DVC project in {within}")
    return Repo(root, fs=fs, scm=scm)
