# ruff: noqa: INP001 - a script
"""Build the wheel of one package of src/: ``python packaging/build.py NAME OUTPUT_FOLDER``.

The repository's own pyproject.toml describes the whole project. A package that is also released alone has
its metadata and README in packaging/NAME. The build uses the flit_core of the running environment, so it
needs no network.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import tempfile
from pathlib import Path

from flit_core import buildapi

ROOT = Path(__file__).parents[1]


def build_wheel(name: str, output: Path) -> Path:
    """Build the wheel of the package `name` into the folder `output` and return its path."""
    output.mkdir(parents=True, exist_ok=True)
    output = output.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for file in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / "packaging" / name / file, folder)
        shutil.copy(ROOT / "LICENSE", folder)
        shutil.copytree(ROOT / "src" / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        with contextlib.chdir(folder):  # a build backend works in the folder of pyproject.toml (PEP 517)
            return output / buildapi.build_wheel(str(output))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="a package that has a folder in packaging/")
    parser.add_argument("output", type=Path, help="the folder that receives the wheel")
    arguments = parser.parse_args()
    print(build_wheel(arguments.name, arguments.output))
