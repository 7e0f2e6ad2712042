"""`dvc-mlflow compare`: what differs between two records, without a server and without MLflow."""

import subprocess
import sys

import pytest

from dvc_mlflow import records
from dvc_mlflow.compare import compare
from dvc_mlflow.errors import UserError
from dvc_mlflow.project import Project
from projects import ROOT
from tracking import collected


@pytest.fixture
def project(tmp_path):
    """A project with two records, of the workspace and of the DVC experiment "loose"."""
    (tmp_path / ".dvc").mkdir()
    for one in (collected(0.02), collected(0.5, name="loose")):
        records.save_record(one, tmp_path)
    return Project.read(tmp_path)


def test_what_differs_is_listed_with_both_values_and_the_difference_of_metrics(project):
    digits = collected(0.02).record.result[:6]
    head, *rows = [line.split() for line in compare(project, digits, "loose")]
    assert head == [collected(0.02).record.result[:8], collected(0.5).record.result[:8], "(loose)"]
    assert rows[:2] == [["param", "train.C", "0.02", "0.5"], ["metric", "accuracy", "0.98", "0.5", "-0.48"]]
    assert [row[:2] for row in rows[2:]] == [["file", "models/model.json"]]


def test_a_record_compared_with_itself_has_no_difference(project):
    (line,) = compare(project, "loose", "loose")
    assert line.endswith("have the same params, metrics and files.")


def test_a_name_of_no_record_says_what_names_there_are(project):
    with pytest.raises(UserError, match=r"tight: expected the first digits of a record or the name of a DVC"):
        compare(project, "tight", "loose")


def test_comparing_imports_neither_mlflow_nor_dvc(project):
    code = (
        "import sys; from dvc_mlflow import cli; cli.main(['compare', 'loose', 'loose']); "
        "assert not {'mlflow', 'dvc'} & set(sys.modules)"
    )
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", code], cwd=project.folder, env=environment, check=True)
