"""git, always for an explicit folder, never for the repository that the environment of a hook names."""

import configparser
import contextlib
import functools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from dvc_mlflow.errors import UserError

CONFIGURATION = {"GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT"}  # of `git -c`, and of an environment


@functools.cache
def local_variables() -> frozenset[str]:
    """Return the names of the variables by which git tells its children which repository they work on.

    In hooks git exports some of them (GIT_DIR, GIT_INDEX_FILE, ...): `git -C elsewhere` would then work on
    the repository of the hook. Those with the configuration of the command line are not among them: git
    hands them to its children in submodules too, and an exception for safe.directory may be there.
    """
    command = ["git", "rev-parse", "--local-env-vars"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):  # without git there is nothing to protect
        return frozenset()
    return frozenset(listed.split()) - CONFIGURATION


def clean_environment() -> dict[str, str]:
    """Return the environment for a child that works in another folder: without git's local variables."""
    return {key: value for key, value in os.environ.items() if key not in local_variables()}


def leave_hook() -> None:
    """Remove git's local variables from this process, which names the folder of every repository."""
    for key in local_variables():
        os.environ.pop(key, None)


@contextlib.contextmanager
def without_local_variables() -> Iterator[None]:
    """Remove git's local variables from this process while the body runs."""
    before = {key: os.environ[key] for key in local_variables() if key in os.environ}
    leave_hook()
    try:
        yield
    finally:
        os.environ |= before


def run_git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git for `folder` and return the finished process, with status 127 if there is no git.

    git takes no lock that it can do without, so that a question changes no file, and it speaks English.
    """
    command = ["git", "-C", str(folder), *arguments]
    environment = clean_environment() | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        return subprocess.run(
            command,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints for `folder`, without the last line break; None if it fails."""
    done = run_git(folder, *arguments)
    return done.stdout.strip() if done.returncode == 0 else None


def refusal(folder: Path) -> str:
    """Return why git refuses the repository of `folder`, in git's words; "" if it works or there is none."""
    done = run_git(folder, "rev-parse", "--git-dir")
    if done.returncode in {0, 127} or "not a git repository (or any" in done.stderr:
        return ""
    reason, *way_out = (line.strip() for line in done.stderr.splitlines() if line.strip())
    return ". ".join(filter(None, [reason.removeprefix("fatal: "), " ".join(way_out)]))


def require_repository(folder: Path) -> None:
    """Raise UserError if `folder` is in no git repository and DVC is not configured to work without git."""
    if git(folder, "rev-parse", "--git-dir") is not None or _configured_without_git(folder):
        return
    if reason := refusal(folder):
        raise UserError(f"{folder}: expected a git repository, but git says: {reason}")
    raise UserError(
        f"{folder}: expected a git repository, found none. "
        "`git init`, or without git: dvc config --local core.no_scm true"
    )


def _configured_without_git(folder: Path) -> bool:
    """Return whether DVC's configuration has core.no_scm."""
    config = configparser.ConfigParser()
    config.read([folder / ".dvc" / "config", folder / ".dvc" / "config.local"])
    return config.getboolean("core", "no_scm", fallback=False)
