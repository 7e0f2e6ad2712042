"""The real pipeline's results in MLflow: queued experiments, the demo, a kill at any moment, the model."""

import json
import shutil
import sys
import time

import mlflow
import numpy as np
import pytest

import commands
import tracking
from dvc_mlflow import records
from sparse_digits import model
from sparse_digits.runtime.npz import read_npz
from tracking import artifacts_of, client_of, shown


def empty_the_queue(dvc, folder, expected, seconds=300):
    """Run the queue; git knows when it is done: `dvc queue status` fails where it meets half a message."""
    deadline = time.monotonic() + seconds
    commands.run_and_leave_queue(sys.executable, "-m", "dvc", "queue", "start", "-j", "2", cwd=folder)
    try:
        while set(dvc("exp", "list", "--name-only").stdout.split()) != expected:
            assert time.monotonic() < deadline
            time.sleep(1)
    finally:
        commands.end_queue(folder)


@pytest.mark.slow
def test_four_queued_experiments_are_four_runs_whose_artifacts_outlive_their_folders(computed, dvc, git):
    values = {"a": 0.001, "b": 0.01, "c": 0.1, "d": 1}
    for name, C in values.items():  # one of them from a subfolder
        arguments = {"cwd": computed / "data", "param": "../params.yaml:train.C"} if name == "d" else {}
        dvc(
            *("exp", "run", "--queue", "--name", name, "-S", f"{arguments.get('param', 'train.C')}={C}"),
            cwd=arguments.get("cwd", computed),
        )
    empty_the_queue(dvc, computed, set(values))
    shutil.rmtree(computed / ".dvc" / "tmp" / "exps")
    store = shown(computed)
    assert store["Default"] == []
    runs = store["sparse-digits"]
    assert {run["status"] for run in runs} == {"FINISHED"}
    assert sorted((run["tags"]["dvc.experiment"], float(run["params"]["train.C"])) for run in runs) == sorted(
        values.items()
    )
    client = client_of(computed)
    for run in client.search_runs([client.get_experiment_by_name("sparse-digits").experiment_id]):
        paths = artifacts_of(client, run.info.run_id)
        assert {"results/model.npz", "results/coefficients.png", "record.json"} <= set(paths)
        assert (
            json.loads(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/record.json"))["name"]
            == (run.data.tags["dvc.experiment"])
        )
    assert git("status", "--porcelain") == ""


def test_the_models_in_mlflow_predict_what_the_pipelines_own_does(computed, sparse_digits):
    sparse_digits("track")
    client = client_of(computed)
    experiment = client.get_experiment_by_name("sparse-digits").experiment_id
    (logged,) = client.search_logged_models([experiment])
    own = model.read(computed / "results" / "model.npz")
    _, rows = read_npz(computed / "data" / "split.npz")
    there = mlflow.sklearn.load_model(logged.artifact_location)
    np.testing.assert_array_equal(there.predict(rows["test_images"]), own.predict(rows["test_images"]))


def test_a_demo_stays_in_its_own_experiment_when_the_store_is_rebuilt(computed, sparse_digits, store):
    sparse_digits("demo", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    sparse_digits("track")
    runs = shown(computed)
    assert len(runs["sparse-digits-demo"]) == 1
    assert runs["Default"] == []
    recorded = sorted(records.experiment_of(folder) for folder in records.record_folders(computed))
    assert recorded in (["sparse-digits-demo"], ["sparse-digits", "sparse-digits-demo"])


@pytest.mark.slow
def test_a_kill_at_any_moment_loses_doubles_and_leaves_nothing(computed, dvc):
    dvc("repro", "--force", "--single-item", "evaluate", RECORDS_ONLY="yes")  # by the commit that is there
    command = (
        sys.executable,
        tracking.ROOT / "tests" / "support" / "soak.py",
        "--moments",
        5,
        "--seed",
        5,
        computed,
    )
    told = commands.run(*command, cwd=computed, PYTHONPATH=str(tracking.ROOT / "src")).stdout
    assert told.count("one finished, complete run") == 5
    assert told.endswith("nothing was lost, doubled or left over\n")
