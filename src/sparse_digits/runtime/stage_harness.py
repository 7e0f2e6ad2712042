"""The door of a stage: params checked before the work, paths from the command line, a note after it."""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dvc_mlflow import provenance
from dvc_mlflow.errors import exit_on_user_error
from sparse_digits import params


def parse_paths(argv: Sequence[str] | None, *names: str) -> list[Path]:
    """Return the paths that a stage is given on its command line, in the order of `names`."""
    parser = argparse.ArgumentParser(description="A stage of dvc.yaml, where its paths stand.")
    for name in names:
        parser.add_argument(name, type=Path)
    return list(vars(parser.parse_args(argv)).values())


@contextmanager
def stage_harness(name: str, *outputs: Path, inputs: Sequence[Path] = ()) -> Iterator[params.Params]:
    """Yield the params, all of them checked; once the outputs are written, leave the stage's note.

    inputs : those that the note is to tell of: for the last stage, whose result is recorded by them if DVC
    was killed before it wrote dvc.lock.

    A fault ends the program with status 2. Under DVC, which has removed the outputs by then, its message ends
    with the command that brings them back if they are anywhere.
    """
    with exit_on_user_error(lambda: _tell_way_back(outputs)):
        yield params.read()
        provenance.write_provenance(name, outputs, inputs)


def _tell_way_back(outputs: Sequence[Path]) -> None:
    """Print the command that brings back what DVC removed: from git what is there, else from its cache."""
    if "DVC_STAGE" not in os.environ:
        return
    from dvc.repo import Repo  # noqa: PLC0415 - a quarter of a second that only a fault takes

    paths = [str(path) for path in outputs]
    try:
        with Repo() as repo:
            cached = [os.path.relpath(out.fs_path) for out in repo.index.outs if not out.changed_cache()]
    except Exception:  # noqa: BLE001 - a full disk, a broken dvc.yaml: this is not the place to tell of them
        cached = paths
    asked = ["git", "ls-files", "-z", "--", *paths]
    try:
        listed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):  # no git
        listed = []
    places = {
        "dvc checkout": [path for path in paths if path in cached and path not in listed],
        "git checkout": [path for path in paths if path in listed],
    }
    commands = [f"{command} {shlex.join(found)}" for command, found in places.items() if found]
    if commands:
        said = "What DVC removed before the stage began comes back with"
        print(f"{said}: {' && '.join(commands)}", file=sys.stderr)
