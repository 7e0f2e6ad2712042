"""`dvc repro`, run by the commands, and what the two dvc.yaml declare."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from yaml import YAMLError

from dvc_mlflow import git
from dvc_mlflow.collection.dvc_repository import open_repository
from dvc_mlflow.collection.remedies import remove_rwlock, restore_lock
from dvc_mlflow.errors import NotRecorded, UserError
from sparse_digits.runtime import yaml_core
from sparse_digits.runtime.memory import killed_for_memory

RESULT = "evaluate"  # the last stage of dvc.yaml
SWEEP = "sweep/dvc.yaml"  # the second pipeline
SWEEP_RESULT = f"{SWEEP}:report"  # its last stage
KILLED = (
    "The system killed a process because memory ran out, most likely this stage. "
    "To go on: free memory, or lower split.train_size (of a sweep: sweep.train_sizes)"
)


def dvc_repro(folder: Path, *targets: str, **variables: str) -> None:
    """Run `dvc repro` with this Python first on PATH; end the program with DVC's status if it fails.

    SIGTERM interrupts DVC and the stage that it runs, as ctrl-C in a terminal does.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = [sys.executable, "-m", "dvc", "repro", *targets]
    environment = git.clean_environment() | {"PATH": path} | variables
    killed_before = killed_for_memory()
    with _sigterm_interrupts_children() as terminated:
        status = subprocess.run(command, cwd=folder, env=environment, check=False).returncode
    if terminated:
        raise SystemExit(128 + signal.SIGTERM)
    if status:
        if killed_for_memory() > killed_before:  # DVC's message has the status -9 alone
            print(KILLED, file=sys.stderr)
        _print_recovery_hint(folder)
        raise SystemExit(status if status > 0 else 128 - status)  # below 0: DVC was killed by a signal


@contextmanager
def _sigterm_interrupts_children() -> Iterator[list[int]]:
    """Within the block, SIGTERM interrupts all processes below this one and is added to the yielded list."""
    received: list[int] = []

    def interrupt(number: int, _: object) -> None:
        received.append(number)
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):  # it may have ended meanwhile
                child.send_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)


def stages_of(path: Path) -> dict[str, Any]:
    """Return the stages that a dvc.yaml declares, by name. Raises UserError if it declares none."""
    try:
        stages: dict[str, Any] = yaml_core.load(path.read_text(encoding="utf-8"))["stages"]
        return {name: dict(stage) for name, stage in stages.items()}
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected YAML, but {' '.join(str(error).split())}") from None
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(f"{path}: expected stages, got none. {_restore(path)}") from None


def require_stages(path: Path, *names: str) -> None:
    """Raise UserError unless a dvc.yaml has these stages: without one, `dvc repro` runs other pipelines."""
    stages = stages_of(path)
    if missing := [name for name in names if name not in stages]:
        raise UserError(
            f"{path}: expected the stage {missing[0]}, got {', '.join(stages) or 'none'}. {_restore(path)}"
        )


def _restore(path: Path) -> str:
    return f"To restore it: git checkout {shlex.quote(str(path))}"


def model_paths(stages: Mapping[str, Any]) -> list[str]:
    """Return the paths of the models that stages declare."""
    outs = [out for stage in stages.values() for out in stage.get("outs", []) if isinstance(out, dict)]
    return [path for out in outs for path, options in out.items() if options.get("type") == "model"]


def _print_recovery_hint(folder: Path) -> None:
    """Print how to restore what an interruption or a full disk left: DVC's own message does not say it."""
    if hint := remove_rwlock(folder):
        print(hint, file=sys.stderr)
    try:
        with open_repository(folder) as repo:
            list(repo.index.stages)
    except NotRecorded as reason:
        if restore_lock(reason.__cause__):
            print(reason, file=sys.stderr)
