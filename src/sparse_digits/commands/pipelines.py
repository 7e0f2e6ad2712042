"""`dvc repro`, run by the commands, and what the two dvc.yaml declare."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dvc_mlflow import git
from dvc_mlflow.collection.dvc_repository import open_repository
from dvc_mlflow.errors import NotRecorded
from sparse_digits.runtime import yaml_core

RESULT = "evaluate"  # the last stage of dvc.yaml
SWEEP = "sweep/dvc.yaml"  # the second pipeline
SWEEP_RESULT = f"{SWEEP}:report"  # its last stage


def dvc_repro(folder: Path, *targets: str, **variables: str) -> None:
    """Run `dvc repro` with this Python first on PATH; end the program with DVC's status if it fails."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = [sys.executable, "-m", "dvc", "repro", *targets]
    environment = git.clean_environment() | {"PATH": path} | variables
    done = subprocess.run(command, cwd=folder, env=environment, check=False)
    if done.returncode:
        _print_recovery_hint(folder)
        raise SystemExit(done.returncode)


def stages_of(path: Path) -> dict[str, Any]:
    """Return the stages that a dvc.yaml declares, by name."""
    stages: dict[str, Any] = yaml_core.load(path.read_text(encoding="utf-8"))["stages"]
    return stages


def model_paths(stages: Mapping[str, Any]) -> list[str]:
    """Return the paths of the models that stages declare."""
    outs = [out for stage in stages.values() for out in stage.get("outs", []) if isinstance(out, dict)]
    return [path for out in outs for path, options in out.items() if options.get("type") == "model"]


def _print_recovery_hint(folder: Path) -> None:
    """Print how to restore dvc.lock if that is why `dvc repro` failed: DVC's own message does not say it."""
    try:
        with open_repository(folder) as repo:
            list(repo.index.stages)
    except NotRecorded as reason:
        print(reason, file=sys.stderr)
