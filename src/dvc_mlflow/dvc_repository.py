"""A project as DVC sees it, in the workspace or in a commit, wherever in its git repository it lies."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.fs import GitFileSystem
from dvc.repo import Repo
from dvc.scm import SCM, SCMError

from dvc_mlflow import git
from dvc_mlflow.errors import NotRecorded


@contextlib.contextmanager
def open_repository(folder: Path, commit: str | None = None) -> Iterator[Repo]:
    """Open the DVC project in `folder`, or what a commit has of it. Raises NotRecorded if DVC cannot read it.

    Meanwhile the environment is without git's local variables: DVC works with git in this process too.
    """
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
        raise NotRecorded(" ".join(str(error).split()) + recovery_hint(error)) from error


def recovery_hint(error: DvcException) -> str:
    """Return the command that restores dvc.lock if DVC was interrupted while it wrote it, else ""."""
    path = Path(getattr(error, "path", "")).as_posix()
    if not path.endswith("dvc.lock"):
        return ""
    return f". DVC was interrupted as it wrote it. To restore it: git checkout {path} (or rm, without git)"


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
