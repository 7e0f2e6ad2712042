"""Copies of this project, as in a clone or an archive of it."""

import shutil
from pathlib import Path

from commands import run

ROOT = Path(__file__).parents[2]


def export(folder):
    """Copy the files of this working tree that git tracks or would add, as in a downloaded archive."""
    names = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).stdout
    for name in filter(None, names.split("\0")):
        if (source := ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return folder


def commit(folder, message):
    run("git", "add", "--all", cwd=folder)
    run("git", "commit", "--quiet", "--message", message, cwd=folder)


def clone(folder):
    """Copy the working tree into a new repository, with the params of digits."""
    export(folder)
    shutil.copy(folder / "params.digits.yaml", folder / "params.yaml")
    run("git", "init", "--quiet", "--initial-branch=main", cwd=folder)
    commit(folder, "The project, to run on digits")
    return folder
