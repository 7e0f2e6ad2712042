"""The command `repro`: `dvc repro` with checks before it and the result after it."""

import json
import os
import shutil
import sys
from pathlib import Path

from dvc_mlflow import git
from dvc_mlflow.errors import UserError
from sparse_digits import params
from sparse_digits.commands.pipelines import RESULT, dvc_repro, model_paths, require_stages, stages_of
from sparse_digits.metrics import format_summary
from sparse_digits.model import params_embedded_in
from sparse_digits.runtime.lock_drift import drifted_output, mismatched_params

FIRST_RUN_BYTES = 500_000_000  # what a first run writes: the data, and DVC's cache of them


def repro(folder: Path) -> None:
    """Run the stale stages of the pipeline in `folder` and print the result."""
    os.chdir(folder)
    current = params.read()  # before DVC removes an output
    git.require_repository(folder)
    require_stages(folder / "dvc.yaml", RESULT)
    free = shutil.disk_usage(folder).free
    if not (folder / ".dvc" / "cache").exists() and free < FIRST_RUN_BYTES:
        expected, got = FIRST_RUN_BYTES // 10**6, free // 10**6
        raise UserError(f"{folder}: expected {expected} MB of free disk, found {got} MB")
    dvc_repro(folder)
    print()
    print_result(folder)
    for warning in _mismatched_params(folder, current):
        print(f"warning: {warning}", file=sys.stderr)
    if path := drifted_output(folder / "dvc.lock"):
        print(
            f"{path} has other bits than the committed dvc.lock, from the same code, data and params: "
            "this processor or platform rounds otherwise."
        )
    print("To open MLflow: make ui")


def print_result(folder: Path, picture: Path | None = None) -> None:
    """Print the result in a folder and the path of its picture, which is copied to `picture` if given."""
    stage = stages_of(folder / "dvc.yaml")[RESULT]
    metrics, image = (folder / next(iter(stage[key][0])) for key in ("metrics", "plots"))
    print(format_summary(json.loads(metrics.read_bytes())))
    if picture:
        picture.mkdir(exist_ok=True)
        image = Path(shutil.copy(image, picture))
    print(f"Picture: {image}")


def _mismatched_params(folder: Path, current: params.Params) -> list[str]:
    """Return a line for each param of params.yaml that a model in the workspace was not made with."""
    stages = stages_of(folder / "dvc.yaml")
    flat = {
        key: value
        for section in stages
        if hasattr(current, section)
        for key, value in getattr(current, section).flat().items()
    }
    return [
        line
        for path in model_paths(stages)
        for line in mismatched_params(
            path, params_embedded_in(path, (folder / path).read_bytes()) or {}, flat
        )
    ]
