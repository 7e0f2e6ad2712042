"""What every stage does around its work: paths from the command line, checked params, provenance."""

import argparse
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import sparse_digits.runtime.entry  # noqa: F401 - first: it acts before any library is imported

from dvc_mlflow import git, provenance
from dvc_mlflow.errors import UserError, exit_on_user_error, warn
from sparse_digits import params
from sparse_digits.runtime.memory import RowsInMemory, is_lack_of_memory

SWEEPING = {"sweep", "baselines", "report"}  # stages whose rows are those of sweep.train_sizes
WITH_MODELS = SWEEPING | {"train", "evaluate"}  # stages that call the kernels or scikit-learn
RESERVE = 8_000_000  # bytes, untouched: what a message takes when memory ran out


def parse_paths(argv: Sequence[str] | None, *names: str) -> list[Path]:
    """Return the paths on a stage's command line, in the order of `names`."""
    parser = argparse.ArgumentParser(description="A stage of dvc.yaml, which has its paths.")
    for name in names:
        parser.add_argument(name, type=Path)
    return list(vars(parser.parse_args(argv)).values())


@contextmanager
def stage_harness(name: str, *outputs: Path, inputs: Sequence[Path] = ()) -> Iterator[params.Params]:
    """Yield the validated params; write the stage's provenance once the block has written the outputs.

    inputs : files whose digests the provenance has too. The last stage names them, since its result is
    recorded by them if DVC was killed before it wrote dvc.lock.

    A UserError, a failing disk or a lack of memory ends the program with status 2. Under DVC, which removed
    the outputs before the stage began, the message ends with the command that restores them, if they are in
    git or in DVC's cache.
    """
    with exit_on_user_error(lambda: _print_restore_commands(outputs)):
        values = params.read()
        rows = _training_rows(name, values)
        shortage = rows.shortage() if rows else ""
        if shortage:
            warn(f"{name}: memory may run out: {shortage}")  # the system kills a process without a message
        if name in WITH_MODELS:
            # numba and scikit-learn import it once the rows fill the memory, and OpenBLAS, as it loads,
            # repeats an allocation that fails without an end.
            import_module("scipy.linalg.blas")
        reserve = bytearray(RESERVE)
        try:
            yield values
        except (MemoryError, RuntimeError) as error:
            del reserve
            if rows and is_lack_of_memory(error, shortage):
                raise UserError(f"{name}: {rows.describe(error, shortage)}") from None
            raise
        provenance.write_provenance(name, outputs, inputs)


def _training_rows(stage: str, values: params.Params) -> RowsInMemory | None:
    """Return the training rows that a stage holds, None for `fetch`, which has all rows of a data set."""
    if stage == "fetch":
        return None
    if stage in SWEEPING:
        return RowsInMemory(values.fetch.dataset, "sweep.train_sizes", max(values.sweep.train_sizes))
    return RowsInMemory(values.fetch.dataset, "split.train_size", values.split.train_size)


def _print_restore_commands(outputs: Sequence[Path]) -> None:
    """Print the commands that restore what DVC removed: from git what it has, the rest from DVC's cache."""
    if "DVC_STAGE" not in os.environ:
        return
    from dvc_mlflow.collection.dvc_repository import open_repository  # noqa: PLC0415 - a quarter of a second that only a failing stage needs

    paths = [str(path) for path in outputs]
    try:
        with open_repository(Path.cwd()) as repo:
            in_cache = [os.path.relpath(out.fs_path) for out in repo.index.outs if not out.changed_cache()]
    except Exception:  # noqa: BLE001 - a full disk, a broken dvc.yaml: the stage's own error matters here
        in_cache = paths
    in_git = (git.git(Path.cwd(), "ls-files", "-z", "--", *paths) or "").split("\0")
    restorable = {
        "dvc checkout": [path for path in paths if path in in_cache and path not in in_git],
        "git checkout": [path for path in paths if path in in_git],
    }
    commands = [f"{command} {shlex.join(files)}" for command, files in restorable.items() if files]
    if commands:
        print(
            f"DVC removed the stage's outputs before it began. To restore them: {' && '.join(commands)}",
            file=sys.stderr,
        )
