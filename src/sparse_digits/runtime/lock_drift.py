"""Whether what lies here is what dvc.lock says: the bits of the committed one, made with these params."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML


def drifted_output(lock: Path) -> str | None:
    """Return the first output that differs from the committed lock's although all it was made from is equal.

    lock : dvc.lock. None if there is none, or without git or a committed lock to compare with.
    """
    show = ["git", "-C", str(lock.parent), "show", f"HEAD:./{lock.name}"]
    try:
        committed = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    if not lock.exists():
        return None
    yaml = YAML(typ="safe", pure=True)
    here, there = (_stages(yaml.load(text)) for text in (lock.read_text(encoding="utf-8"), committed))
    for name, stage in here.items():
        expected = there.get(name)
        if expected and all(stage.get(key) == expected.get(key) for key in ("cmd", "deps", "params")):
            for mine, theirs in zip(stage.get("outs", []), expected.get("outs", []), strict=False):
                if mine["path"] == theirs["path"] and mine["md5"] != theirs["md5"]:
                    return str(mine["path"])
    return None


def mismatched_params(path: str, made_with: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    """Return in words which params an up-to-date output was not made with, though dvc.lock says so.

    It happens when params.yaml is edited while a stage runs: DVC reads it after the command.
    """
    return [
        f"{path} was made with {name} = {value}, not {params[name]}, whatever dvc.lock says. "
        f"To mend it: dvc repro -f -s {name.partition('.')[0]} && dvc repro"
        for name, value in made_with.items()
        if name in params and params[name] != value
    ]


def _stages(lock: dict[str, Any]) -> dict[str, Any]:
    return dict(lock.get("stages", {}))
