"""The help of a command, and `record --run`: its status, and meanwhile what the delivery needs."""

import contextlib
import re
import sys

import filelock
import pytest

from commands import run
from dvc_mlflow import cli
from dvc_mlflow.errors import UserError
from dvc_mlflow.project import Project
from dvc_mlflow.store import Store
from projects import ROOT

prepare_delivery = cli.prepare_delivery


@pytest.fixture(autouse=True)
def prepared(monkeypatch):
    """Return a function that sets how a delivery is prepared meanwhile; by default not at all."""
    monkeypatch.delenv("RECORDS_ONLY", raising=False)
    monkeypatch.setattr(cli, "_exit_if_it_fails", contextlib.nullcontext)  # it would end pytest

    def meanwhile(action):
        monkeypatch.setattr(cli.Project, "find", lambda: None)
        monkeypatch.setattr(cli, "prepare_delivery", lambda _project: action())

    meanwhile(lambda: None)
    return meanwhile


@pytest.mark.parametrize(
    ("script", "status", "message"),
    [("exit 3", 3, ""), ("kill -9 $$", 128 + 9, r"record --run: .* killed .* because memory ran out\. .*\n")],
)
def test_a_command_that_fails_or_is_killed_ends_the_program_with_its_status(capsys, script, status, message):
    with pytest.raises(SystemExit) as end:
        cli.run_first(["sh", "-c", script])
    assert end.value.code == status
    assert re.fullmatch(message, capsys.readouterr().err)


def test_a_command_that_fails_ends_the_program_in_the_midst_of_a_preparation():
    code = (
        "import time; from dvc_mlflow import cli; cli.Project.find = lambda: None; "
        "cli.prepare_delivery = lambda _: (time.sleep(30), print('prepared')); "
        "cli.run_first(['sh', '-c', 'kill -9 $$'])"
    )
    done = run(sys.executable, "-c", code, status=128 + 9, PYTHONPATH=str(ROOT / "src"))
    assert done.stderr.count("because memory ran out") == 1
    assert done.stdout == ""


def test_the_delivery_is_prepared_while_the_command_runs(tmp_path, prepared):
    prepared((tmp_path / "prepared").touch)
    cli.run_first(["sh", "-c", f"until test -e {tmp_path}/prepared; do sleep 0.01; done"])


def test_with_RECORDS_ONLY_the_recording_is_prepared_and_no_delivery(tmp_path, prepared, monkeypatch):
    monkeypatch.setenv("RECORDS_ONLY", "1")
    prepared((tmp_path / "delivery").touch)
    monkeypatch.setattr(cli, "prepare_recording", (tmp_path / "recording").touch)
    cli.run_first(["sh", "-c", f"until test -e {tmp_path}/recording; do sleep 0.01; done"])
    assert not (tmp_path / "delivery").exists()


def test_a_preparation_that_fails_does_not_fail_the_stage(prepared):
    prepared(lambda: 1 / 0)
    cli.run_first(["true"])


def test_after_ctrl_c_the_command_decides_how_the_program_ends(prepared):
    def interrupt():
        raise KeyboardInterrupt

    prepared(interrupt)
    with pytest.raises(SystemExit) as end:
        cli.run_first(["sh", "-c", "exit 130"])
    assert end.value.code == 130


def test_a_command_that_does_not_exist_is_named():
    with pytest.raises(UserError, match=r"--run: expected a program, got 'no-such-program'"):
        cli.run_first(["no-such-program"])


def test_all_words_after_run_are_the_command(monkeypatch, capsys):
    def refuse(words):
        raise UserError(" ".join(words))

    monkeypatch.setattr(cli, "run_first", refuse)
    with pytest.raises(SystemExit):
        cli.main(["record", "fit", "--run", "python", "-m", "fit", "--json"])
    assert capsys.readouterr().err == "python -m fit --json\n"


def test_preparing_makes_a_missing_sqlite_file_unless_another_process_delivers(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = Store.of(tmp_path)
    with filelock.FileLock(store.lock), pytest.raises(filelock.Timeout):
        prepare_delivery(Project(tmp_path, tmp_path))
    assert not store.file.exists()
    prepare_delivery(Project(tmp_path, tmp_path))
    assert store.file.stat().st_size


def test_the_help_of_a_command_has_all_of_its_description(capsys):
    with pytest.raises(SystemExit):
        cli.main(["track", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "deliver. The status is 1 if a result is not at hand or a record is still pending. o" in text


@pytest.mark.parametrize(("uri", "expected"), [("sqlite:///a.db", True), ("http://127.0.0.1:5000", False)])
def test_preparing_imports_the_code_of_databases_for_a_database_alone(tmp_path, monkeypatch, uri, expected):
    imported = []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setattr(cli, "import_module", imported.append)
    cli.load_delivery(Project(tmp_path, tmp_path))
    assert ("mlflow.store.tracking.sqlalchemy_store" in imported) == expected
