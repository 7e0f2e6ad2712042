"""Whether this machine computed the bits that the committed dvc.lock has."""

import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML


def other_bits(lock: Path) -> str | None:
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


def _stages(lock: dict[str, Any]) -> dict[str, Any]:
    return dict(lock.get("stages", {}))
