"""Wheels of single packages, each in an environment that holds nothing but what the wheel declares."""

import importlib.metadata
import os
import sys
import sysconfig
import zipfile
from importlib.util import cache_from_source
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from commands import run
from projects import ROOT

SCRIPT = """#!{python}
import sys
from {module} import {object}
sys.exit({call}())
"""


def build_wheel(name, folder):
    """Build the wheel of src/`name` into `folder` and return its path."""
    return Path(run(sys.executable, ROOT / "packaging/build.py", name, folder).stdout.strip())


def fresh_environment(folder, wheel):
    """Make a virtual environment in `folder` with `wheel` and its declared dependencies; return its Python.

    The dependencies, and theirs in turn, are links to the distributions of the running environment, so no
    network is needed. Nothing else can be imported.
    """
    run(sys.executable, "-m", "venv", "--without-pip", folder)  # pip of the running environment serves it
    paths = {"base": str(folder), "platbase": str(folder)}
    python = Path(folder, "bin", "python")
    site_packages = Path(sysconfig.get_path("purelib", scheme="venv", vars=paths))
    for distribution in dependency_closure(requirements_of(wheel)):
        link_distribution(distribution, site_packages)
        write_scripts(distribution, python)
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "--no-index", "--no-deps", wheel)
    run(*pip, "check")
    return python


def requirements_of(wheel):
    """Return the requirements that the wheel's metadata declare, without those of extras."""
    (metadata,) = (path for path in zipfile.Path(wheel).iterdir() if path.name.endswith(".dist-info"))
    return active_requirements(importlib.metadata.PathDistribution(metadata), {""})


def active_requirements(distribution, extras):
    """Return the requirements of a distribution whose markers hold here for one of `extras`."""
    requirements = [Requirement(line) for line in distribution.requires or []]
    return [
        requirement
        for requirement in requirements
        if requirement.marker is None
        or any(requirement.marker.evaluate({"extra": extra}) for extra in extras | {""})
    ]


def dependency_closure(requirements):
    """Return the installed distributions that the requirements name, directly or through others."""
    extras, pending = {}, list(requirements)
    while pending:
        requirement = pending.pop()
        name, wanted = canonicalize_name(requirement.name), set(requirement.extras)
        if name not in extras or not wanted <= extras[name]:
            extras[name] = extras.get(name, set()) | wanted
            pending += active_requirements(importlib.metadata.distribution(name), extras[name])
    return [importlib.metadata.distribution(name) for name in sorted(extras)]


def link_distribution(distribution, site_packages):
    """Link the files of an installed distribution, as its RECORD lists them, into `site_packages`.

    Files, not folders: several distributions may share a namespace package. The compiled modules beside them
    come along, listed or not, or the environment's first import of each would compile it.
    """
    files = {Path(file) for file in distribution.files if ".." not in file.parts}
    files |= {Path(cache_from_source(file)) for file in files if file.suffix == ".py"}
    for file in files:
        source = Path(os.path.abspath(distribution.locate_file(file)))  # noqa: PTH100 - resolve() follows links
        target = site_packages / file
        if source.exists() and not target.exists():  # mlflow and its parts share files
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)


def write_scripts(distribution, python):
    """Write the distribution's commands, such as `dvc`, for this Python: the installed ones name another."""
    for entry in distribution.entry_points.select(group="console_scripts"):
        script = python.with_name(entry.name)
        if not script.exists():
            script.write_text(
                SCRIPT.format(
                    python=python, module=entry.module, object=entry.attr.split(".")[0], call=entry.attr
                )
            )
            script.chmod(0o755)


def python_block(readme):
    """Return the first Python block of a README's text and the plain block after it: what it prints."""
    code, rest = readme.split("```python\n", 1)[1].split("```\n", 1)
    return code, rest.split("```\n", 1)[1].split("```\n", 1)[0]
