"""Which results of a project are tracked, without a table, with its stages, and in their default form."""

import re

import pytest

from dvc_mlflow.errors import UserError
from dvc_mlflow.project import Project
from dvc_mlflow.track import collect_all
from small import computed_small, small
from tracking import PYPROJECT, dvc, dvc_mlflow, git, shown

__all__ = ["computed_small", "small"]  # fixtures

SECOND = """\
stages:
  report:
    cmd: cp ../eval/metrics.json report.json
    deps: [../eval/metrics.json]
    metrics: [report.json]
"""


@pytest.fixture(autouse=True)
def without_mlflow(monkeypatch):
    """Leave MLflow, whose import takes seconds, out of these commands."""
    monkeypatch.setenv("RECORDS_ONLY", "yes")


@pytest.fixture
def two(small):
    """The small pipeline, computed and recorded, and a second one that was never run."""
    (small / "second").mkdir()
    (small / "second" / "dvc.yaml").write_text(SECOND)
    return small


def test_a_stage_that_was_never_run_is_no_error(two):
    (two / "pyproject.toml").write_text(PYPROJECT + 'stages = ["evaluate", "second/dvc.yaml:report"]\n')
    assert dvc_mlflow(two, "track") == "workspace: evaluate has a record\n"
    dvc(two, "repro", "second/dvc.yaml")
    assert dvc_mlflow(two, "track") == (
        "workspace: evaluate has a record\nworkspace: second/dvc.yaml:report is recorded\n"
    )


def test_without_a_table_every_stage_without_one_downstream_is_tracked(two):
    (two / "pyproject.toml").unlink()
    dvc(two, "repro", "second/dvc.yaml")
    assert dvc_mlflow(two, "track") == "workspace: second/dvc.yaml:report is recorded\n"


def test_a_stage_that_dvc_yaml_lacks_is_a_user_error(small):
    (small / "pyproject.toml").write_text(PYPROJECT + 'stages = ["evalute"]\n')
    printed = dvc_mlflow(small, "track", status=2)
    assert "pyproject.toml: [tool.dvc-mlflow] stages: expected stages of dvc.yaml, got 'evalute'." in printed
    assert "There are evaluate, prepare" in printed


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("dvc.yaml", "stages: [", "dvc.yaml: expected YAML, but .* content, line 2, column 1"),
        ("dvc.yaml", "stages: {a: 3}", "dvc.yaml: stages.a: expected a dictionary"),
        ("dvc.yaml", "- a", "dvc.yaml: the file: expected a dictionary"),
        ("dvc.yaml", "vars: [missing.yaml]", "failed to parse 'vars' in 'dvc.yaml': 'missing.yaml' does not"),
        (".dvc/config", "[core", "config file error: Invalid line"),
    ],
)
def test_a_project_that_dvc_cannot_read_is_an_error_with_the_place(tmp_path, monkeypatch, file, text, fault):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    (tmp_path / file).write_text(text)
    with pytest.raises(UserError) as error:
        list(collect_all(Project.find()))
    assert re.match(fault, str(error.value))


def test_a_project_that_was_never_run_has_no_result_yet(small):
    (small / "dvc.lock").unlink()
    git(small, "commit", "--quiet", "--all", "--message", "No lock")
    (small / "eval" / "evaluate.provenance.json").unlink(missing_ok=True)
    (small / "models" / "evaluate.provenance.json").unlink(missing_ok=True)
    assert dvc_mlflow(small, "track") == "There is no result yet. To compute one: dvc repro\n"


@pytest.mark.slow
def test_without_a_table_a_run_is_named_after_the_stage_and_its_data_after_their_paths(
    small, store, monkeypatch
):
    monkeypatch.delenv("RECORDS_ONLY")
    (small / "pyproject.toml").unlink()
    (small / "mlflow.db").write_bytes(store.read_bytes())
    dvc(small, "exp", "run", "--temp", "--name", "loose", "-S", "train.C=3")
    dvc_mlflow(small, "track")
    runs = shown(small)["a project"]
    assert [run["name"] for run in runs] == ["evaluate (loose)"]
    assert [name for name, _ in runs[0]["data"]] == ["data/prepared"]
    assert runs[0]["metrics"]["accuracy"] == -2
