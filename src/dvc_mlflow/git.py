"""git, always for an explicit folder, never for the repository that the environment of a hook names."""

import configparser
import functools
import os
import subprocess
from pathlib import Path

from dvc_mlflow.errors import UserError


@functools.cache
def local_variables() -> frozenset[str]:
    """Return the names of the variables by which git tells its children which repository they work on.

    In hooks git exports some of them (GIT_DIR, GIT_INDEX_FILE, ...): `git -C elsewhere` would then work on
    the repository of the hook.
    """
    command = ["git", "rev-parse", "--local-env-vars"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):  # without git there is nothing to protect
        return frozenset()
    return frozenset(listed.split())


def clean_environment() -> dict[str, str]:
    """Return the environment for a child that works in another folder: without git's local variables."""
    return {key: value for key, value in os.environ.items() if key not in local_variables()}


def run_git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git for `folder` and return the finished process, with status 127 if there is no git.

    git takes no lock that it can do without, so that a question changes no file.
    """
    command = ["git", "-C", str(folder), *arguments]
    environment = clean_environment() | {"GIT_OPTIONAL_LOCKS": "0"}
    try:
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints for `folder`, without the last line break; None if it fails."""
    done = run_git(folder, *arguments)
    return done.stdout.strip() if done.returncode == 0 else None


def require_repository(folder: Path) -> None:
    """Raise UserError if `folder` is in no git repository and DVC is not configured to work without git."""
    done = run_git(folder, "rev-parse", "--git-dir")
    if done.returncode and not _configured_without_git(folder):
        reason = done.stderr.strip().partition("\n")[0].removeprefix("fatal: ")
        got = "found none" if "not a git repository" in reason or not reason else f"but git says: {reason}"
        raise UserError(
            f"{folder}: expected a git repository, {got}. "
            "`git init`, or without git: dvc config --local core.no_scm true"
        )


def _configured_without_git(folder: Path) -> bool:
    """Return whether DVC's configuration has core.no_scm."""
    config = configparser.ConfigParser()
    config.read([folder / ".dvc" / "config", folder / ".dvc" / "config.local"])
    return config.getboolean("core", "no_scm", fallback=False)
