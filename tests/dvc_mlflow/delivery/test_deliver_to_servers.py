"""Servers that are gone, broken, slow or lost on the way, and disks that are full: the result is kept."""

import hashlib
import os
import shutil
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import mlflow.store.db.utils
import pytest
import requests
from mlflow import MlflowClient

import commands
import servers
import tracking
from dvc_mlflow import records
from dvc_mlflow.client import request_watchdog
from dvc_mlflow.delivery.deliver import deliver as deliver_here
from projects import ROOT
from tracking import EXPERIMENT, collected, deliver_in_process, dvc, dvc_mlflow, shown

PATIENCE = 60  # seconds; a loaded machine takes a few for an answer


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Let deliveries in this process wait for an answer as long as those in processes of their own."""
    monkeypatch.setattr(request_watchdog, "PATIENCE", PATIENCE)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A project's root with one record."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.setenv("RECORDS_ROOT", str(tmp_path))
    records.save_record(collected(0.02), tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def server(tmp_path_factory, store):
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(store, folder)
    with servers.mlflow_server(folder, f"sqlite:///{folder}/mlflow.db") as uri:
        yield uri


@pytest.fixture
def clock(tmp_path):
    """The file of a clock on which seconds pass at once, for the time limits of a delivery's process."""
    file = tmp_path / "clock"
    file.touch()
    return file


def passed(clock):
    return clock.stat().st_size


def let_pass(clock, seconds):
    with clock.open("ab") as file:
        file.write(bytes(seconds))


def deliver(root, uri, patience=PATIENCE, clock="", **variables):
    """Deliver in a process of its own; return what it printed."""
    limits = {"PATIENCE": str(patience), "CLOCK": str(clock)}
    return deliver_in_process(root, MLFLOW_TRACKING_URI=uri, **limits, **variables)


def runs(root, uri, monkeypatch, experiment=EXPERIMENT):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return shown(root, experiment).get(experiment, [])


def test_a_server_that_is_gone_gives_one_warning_with_the_number_pending_and_the_command(root):
    records.save_record(collected(0.03), root)
    printed = deliver(root, "http://127.0.0.1:9")
    assert printed == (
        "warning: MLflow at http://127.0.0.1:9 failed (Connection refused): "
        "2 records are pending in records/. To deliver: dvc-mlflow track\n"
    )


def test_a_server_whose_name_cannot_be_resolved_gives_one_warning(root):
    printed = deliver(root, "http://nowhere.invalid:5000", patience=2)
    assert printed.count("\n") == 1
    assert "(HTTP" not in printed
    assert "1 record is pending" in printed


@pytest.mark.parametrize(
    ("status", "kind", "body", "reason"),
    [
        (500, "text/plain", b"broken", "(too many 500 error responses)"),
        (200, "text/html", b"<html>Please log in</html>", "<html>Please log in</html>"),
        (200, "text/html", b"", "("),
    ],
)
def test_a_server_that_answers_nonsense_gives_one_warning_at_once(root, status, kind, body, reason):
    with servers.serving(servers.answering(status, kind, body)) as uri:
        printed = deliver(root, uri)
    assert printed.count("\n") == 1
    assert reason in printed
    assert "1 record is pending" in printed


def test_dvc_repro_succeeds_and_gives_up_after_ten_seconds_where_a_server_never_answers(
    tmp_path, monkeypatch, store
):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    folder = tracking.small_pipeline(tmp_path / "a project", store)
    with servers.silent() as uri:
        begin = time.monotonic()
        printed = dvc(folder, "repro", MLFLOW_TRACKING_URI=uri)
        assert time.monotonic() - begin > 10
    line = f"warning: MLflow at {uri} failed (no answer for 10 s): 1 record is pending in records/. "
    assert printed.count(line + "To deliver: dvc-mlflow track") == 1
    assert printed.count("warning") == 1
    assert "up to date" in dvc(folder, "status")
    dvc_mlflow(folder, "track")
    monkeypatch.chdir(folder)
    assert [run["status"] for run in shown(folder)[EXPERIMENT]] == ["FINISHED"]


@pytest.mark.slow
def test_a_slow_server_gets_every_record_while_it_acknowledges(root, server, clock):
    for i in range(1, 15):
        records.save_record(collected(0.02 + i, "slow"), root)
    with servers.serving(servers.forwarding(server, lambda *_: let_pass(clock, PATIENCE // 10))) as uri:
        assert deliver(root, uri, clock=clock) == ""
    assert passed(clock) > 10 * PATIENCE
    client = MlflowClient(server)
    sent = client.search_runs([client.get_experiment_by_name("slow").experiment_id])
    assert [run.info.status for run in sent] == ["FINISHED"] * 14


def test_a_late_answer_to_an_upload_and_slow_bytes_are_waited_for(root, server, clock, monkeypatch):
    limit = 5 * PATIENCE
    one = collected(0.5, "slow uploads")
    one.files["models/model.json"] = b" " * 16_000_000
    md5 = hashlib.md5(one.files["models/model.json"], usedforsecurity=False).hexdigest()
    outputs = one.record.outputs | {"models/model.json": md5}
    record = replace(one.record, result="", outputs=outputs)
    record = replace(record, result=records.identity_of(record))
    records.save_record(replace(one, record=record), root)

    def late(method, path):
        if method == "PUT" and path.endswith("metrics.json"):
            let_pass(clock, 2 * PATIENCE)
        if method == "PUT" and path.endswith(("metrics.json", "model.json")):
            time.sleep(1)  # for the watchdog to look

    # the system's buffers hold up to a quarter of the large file, which takes 490 s
    slow = servers.forwarding(server, late, reading=lambda: let_pass(clock, 2))
    with servers.serving(slow) as uri:
        printed = deliver(root, uri, clock=clock, MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT=str(limit))
    assert passed(clock) > limit + request_watchdog.MARGIN
    assert printed == ""
    (run,) = runs(root, server, monkeypatch, "slow uploads")
    assert run["status"] == "FINISHED"


def test_a_record_whose_artifacts_are_not_taken_in_time_does_not_stop_the_others(
    root, server, monkeypatch, capsys
):
    records.save_record(collected(0.02, "taken"), root)
    records.save_record(collected(0.02, "stuck"), root)
    place = f"/artifacts/{MlflowClient(server).create_experiment('stuck')}/"
    send, over = requests.adapters.HTTPAdapter.send, threading.Event()

    def send_hurried(adapter, request, *, timeout, **options):
        """Let the time limit of a request that is stuck, and of no other, pass a thousand times as fast."""
        stuck = request.method == "PUT" and place in request.url
        return send(adapter, request, timeout=timeout / 1000 if stuck else timeout, **options)

    def stick(method, path):
        return not (method == "PUT" and place in path and over.wait(commands.LONG))

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send_hurried)
    monkeypatch.setenv("MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT", "321")
    with servers.serving(servers.forwarding(server, stick)) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert deliver_here(root, tracking.SHOWN) == 1
        over.set()
    printed = capsys.readouterr().err
    assert (
        "(the server did not take an artifact within 321 s. To allow more seconds: MLFLOW_ARTIFACT" in printed
    )
    assert "1 record is pending" in printed
    assert runs(root, server, monkeypatch, "stuck") == []
    for name in (EXPERIMENT, "taken"):
        assert [run["status"] for run in runs(root, server, monkeypatch, name)] == ["FINISHED"]


def test_a_server_without_logged_models_gets_the_runs_without_their_models(computed, server, sparse_digits):
    handler = servers.forwarding(server, lambda _, path: "/logged-models" not in path or servers.NOT_FOUND)
    with servers.serving(handler) as uri:
        printed = sparse_digits("track", MLFLOW_TRACKING_URI=uri, MLFLOW_EXPERIMENT_NAME="old").stderr
    reason = "it has no logged models, which need MLflow 3: the runs arrive without their models"
    assert printed == f"warning: MLflow at {uri}: {reason}\n"
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("old").experiment_id
    (run,) = client.search_runs([experiment])
    assert run.info.status == "FINISHED"
    assert list(client.search_logged_models([experiment])) == []


def test_a_refusal_names_the_call_and_the_records_stay_until_the_user_may(root, server, monkeypatch, capsys):
    shutil.rmtree(root / "records" / EXPERIMENT)
    for C in (0.02, 0.03):
        records.save_record(collected(C, "refused"), root)
    calls = []

    def refuse(_, path):
        calls.append(path.partition("/mlflow/")[2])
        return not path.endswith(refused) or servers.PERMISSION_DENIED

    with servers.serving(servers.forwarding(server, refuse)) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        for refused in ("experiments/create", "runs/create", "runs/log-batch"):
            calls.clear()
            assert deliver_here(root, tracking.SHOWN) == 2
            assert capsys.readouterr().err == (
                f"warning: MLflow at {uri} failed (the server refused {refused} to this user: "
                "403 Permission denied): 2 records are pending in records/. To deliver: dvc-mlflow track\n"
            )
            assert refused == "runs/log-batch" or calls.count(refused) == 1  # not once for each record
        refused = "nothing"
        assert deliver_here(root, tracking.SHOWN) == 0
    assert capsys.readouterr().err == ""
    assert [run["status"] for run in runs(root, server, monkeypatch, "refused")] == ["FINISHED"] * 2


def test_a_server_on_ipv6_alone_gets_every_record(root, server, monkeypatch, capsys):
    records.save_record(collected(0.02, "IPv6"), root)
    with servers.serving(servers.forwarding(server, lambda *_: True), host="::1") as uri:
        assert uri.startswith("http://[::1]:")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert deliver_here(root, tracking.SHOWN) == 0
    assert capsys.readouterr().err == ""
    assert [run["status"] for run in runs(root, server, monkeypatch, "IPv6")] == ["FINISHED"]


@pytest.mark.parametrize("gone", [False, "silent"])
def test_a_server_that_disappears_in_the_midst_of_a_run_has_a_whole_one_after_the_next_delivery(
    root, server, clock, monkeypatch, gone
):
    name = f"gone {gone}"
    (root / "records" / EXPERIMENT).rename(root / "elsewhere")
    records.save_record(collected(0.02, name), root)
    uploads, over = [], threading.Event()

    def disappear(method, path):
        uploads.append(path) if "mlflow-artifacts" in path and method == "PUT" else None
        if len(uploads) > 2 and gone:
            let_pass(clock, 3600)
            over.wait(commands.LONG)
        return len(uploads) <= 2

    with servers.serving(servers.forwarding(server, disappear)) as uri:
        printed = deliver(root, uri, clock=clock)
        over.set()
    assert "1 record is pending" in printed
    assert printed.count("\n") == 1
    assert [run["status"] for run in runs(root, server, monkeypatch, name)] == ["RUNNING"]
    assert deliver(root, server) == ""
    (run,) = runs(root, server, monkeypatch, name)
    assert run["status"] == "FINISHED"
    assert len(run["artifacts"]) == 5


# Disks


def limited(blocks, *command):
    """Return a command that may write files of so many blocks (of 512 bytes) alone."""
    return ("sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh", *command)


def test_record_warns_of_a_full_disk_and_the_next_track_records(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    folder = tracking.small_pipeline(tmp_path / "a project")
    dvc(folder, "repro")
    shutil.rmtree(folder / "records")
    printed = commands.run(
        *limited(0, sys.executable, "-m", "dvc_mlflow.cli", "record", "evaluate"), cwd=folder
    ).stderr
    assert printed.startswith("warning: this result has no record yet (DVC's index: expected a disk that")
    assert printed.endswith("To record it: dvc-mlflow track\n")
    assert records.record_folders(folder) == []
    assert dvc_mlflow(folder, "track") == "workspace: evaluate is recorded\n"


@pytest.mark.parametrize("blocks", [0, 8])
def test_a_delivery_warns_of_a_full_disk_and_the_next_one_sends(root, store, monkeypatch, blocks):
    shutil.copy(store, root)
    printed = commands.run(*limited(blocks, sys.executable, "-c", tracking.DELIVER), cwd=root).stderr
    assert printed.count("\n") == 1
    assert "1 record is pending" in printed
    assert deliver_in_process(root) == ""
    assert [run["status"] for run in shown(root)[EXPERIMENT]] == ["FINISHED"]


@pytest.mark.parametrize("part", ["mlflow.db", ".", "mlartifacts"])
def test_a_delivery_warns_of_a_read_only_store_and_the_next_one_sends(root, store, part):
    shutil.copy(store, root)
    (root / "mlartifacts").mkdir()
    mode = (root / part).stat().st_mode
    (root / part).chmod(mode & ~0o222)
    powerless = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    printed = commands.run(*powerless, sys.executable, "-c", tracking.DELIVER, cwd=root).stderr
    assert printed.count("\n") == 1
    assert "1 record is pending" in printed
    (root / part).chmod(mode)
    assert deliver_in_process(root) == ""
    assert [run["status"] for run in shown(root)[EXPERIMENT]] == ["FINISHED"]


@pytest.mark.parametrize("content", [b"no database" * 100, b"", None], ids=["text", "empty", "a folder"])
def test_what_is_no_database_gives_one_warning_at_once_and_an_empty_file_becomes_a_store(
    root, content, monkeypatch, capsys
):
    if content is None:
        (root / "mlflow.db").mkdir()
    else:
        (root / "mlflow.db").write_bytes(content)
    pauses = SimpleNamespace(sleep=lambda _: pytest.fail("retried"))
    monkeypatch.setattr(mlflow.store.db.utils, "time", pauses)
    fails = content != b""
    assert deliver_here(root, tracking.SHOWN) == fails
    printed = capsys.readouterr().err
    assert printed.count("1 record is pending") == printed.count("\n") == fails


# Secrets


def test_no_password_is_in_a_message_a_record_or_a_run(root, server):
    for uri in (server, "http://127.0.0.1:9"):
        printed = deliver(root, uri.replace("://", "://ann:hunter2@"))
        assert "hunter2" not in printed
        assert ("MLflow at http://***@127.0.0.1:9 failed" in printed) == bool(printed) == (uri != server)
    printed = deliver(root, "postgresql://ann:hunter2@127.0.0.1:9/mlflow?password=hunter2&passfile=/hunter")
    assert "hunter2" not in printed
    assert "1 record is pending" in printed
    stored = [path for path in root.rglob("*") if path.is_file()]
    assert len(stored) > 4
    assert not [path for path in stored if b"hunter2" in path.read_bytes()]


def test_nothing_is_unpickled_from_records_or_the_store(root, store):
    shutil.copy(store, root)
    code = (
        "import sys\n"
        "import dvc_mlflow.delivery.deliver\n"
        "sys.addaudithook(lambda event, _: event == 'pickle.find_class' and print(event))\n"
        + tracking.DELIVER
    )
    assert commands.run(sys.executable, "-c", code, cwd=root).stdout == ""
    assert [run["status"] for run in shown(root)[EXPERIMENT]] == ["FINISHED"]
