"""The door of a stage: params checked before the work, paths from the command line, a note after it."""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sparse_digits import note, params
from sparse_digits.faults import told


def paths(argv: Sequence[str] | None, *names: str) -> list[Path]:
    """Return the paths that a stage is given on its command line, in the order of `names`."""
    parser = argparse.ArgumentParser(description="A stage of dvc.yaml, where its paths stand.")
    for name in names:
        parser.add_argument(name, type=Path)
    return list(vars(parser.parse_args(argv)).values())


@contextmanager
def stage(name: str, *outputs: Path, inputs: Sequence[Path] = ()) -> Iterator[params.Params]:
    """Yield the params, all of them checked; once the outputs are written, leave the stage's note.

    inputs : those that the note is to tell of: for the last stage, whose result is recorded by them if DVC
    was killed before it wrote dvc.lock.

    A fault ends the program with status 2. Under DVC, which has removed the outputs by then, its message ends
    with the command that brings them back.
    """
    back = "What DVC removed before the stage began comes back with: dvc checkout "
    lines = [back + " ".join(map(str, outputs))] if "DVC_STAGE" in os.environ else []
    with told(*lines):
        yield params.read()
        note.write(name, outputs, inputs)
