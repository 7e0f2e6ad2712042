"""Fixtures of the tests that run whole programs. What is shared by all workers must not be changed."""

import shutil

import pytest

from commands import run_queue
from interrupted_sweep import folder
from shared_folders import shared_folder
from sweeps import SAGA, SWEPT_CS, change

__all__ = ["folder"]

WITHOUT_STORE = shutil.ignore_patterns("records", "mlflow.db*", "mlartifacts")


def copy_project(digits, store, target):
    """Copy `digits` with an empty store and without records."""
    shutil.copytree(digits, target, ignore=WITHOUT_STORE)
    shutil.copy(store, target)
    return target


@pytest.fixture(scope="session")
def swept(digits, store, dvc, tmp_path_factory):
    """A copy of `digits` in which `evaluate` was recorded and the sweep ran over SWEPT_CS, in its own store.

    What `dvc repro` printed is in the file `printed` beside it.
    """

    def compute(folder):
        project = folder / "a project"
        shutil.copytree(digits, project, ignore=shutil.ignore_patterns("mlflow.db*", "mlartifacts"))
        shutil.copy(store, project)
        change(project / "params.yaml", sweep={"C": SWEPT_CS, **SAGA})
        (folder / "printed").write_text(dvc("repro", "sweep/dvc.yaml", cwd=project).stdout)

    return shared_folder(tmp_path_factory, "swept", compute) / "a project"


QUEUED = {"a": 0.02, "b": 0.3}


@pytest.fixture(scope="session")
def queued(digits, store, dvc, tmp_path_factory):
    """A copy of `digits` in which DVC's queue, with two workers, ran the experiments QUEUED."""

    def compute(folder):
        project = copy_project(digits, store, folder / "a project")
        dvc("exp", "run", "--queue", "--name", "a", "-S", f"train.C={QUEUED['a']}", cwd=project)
        option = f"../params.yaml:train.C={QUEUED['b']}"  # from a subfolder
        dvc("exp", "run", "--queue", "--name", "b", "-S", option, cwd=project / "data")
        run_queue(project, len(QUEUED))
        shutil.rmtree(project / ".dvc" / "tmp" / "exps")

    return shared_folder(tmp_path_factory, "queued", compute) / "a project"


@pytest.fixture(scope="session")
def tried(digits, store, dvc, tmp_path_factory):
    """A copy of `digits` in which the experiment `weaker` ran with train.C = 0.02 (RECORDS_ONLY)."""

    def compute(folder):
        project = copy_project(digits, store, folder / "a project")
        options = ("--name", "weaker", "--set-param", "train.C=0.02")
        (folder / "printed").write_text(dvc("exp", "run", *options, cwd=project, RECORDS_ONLY="1").stdout)

    return shared_folder(tmp_path_factory, "tried", compute) / "a project"
