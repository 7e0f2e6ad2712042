"""Params, names and tags with control characters, markup or shell commands are nowhere more than text."""

import json

import pytest

from dvc_mlflow import cli, records
from dvc_mlflow.delivery.deliver import deliver
from dvc_mlflow.run_content import RunContent
from small import computed_small, small
from tracking import SHOWN, collected, dvc, dvc_mlflow, shown

__all__ = ["computed_small", "small"]  # fixtures

HOSTILE = "\x1b[31mred \x1b]0;title\x07 <b>*x*</b> | `$(touch ran)`\nwarning: \x9bforged"


def shows(printed):
    """Return whether the text was printed, without what controls a terminal or begins a line."""
    assert all(line.isprintable() for line in printed.split("\n"))
    assert "\nwarning: " not in printed
    return "[31mred" in printed


@pytest.fixture
def both(tmp_path):
    """The folder of a project with two records of other params, of the same hostile name."""
    (tmp_path / ".dvc").mkdir()
    for C in (0.02, 0.5):
        params = {"train.C": C, HOSTILE: f"{HOSTILE} {C}"}
        records.save_record(collected(C, HOSTILE, HOSTILE, params=params, tags={"team": HOSTILE}), tmp_path)
    return tmp_path


def test_the_comparison_of_two_records_is_text(both, monkeypatch, capsys):
    monkeypatch.chdir(both)
    cli.main(["compare", *(folder.name for folder in records.record_folders(both))])
    assert shows(capsys.readouterr().out)


def test_mlflow_has_the_text_as_it_is_and_a_warning_has_it_in_one_line(both, store, capsys):
    (both / "mlflow.db").write_bytes(store.read_bytes())

    def fail(*_):
        raise ValueError(HOSTILE)

    assert deliver(both, RunContent(add=fail)) == 2
    printed = capsys.readouterr().err
    assert shows(printed)
    assert printed.count("\n") == 1
    assert deliver(both, SHOWN) == 0
    for run in shown(both)[HOSTILE]:
        assert f"{HOSTILE} {run['params']['train.C']}" in run["params"].values()
        assert run["tags"]["team"] == run["tags"]["record.name"] == HOSTILE


def test_a_param_and_an_experiment_reach_the_commands_as_text(small, monkeypatch):
    (small / "params.yaml").write_text(f"prepare: {{seed: {json.dumps(HOSTILE)}}}\ntrain: {{C: 0.02}}\n")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", HOSTILE)
    dvc(small, "repro")
    assert not list(small.rglob("ran"))
    monkeypatch.setenv("RECORDS_ONLY", "yes")
    (one,) = (
        one for one in map(records.read_record, records.record_folders(small)) if one.experiment == HOSTILE
    )
    assert one.params["prepare.seed"] == HOSTILE
    assert not shows(dvc_mlflow(small, "track"))
    assert shows(dvc_mlflow(small, "status"))
    assert shows(dvc_mlflow(small, "verify", one.result))
