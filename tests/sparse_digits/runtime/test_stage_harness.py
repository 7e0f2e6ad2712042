"""The stage harness: params before the work, provenance after it, and the message when either fails."""

import json
import shutil
from pathlib import Path

from sparse_digits.runtime.stage_harness import parse_paths, stage_harness

import pytest

from dvc_mlflow import provenance
from dvc_mlflow.errors import UserError

ROOT = Path(__file__).parents[3]
OUTPUTS = (Path("results/model.npz"), Path("results/other.csv"))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.digits.yaml", "params.yaml")
    Path("results").mkdir()
    return tmp_path


def write():
    for output in OUTPUTS:
        output.write_text(output.name)


def test_the_paths_are_in_the_order_of_the_command_line():
    assert parse_paths(["a/b.npz", "c.npz"], "raw.npz", "split.npz") == [Path("a/b.npz"), Path("c.npz")]


def test_missing_paths_are_reported_by_name(capsys):
    with pytest.raises(SystemExit) as end:
        parse_paths(["a.npz"], "raw.npz", "split.npz")
    assert end.value.code == 2
    assert "the following arguments are required: split.npz" in capsys.readouterr().err


def test_a_stage_that_succeeds_writes_the_provenance_of_all_its_outputs():
    with stage_harness("train", *OUTPUTS) as params:
        assert params.train.C == 0.05
        write()
    written = json.loads(Path("results/train.provenance.json").read_text())
    assert written["outputs"] == {output.name: provenance.md5(output) for output in OUTPUTS}


def test_params_are_checked_before_the_work(capsys):
    Path("params.yaml").write_text("fetch: 1\n")
    with pytest.raises(SystemExit) as end, stage_harness("train", *OUTPUTS):
        pytest.fail("the block ran")
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("params.yaml: 4 faults\n")
    assert not list(Path("results").iterdir())


@pytest.mark.parametrize(
    "error", [UserError("the data are not there"), OSError(28, "No space left", "raw.npz")]
)
def test_a_stage_that_fails_writes_no_provenance(error):
    with pytest.raises(SystemExit), stage_harness("train", *OUTPUTS):
        raise error
    assert not list(Path("results").iterdir())


def test_outside_a_dvc_project_a_failing_stage_still_names_the_command_that_restores_its_outputs(
    monkeypatch, capsys
):
    for under_dvc in (False, True):
        if under_dvc:
            monkeypatch.setenv("DVC_STAGE", "train")
        with pytest.raises(SystemExit), stage_harness("train", *OUTPUTS):
            raise UserError("the data are not there")
        assert ("dvc checkout results/model.npz results/other.csv" in capsys.readouterr().err) == under_dvc
