"""Copies of this project, as a clone or an archive of it would hold them."""

import shutil
from pathlib import Path

from commands import run

ROOT = Path(__file__).parents[2]


def export(folder):
    """Copy what git has or would have of this working tree, as an archive of it holds it."""
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
    """Make a repository of the working tree, with the params of digits."""
    export(folder)
    shutil.copy(folder / "params.digits.yaml", folder / "params.yaml")
    run("git", "init", "--quiet", "--initial-branch=main", cwd=folder)
    commit(folder, "The project, to run on digits")
    return folder
