"""MLflow as a view of the records: real stores, real servers, processes that are really killed."""

import contextlib
import getpass
import os
import re
import shutil
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient, MlflowException

import commands
from dvc_mlflow import cli, records
from dvc_mlflow.delivery import deliver as delivery
from dvc_mlflow.delivery import memory, run_tags, send_record
from dvc_mlflow.delivery.deliver import deliver
from dvc_mlflow.errors import UserError
from dvc_mlflow.project import Project
from dvc_mlflow.run_content import RunContent
from dvc_mlflow.store import Store
from tracking import EXPERIMENT, SHOWN, client_of, collected, models_of, names, shown


@pytest.fixture
def root(tmp_path, store, monkeypatch):
    """The root of a project with an empty store; the name is as bad as it may be."""
    folder = tmp_path / "a 50%25 #1"
    folder.mkdir()
    shutil.copy(store, folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)  # nothing depends on the working directory
    monkeypatch.setenv("RECORDS_ROOT", str(folder))
    return folder


def deliver_all(root):
    return deliver(root, SHOWN)


def runs(root, experiment=EXPERIMENT):
    return shown(root).get(experiment, [])


def test_a_tag_that_two_hosts_add_to_an_experiment_at_once_is_no_failure(root, monkeypatch, capsys):
    """PostgreSQL fails the second of two insertions."""
    set_tag, refused = MlflowClient.set_experiment_tag, []

    def collide(client, experiment_id, key, value):
        set_tag(client, experiment_id, key, value)  # by the other host
        if key not in refused:
            refused.append(key)
            raise MlflowException("duplicate key value violates unique constraint")

    monkeypatch.setattr(MlflowClient, "set_experiment_tag", collide)
    records.save_record(collected(0.02), root)
    assert deliver_all(root) == 0
    assert capsys.readouterr().err == ""
    assert refused == list(run_tags.KIND)


def test_another_failure_to_tag_an_experiment_is_reported_after_one_attempt(root, monkeypatch, capsys):
    attempts = []

    def refuse(*arguments):
        attempts.append(arguments)
        raise MlflowException("the disk is full")

    monkeypatch.setattr(MlflowClient, "set_experiment_tag", refuse)
    records.save_record(collected(0.02), root)
    assert deliver_all(root) == 0  # the runs are there
    assert "(the disk is full)" in capsys.readouterr().err
    assert len(attempts) == 1


def test_a_run_shows_all_that_its_record_holds(root):
    records.save_record(collected(0.02, name="loose"), root)
    assert deliver_all(root) == 0
    (run,) = runs(root)
    assert run["name"] == "C=0.02"
    assert run["status"] == "FINISHED"
    assert run["params"] == {"train.C": "0.02", "grid_1": "[1, 2]"}  # MLflow takes no @
    assert run["metrics"] == {"accuracy": 0.98, "p_1 _": 0.5, "seconds_evaluate": 2.5}
    assert run["times"][1] - run["times"][0] == 2500
    assert run["tags"]["mlflow.source.git.commit"] == "c" * 40
    assert run["tags"]["mlflow.user"] == getpass.getuser()
    ours = {name: value for name, value in run["tags"].items() if not name.startswith("mlflow.")}
    assert ours.keys() == {"record.result", "record.owner", "record.code", "record.name"}
    assert (ours["record.code"], ours["record.name"]) == ("c" * 12, "loose")
    for value in run["tags"].values():  # a shared server learns nothing of the machine
        assert len(value) <= 40
        assert socket.gethostname() not in value
        assert str(root) not in value
    kind = client_of(root).get_experiment_by_name(EXPERIMENT).tags["mlflow.experimentKind"]
    assert kind == "custom_model_development"
    assert run["data"] == [("rows", "d" * 32 + ".dir")]
    assert [path for path in run["artifacts"] if not path.startswith("images")] == [
        "eval/metrics.json",
        "eval/plots/a #1 50 %.csv",
        "extra/note.txt",
        "models/model.json",
        "record.json",
    ]
    assert run["models"] == [("model", "READY")]
    assert names(root) == ["mlartifacts", "mlflow.db", "mlflow.db.lock", "records"]
    assert names(Path()) == []
    assert names(root.parent) == ["a 50%25 #1", "elsewhere"]


def test_a_run_without_known_code_and_environment_is_tagged_unknown(root):
    records.save_record(collected(0.02, code=None, environment=None), root)
    deliver_all(root)
    (run,) = runs(root)
    assert (run["tags"]["record.code"], run["tags"]["record.environment"]) == ("unknown", "unknown")


def test_a_store_that_is_rebuilt_from_the_records_is_the_same(root, store, monkeypatch):
    records.save_record(collected(0.02), root)
    records.save_record(collected(0.01, name="strict"), root)
    records.save_record(collected(0.5, experiment="another"), root)
    deliver_all(root)
    before = shown(root)
    assert [len(before[name]) for name in ("Default", EXPERIMENT, "another")] == [0, 2, 1]
    shutil.rmtree(root / "mlartifacts")
    shutil.copy(store, root / "new.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///new.db")  # another name: MLflow keeps the file open
    assert deliver_all(root) == 0
    assert shown(root) == before


def test_delivering_again_changes_nothing(root):
    records.save_record(collected(0.02), root)
    deliver_all(root)
    before = shown(root)
    assert deliver_all(root) == 0
    assert shown(root) == before


def test_a_run_that_the_user_deleted_stays_deleted(root):
    records.save_record(collected(0.02), root)
    records.save_record(collected(0.01), root)
    deliver_all(root)
    client = client_of(root)
    (one, _) = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    client.delete_run(one.info.run_id)
    assert deliver_all(root) == 0
    assert len(runs(root)) == 1


def test_a_run_that_the_user_deleted_stays_deleted_after_mlflow_gc(root, monkeypatch):
    records.save_record(collected(0.02), root)
    records.save_record(collected(0.01), root)
    deliver_all(root)
    client = client_of(root)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    (one, other) = client.search_runs([experiment])
    client.delete_run(one.info.run_id)
    uri = Store.of(root).uri
    commands.run(sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", uri, "--tracking-uri", uri)
    assert deliver_all(root) == 0
    (left,) = run_tags.record_runs(client, experiment)
    assert left.info.run_id == other.info.run_id


def test_an_experiment_that_the_user_deleted_stays_deleted(root):
    records.save_record(collected(0.02), root)
    records.save_record(collected(0.5, experiment="other"), root)
    deliver_all(root)
    client = client_of(root)
    client.delete_experiment(client.get_experiment_by_name(EXPERIMENT).experiment_id)
    assert deliver_all(root) == 0
    assert sorted(shown(root)) == ["Default", "other"]


def test_the_partial_run_of_a_killed_delivery_is_removed_with_its_model_and_the_record_sent_again(
    root, monkeypatch
):
    records.save_record(collected(0.02), root)

    def killed(client, run, one, folder):
        client.create_logged_model(run.info.experiment_id, "model", run.info.run_id)  # PENDING
        raise KeyboardInterrupt  # as SIGKILL: nothing is put in order on the way out

    with pytest.raises(KeyboardInterrupt):
        deliver(root, RunContent(SHOWN.title, SHOWN.dataset, killed))
    assert [run["status"] for run in runs(root)] == ["RUNNING"]
    deliver_all(root)
    assert [run["status"] for run in runs(root)] == ["FINISHED"]
    assert models_of(root) == ["READY"]


def test_the_partial_run_of_a_killed_delivery_is_removed_even_if_another_repository_delivered_the_record(
    root, tmp_path
):
    second = tmp_path / "second"
    second.mkdir()
    records.save_record(collected(0.02), root)
    records.save_record(collected(0.02), second)
    with pytest.raises(KeyboardInterrupt):
        deliver(root, RunContent(SHOWN.title, SHOWN.dataset, interrupt))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", Store.of(root).uri)
        assert deliver(second, SHOWN) == 0
    assert sorted(run["status"] for run in runs(root)) == ["FINISHED", "RUNNING"]  # it may be alive
    deliver_all(root)
    assert [run["status"] for run in runs(root)] == ["FINISHED"]


def interrupt(*_):
    raise KeyboardInterrupt


def test_a_stale_partial_run_of_another_owner_is_removed(root, tmp_path, monkeypatch):
    second = tmp_path / "second"
    second.mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", Store.of(root).uri)
    records.save_record(collected(0.02), second)
    with pytest.raises(KeyboardInterrupt):
        deliver(second, RunContent(SHOWN.title, SHOWN.dataset, interrupt))
    records.save_record(collected(0.02), root)
    deliver_all(root)  # which sees it for the first time, and waits for a sign of life
    assert sorted(run["status"] for run in runs(root)) == ["FINISHED", "RUNNING"]
    monkeypatch.setattr(delivery, "STALE", 0)
    time.sleep(0.01)
    deliver_all(root)
    assert [run["status"] for run in runs(root)] == ["FINISHED"]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_live_run_of_a_host_whose_clock_differs_by_an_hour_is_left_alone(
    root, tmp_path, monkeypatch, hours
):
    """However long its delivery takes: it gives a sign of life between two looks of the other host."""
    second = tmp_path / "second"
    second.mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", Store.of(root).uri)
    monkeypatch.setattr(delivery, "FileLock", contextlib.nullcontext)
    monkeypatch.setattr(delivery, "STALE", 0)
    monkeypatch.setattr(send_record, "HEARTBEAT", 0.01)
    records.save_record(collected(0.02), root)
    records.save_record(collected(0.03), second)
    clock = time.time

    def slow(client, run, one, folder):
        for _ in range(2):
            before = client.get_run(run.info.run_id).data.tags["record.begun"]
            while (now := client.get_run(run.info.run_id)).data.tags["record.begun"] == before:
                assert now.info.lifecycle_stage == "active"
                time.sleep(0.01)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(memory.time, "time", lambda: clock() + 3600 * hours)
                deliver(second, SHOWN)
        SHOWN.add(client, run, one, folder)

    assert deliver(root, RunContent(SHOWN.title, SHOWN.dataset, slow)) == 0
    client = client_of(root)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    assert [run.info.lifecycle_stage for run in run_tags.record_runs(client, experiment)] == ["active"] * 2


def test_more_children_than_a_page_of_mlflow_are_removed_with_a_partial_run(root, monkeypatch):
    monkeypatch.setattr(run_tags, "RUNS", 3)
    records.save_record(collected(0.02), root)

    def killed(client, run, one, folder):
        for i in range(7):
            client.create_run(run.info.experiment_id, 0, {"mlflow.parentRunId": run.info.run_id}, f"{i}")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deliver(root, RunContent(SHOWN.title, SHOWN.dataset, killed))
    assert deliver_all(root) == 0
    assert [run["status"] for run in runs(root)] == ["FINISHED"]


def test_a_failure_that_repeats_leaves_one_removed_run_and_its_success_the_whole_run(root):
    records.save_record(collected(0.02), root)

    def fail(client, run, one, folder):
        SHOWN.add(client, run, one, folder)
        client.log_text(run.info.run_id, "of an attempt that failed", "left.txt")
        raise ValueError

    for _ in range(2):
        assert deliver(root, RunContent(SHOWN.title, SHOWN.dataset, fail)) == 1
    client = client_of(root)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    assert [run.info.lifecycle_stage for run in run_tags.record_runs(client, experiment)] == ["deleted"]
    assert deliver_all(root) == 0
    (run,) = runs(root)
    assert run["status"] == "FINISHED"
    assert len(run["artifacts"]) == 7
    assert run["models"] == [("model", "READY")]
    assert len(run_tags.record_runs(client, experiment)) == 1


def test_experiments_have_names_of_500_characters_in_any_script(root):
    experiments = ["ж" * 500, "実験 /" * 125, "a" * 500]
    for name in experiments:
        records.save_record(collected(0.02, experiment=name), root)
    assert deliver_all(root) == 0
    assert {name: len(found) for name, found in shown(root).items() if found} == dict.fromkeys(experiments, 1)
    found = {records.experiment_of(folder) for folder in records.record_folders(root)}
    assert found == set(experiments)


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("mlflow-artifacts:/7", "Set MLFLOW_TRACKING_URI to that server's address."),
        ("s3://bucket/7", "for which the package boto"),
        ("nowhere://7", "of a kind that MLflow does not know here."),
    ],
)
def test_a_foreign_artifact_store_is_named_with_the_way_out_before_a_run_is_made(
    root, capsys, location, reason
):
    client = client_of(root)
    experiment = client.create_experiment(EXPERIMENT, location)
    records.save_record(collected(0.02), root)
    records.save_record(collected(0.02, experiment="zzz"), root)
    assert deliver_all(root) == 1
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert reason in printed
    assert "MLFLOW_EXPERIMENT_NAME" in printed
    assert run_tags.record_runs(client, experiment) == []
    assert [run["status"] for run in runs(root, "zzz")] == ["FINISHED"]


def test_variables_of_mlflow_that_have_no_effect_are_named_in_one_line(root, monkeypatch, capsys):
    records.save_record(collected(0.02), root)
    for name in ("MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID", "MLFLOW_WORKSPACE"):
        monkeypatch.setenv(name, "5")
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    cli.warn_of_ignored_variables(Project(root, root))
    assert deliver_all(root) == 0
    assert os.environ["MLFLOW_RUN_ID"] == "5"
    assert capsys.readouterr().err == (
        "warning: these variables have no effect here: "
        "MLFLOW_ENABLE_WORKSPACES, MLFLOW_EXPERIMENT_ID, MLFLOW_RUN_ID, MLFLOW_WORKSPACE\n"
    )
    monkeypatch.delenv("MLFLOW_ENABLE_WORKSPACES")
    assert len(runs(root)) == 1


def test_of_two_hosts_that_finish_a_run_of_one_record_the_next_delivery_keeps_one(root, tmp_path):
    records.save_record(collected(0.02), root)
    second = tmp_path / "second"
    second.mkdir()
    records.save_record(collected(0.02), second)

    def race(client, run, one, folder):  # the other host begins and ends in the meantime
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", Store.of(root).uri)
            patch.setattr(delivery, "FileLock", contextlib.nullcontext)
            deliver(second, SHOWN)
        SHOWN.add(client, run, one, folder)

    assert deliver(root, RunContent(SHOWN.title, SHOWN.dataset, race)) == 0
    assert [run["status"] for run in runs(root)] == ["FINISHED"]
    assert models_of(root) == ["READY"]
    assert deliver(second, SHOWN) == deliver_all(root) == 0
    assert len(runs(root)) == 1


def test_a_record_that_the_content_fails_for_stays_pending_and_the_others_are_delivered(root, capsys):
    records.save_record(collected(0.02), root)
    records.save_record(collected(0.03, params={"train.L": 1}), root)
    records.save_record(collected(0.04), root)
    assert deliver_all(root) == 1
    assert [run["name"] for run in runs(root)] == ["C=0.02", "C=0.04"]
    (line,) = capsys.readouterr().err.splitlines()
    start, _, end = line.partition(" (")
    assert start == "warning: the project's content raised KeyError: 'train.C'"
    assert re.fullmatch(
        r".*/tracking\.py, line \d+\): 1 record is pending in records/\. To deliver: dvc-mlflow track", end
    )


def test_an_error_in_the_arrangement_of_the_page_is_reported_once_the_runs_are_there(root, capsys):
    records.save_record(collected(0.02), root)

    def arrange(client, experiment_id):
        return {}["charts"]

    assert deliver(root, replace(SHOWN, arrange=arrange)) == 0
    assert len(runs(root)) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("warning: the project's content raised KeyError: 'charts' (")
    assert "pending" not in printed


def test_content_is_loaded_when_a_record_is_pending_and_not_before(root):
    records.save_record(collected(0.02), root)
    loaded = []

    def load():
        loaded.append(SHOWN)
        return SHOWN

    assert deliver(root, load) == deliver(root, load) == 0
    assert loaded == [SHOWN]


def test_content_that_cannot_be_imported_is_the_users_error(root):
    records.save_record(collected(0.02), root)

    def load():
        raise UserError("no such module")

    with pytest.raises(UserError, match="no such module"):
        deliver(root, load)
    assert deliver_all(root) == 0


@pytest.mark.parametrize("error", [ValueError("bad"), OSError("bad"), ZeroDivisionError("bad")])
def test_a_whole_record_is_never_set_aside_whatever_the_content_raises(root, capsys, error):
    records.save_record(collected(0.02), root)
    attempts = []

    def fail_once(client, run, one, folder):
        attempts.append(run)
        if len(attempts) == 1:
            raise error

    assert deliver(root, RunContent(SHOWN.title, SHOWN.dataset, fail_once)) == 0
    assert [run["status"] for run in runs(root)] == ["FINISHED"]
    assert len(records.record_folders(root)) == 1
    assert capsys.readouterr().err == ""


def test_a_record_that_was_damaged_is_set_aside_with_a_reason_and_not_tried_again(root, capsys):
    records.save_record(collected(0.02), root)
    records.save_record(collected(0.04), root)
    folder = collected(0.02).record.folder(root)
    (folder / "files" / "models" / "model.json").write_text("{}")
    assert deliver_all(root) == 0
    (aside,) = (root / "records" / ".damaged").iterdir()
    reason = "files/models/model.json is not what record.json has the digest of"
    assert (aside / "reason.txt").read_text() == f"{reason}\n"
    assert capsys.readouterr().err == f"warning: a damaged record was set aside in {aside}: {reason}\n"
    assert deliver_all(root) == 0
    assert capsys.readouterr().err == ""
    assert [run["name"] for run in runs(root)] == ["C=0.04"]


def test_more_params_than_mlflow_takes_at_once_and_longer_ones_are_delivered(root):
    params = {f"p{i}": i for i in range(250)} | {"train.C": 0.02, "long": "x" * 10_000}
    records.save_record(collected(0.02, params=params), root)
    assert deliver_all(root) == 0
    (run,) = runs(root)
    assert len(run["params"]) == 252
    assert len(run["params"]["long"]) == 6000


# Where the store is


def test_a_relative_sqlite_file_is_one_in_the_main_repository(root, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    assert Store.of(root).lock == root / "mlflow.db.lock"
    records.save_record(collected(0.02), root)
    deliver_all(root)
    assert names(Path()) == []
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert len(runs(root)) == 1


@pytest.mark.parametrize(
    ("uri", "artifacts", "lock"),
    [
        ("http://mlflow.example.org", None, "records/.delivery.lock"),
        ("databricks", None, "records/.delivery.lock"),
        ("HTTPS://mlflow.example.org", None, "records/.delivery.lock"),
        ("databricks-uc", None, "records/.delivery.lock"),
        ("databricks://profile", None, "records/.delivery.lock"),
        ("azureml://eastus.api.azureml.ms/mlflow", None, "records/.delivery.lock"),
        ("arn:aws:sagemaker:eu-west-1:1:mlflow-tracking-server/a", None, "records/.delivery.lock"),
        ("mysql+pymysql://u:p@db.example.org/mlflow", "ROOT/mlartifacts", "records/.delivery.lock"),
        ("file:///srv/mlruns", "ROOT/mlartifacts", "records/.delivery.lock"),
        ("./mlruns", "ROOT/mlartifacts", "records/.delivery.lock"),
        ("postgresql+psycopg2://u:p@db.example.org/mlflow", "ROOT/mlartifacts", "records/.delivery.lock"),
        ("sqlite:////srv/runs.db?timeout=5", "file:///srv/mlartifacts", "/srv/runs.db.lock"),
    ],
)
def test_a_store_that_is_no_server_has_its_artifacts_beside_the_records_or_the_file(
    tmp_path, monkeypatch, uri, artifacts, lock
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    store = Store.of(tmp_path)
    assert store.uri == uri
    assert store.artifacts == (artifacts and artifacts.replace("ROOT", tmp_path.as_uri()))
    assert store.lock == tmp_path / lock


def test_the_environment_is_after_a_delivery_as_it_was(root):
    records.save_record(collected(0.02), root)
    before = dict(os.environ)
    deliver_all(root)
    assert dict(os.environ) == before
