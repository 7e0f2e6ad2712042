"""Which results of a project are tracked, without a table, with its stages, and in their default form."""

import os
import re
import shlex
import shutil
import subprocess
import time

import pytest

from commands import LONG, preloaded_path, python, run
from dvc_mlflow import records
from dvc_mlflow.errors import UserError
from dvc_mlflow.files import md5
from dvc_mlflow.project import Project
from dvc_mlflow.track import collect_all
from small import computed_small, small
from tracking import PYPROJECT, dvc, dvc_mlflow, git, set_C, shown

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


def test_of_two_dvc_repro_at_once_the_second_is_refused_and_the_result_is_recorded_once(small):
    set_C(small, 0.5)
    command = ["python", "-m", "dvc", "repro"]
    with subprocess.Popen(command, env=os.environ | {"PATH": preloaded_path(), "WAITS": ""}) as first:
        while not (small / "begun").exists():
            assert first.poll() is None
            time.sleep(0.02)
        assert "it is being blocked by" in python(*command[1:], status=255).stderr
        (small / "go").touch()
        assert first.wait(LONG) == 0
    assert [folder.name for folder in records.record_folders(small)].count(recorded_at(small, 0.5)) == 1
    assert len(records.record_folders(small)) == 2
    assert "up to date" in dvc(small, "status")
    assert dvc_mlflow(small, "track") == "workspace: evaluate has a record\n"


def recorded_at(folder, C):
    """Return the identity of the record at this C."""
    found = map(records.read_record, records.record_folders(folder))
    return next(one.result for one in found if one.params["train.C"] == C)


def test_damaged_bytes_in_dvcs_cache_are_reported_with_what_removes_them(small):
    """DVC trusts a file of its cache that is write-protected, and would restore the damaged bytes."""
    shutil.rmtree(small / "records")
    digest = md5(small / "models" / "model.json")
    cached = small / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]
    cached.chmod(0o600)
    cached.write_bytes(b"damaged")
    cached.chmod(0o444)
    (small / "models" / "model.json").unlink()
    printed = dvc_mlflow(small, "track", status=1)
    remedy = f"The cache has damaged bytes; to remove them: rm -f {shlex.quote(str(cached))}. To bring them: "
    assert f"models/model.json. {remedy}" in printed
    run(*shlex.split(re.search(r"to remove them: (.*?)\. To", printed)[1]))
    assert "damaged" not in dvc_mlflow(small, "track", status=1)
    dvc(small, "repro")
    assert md5(small / "models" / "model.json") == md5(cached) == digest
    assert dvc_mlflow(small, "track") == "workspace: evaluate has a record\n"


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
