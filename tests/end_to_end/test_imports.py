"""The three packages import in one direction only, and each declares what it imports."""

import functools
import importlib.metadata
import re
import tomllib

import pytest

import imports
from projects import ROOT

MAY_IMPORT = {
    "l1path": {"l1path"},
    "dvc_mlflow": {"dvc_mlflow"},
    "sparse_digits": {"sparse_digits", "dvc_mlflow", "l1path"},
}
PARTS_OF_DVC = {"dvc-data", "dvc-objects"}  # dvc pins the versions that fit it: a second bound would only age
METADATA = {
    "l1path": "packaging/l1path/pyproject.toml",
    "dvc_mlflow": "packaging/dvc_mlflow/pyproject.toml",
    "sparse_digits": "pyproject.toml",
}


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(package):
    """Return the names of the distributions that a package's metadata declares, the optional ones too."""
    project = tomllib.loads((ROOT / METADATA[package]).read_text(encoding="utf-8"))["project"]
    lines = sum(project.get("optional-dependencies", {}).values(), project["dependencies"])
    return {normalized(re.match(r"[\w.-]+", line)[0]) for line in lines}


packages_distributions = functools.cache(importlib.metadata.packages_distributions)  # takes seconds


def distribution_of(module):
    """Return the distribution that has a module; of several (parts of mlflow), the one of the same name."""
    names = [normalized(name) for name in packages_distributions()[module]]
    return normalized(module) if normalized(module) in names else names[0]


def imported(package):
    """Return the names of the distributions whose modules a package imports."""
    modules = set().union(*map(imports.third_party_imports, imports.modules(package)))
    return set(map(distribution_of, modules)) - PARTS_OF_DVC


@pytest.mark.parametrize("package", imports.PACKAGES)
def test_a_package_imports_no_package_that_builds_on_it(package):
    names = set().union(*map(imports.first_party_imports, imports.modules(package)))
    assert {name.partition(".")[0] for name in names} <= MAY_IMPORT[package]


@pytest.mark.parametrize("package", imports.PACKAGES)
def test_a_package_declares_every_library_that_it_imports(package):
    assert imported(package) <= declared(package)


@pytest.mark.parametrize("package", ["l1path", "dvc_mlflow"])
def test_a_package_that_is_released_alone_declares_nothing_else(package):
    assert declared(package) == imported(package)
