"""The real MLflow server, started and ended as `make ui` does it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest
import requests
from mlflow import MlflowClient

import servers
from commands import LONG
from dvc_mlflow import records
from dvc_mlflow.client.mlflow_session import initialize_store
from dvc_mlflow.delivery.deliver import deliver
from dvc_mlflow.pages import ui
from tracking import SHOWN, collected

PROGRAM = """\
import sys
from pathlib import Path
from dvc_mlflow.pages import ui
sys.exit(ui.serve(Path.cwd(), int(sys.argv[1])))
"""
STUBBORN = """\
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""
FOREIGN = {
    "MLFLOW_ENABLE_WORKSPACES": "true",
    "MLFLOW_EXPERIMENT_ID": "5",
    "MLFLOW_RUN_ID": "5",
    "MLFLOW_STATIC_PREFIX": "/prefix",
    "MLFLOW_WORKSPACE": "5",
}


@contextmanager
def serving(folder, port, **variables):
    """Run `serve` in the folder as a program of its own."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(port)],
        cwd=folder,
        env=ours | {"PYTHONPATH": os.pathsep.join(sys.path)} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            yield program
        finally:
            program.terminate()


@pytest.fixture
def folder(tmp_path, store):
    """A folder with an empty store."""
    path = tmp_path / "a project"
    path.mkdir()
    shutil.copy(store, path)
    return path


@pytest.fixture
def taken():
    """A port that something else listens on."""
    with socket.socket() as other:
        other.bind((ui.HOST, 0))
        other.listen()
        yield other.getsockname()[1]


def address_of(program):
    """Return the address that it prints when it answers."""
    lines = iter(program.stdout.readline, "")
    return next(match[0] for line in lines if (match := re.search(r"http://127\.0\.0\.1:\d+", line)))


def test_it_serves_this_store_on_loopback_until_a_signal_ends_it(folder, taken):
    with serving(folder, taken, **FOREIGN) as program:
        line = "These variables have no effect here: "
        assert program.stdout.readline() == f"{line}{', '.join(sorted(FOREIGN))}\n"
        assert program.stdout.readline().startswith("MLflow is starting")
        assert re.fullmatch(rf"Port {taken} is in use; MLflow uses \d+\.\n", program.stdout.readline())
        address = address_of(program)
        assert address != f"http://127.0.0.1:{taken}"
        assert requests.get(f"{address}/health", timeout=LONG).text == "OK"
        children = psutil.Process(program.pid).children(recursive=True)
        places = {
            connection.laddr.ip
            for child in children
            for connection in child.net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert places == {"127.0.0.1"}
        assert {child.environ()["DO_NOT_TRACK"] for child in children} == {"true"}

        api = f"{address}/api/2.0/mlflow/experiments"
        made = requests.post(f"{api}/create", json={"name": "an experiment"}, timeout=LONG).json()
        experiment = requests.get(f"{api}/get", params=made, timeout=LONG).json()["experiment"]
        assert experiment["artifact_location"].startswith((folder / "mlartifacts").as_uri())

        program.send_signal(signal.SIGTERM)
        assert program.wait() == 0
        assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
        assert program.stderr.read() == ""


def test_it_gives_way_to_a_server_that_takes_the_port_while_it_starts(folder):
    with servers.free_port() as port, serving(folder, port) as program:
        assert program.stdout.readline().startswith("MLflow is starting")
        while not psutil.Process(program.pid).children():  # MLflow, which takes seconds until it listens
            time.sleep(0.01)
        with servers.serving(servers.answering(200, "text/plain", b"OK"), port):  # as another `ui` answers
            assert re.fullmatch(rf"Port {port} is in use; MLflow uses \d+\.\n", program.stdout.readline())


def test_a_server_and_a_delivery_that_first_use_one_new_store_at_once_both_do(folder, taken, monkeypatch):
    (folder / "mlflow.db").unlink()
    records.save_record(collected(0.02), folder)
    with serving(folder, taken) as program:
        assert program.stdout.readline().startswith("MLflow is starting")
        assert deliver(folder, SHOWN) == 0
        asked = {"experiment_ids": ["1"]}
        answer = requests.post(f"{address_of(program)}/api/2.0/mlflow/runs/search", json=asked, timeout=LONG)
        assert [run["info"]["status"] for run in answer.json()["runs"]] == ["FINISHED"]
    left = ["mlartifacts", "mlflow.db", "mlflow.db.lock", "records"]
    assert sorted(path.name for path in folder.iterdir()) == left


def test_a_store_is_not_there_before_its_tables_are(folder, monkeypatch):
    (folder / "mlflow.db").unlink()
    (folder / "mlflow.db.new").write_text("of a process that was killed")
    search = MlflowClient.search_experiments

    def seen(client, **arguments):
        assert not (folder / "mlflow.db").exists() or (folder / "mlflow.db").stat().st_size > 100_000
        return search(client, **arguments)

    monkeypatch.setattr(MlflowClient, "search_experiments", seen)
    initialize_store(folder)
    assert (folder / "mlflow.db").exists()
    assert not (folder / "mlflow.db.new").exists()


def test_a_server_that_does_not_start_shows_why(folder):
    with serving(folder, 5000, MLFLOW_TRACKING_URI="mssql+nonsense://nowhere") as program:
        _, complaint = program.communicate()
        assert program.returncode == 1
        assert "Its last lines" in complaint
        assert "nonsense" in complaint


def test_where_the_store_is_a_server_it_names_that(folder, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example.org")
    assert ui.serve(folder) == 0
    assert "https://***@mlflow.example.org" in capsys.readouterr().out


def test_workers_that_outlive_their_parent_or_ignore_the_request_are_ended_too():
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {STUBBORN!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, start_new_session=True
    ) as server:
        server.stdout.readline()
        (worker,) = psutil.Process(server.pid).children()
        ui.end(server)
        assert server.returncode is not None
        assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
