"""The small pipeline as fixtures."""

import shutil

import pytest

import tracking
from projects import ROOT
from tracking import dvc, git


@pytest.fixture(scope="session")
def computed_small(tmp_path_factory, shell):
    """The small pipeline, computed and recorded at C = 0.02. Not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT / "src"))
        folder = tracking.small_pipeline(tmp_path_factory.mktemp("small") / "a project")
        dvc(folder, "repro")
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", "Computed")
    return folder


@pytest.fixture
def small(computed_small, tmp_path, monkeypatch):
    """A copy of it to change; the working directory."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    folder = tmp_path / "a project"
    shutil.copytree(computed_small, folder)
    monkeypatch.chdir(folder)
    return folder
