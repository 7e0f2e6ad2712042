"""Whether outputs drifted from dvc.lock: other bits than the committed lock has, or other params."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dvc_mlflow import git
from sparse_digits.runtime import yaml_core


def drifted_output(lock: Path) -> str | None:
    """Return the first output that differs from the committed lock's with the same deps and params.

    lock : dvc.lock. None if there is no such output, no lock, or no committed lock to compare with.
    """
    committed_text = git.git(lock.absolute().parent, "show", f"HEAD:./{lock.name}")
    if committed_text is None or not lock.exists():
        return None
    current, committed = _stages(lock.read_text(encoding="utf-8")), _stages(committed_text)
    for name, stage in current.items():
        expected = committed.get(name)
        if expected and all(stage.get(key) == expected.get(key) for key in ("cmd", "deps", "params")):
            for out, expected_out in zip(stage.get("outs", []), expected.get("outs", []), strict=False):
                if out["path"] == expected_out["path"] and out["md5"] != expected_out["md5"]:
                    return str(out["path"])
    return None


def mismatched_params(path: str, made_with: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each param of dvc.lock that an output was not made with.

    It happens when params.yaml is edited while a stage runs: DVC reads the file after the command.
    """
    return [
        f"{path}: expected {name} = {params[name]}, as dvc.lock has it, but it was made with {value}. "
        f"To repair it: dvc repro -f -s {name.partition('.')[0]} && dvc repro"
        for name, value in made_with.items()
        if name in params and params[name] != value
    ]


def _stages(lock: str) -> dict[str, Any]:
    return dict(yaml_core.load(lock).get("stages", {}))
