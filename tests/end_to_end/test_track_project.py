"""The real pipeline's results in MLflow: queued experiments, the demo, a kill at any moment."""

import json

import mlflow
import pytest

import commands
from dvc_mlflow import records
from projects import ROOT
from tracking import artifacts_of, client_of, shown


@pytest.mark.slow(40)
def test_queued_experiments_are_runs_whose_artifacts_outlive_the_folders_they_ran_in(queued, git):
    store = shown(queued)
    assert store["Default"] == []
    runs = store["sparse-digits"]
    assert {run["status"] for run in runs} == {"FINISHED"}
    names_and_C = {run["tags"]["record.name"]: float(run["params"]["train.C"]) for run in runs}
    assert names_and_C == {"a": 0.02, "b": 0.3}
    client = client_of(queued)
    for run in client.search_runs([client.get_experiment_by_name("sparse-digits").experiment_id]):
        paths = artifacts_of(client, run.info.run_id)
        assert {"results/model.npz", "results/coefficients.png", "record.json"} <= set(paths)
        record = json.loads(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/record.json"))
        assert record["name"] == run.data.tags["record.name"]
        assert {"results/per_class.csv", "results/roc.png", "results/calibration.png"} <= set(paths)
        of_classes = client.get_metric_history(run.info.run_id, "per_class/f1")
        assert sorted(metric.step for metric in of_classes) == list(range(10))
        assert "| class&emsp;| precision&emsp;| recall&emsp;|" in run.data.tags["mlflow.note.content"]
    assert git("status", "--porcelain", cwd=queued) == ""


def test_a_demo_stays_in_its_own_experiment_when_the_store_is_rebuilt(computed, sparse_digits, store):
    sparse_digits("demo", MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    sparse_digits("track")
    runs = shown(computed)
    assert len(runs["sparse-digits-demo"]) == 1
    assert runs["Default"] == []
    recorded = sorted(records.experiment_of(folder) for folder in records.record_folders(computed))
    assert recorded in (["sparse-digits-demo"], ["sparse-digits", "sparse-digits-demo"])


@pytest.mark.slow(30)
def test_a_kill_at_any_moment_loses_doubles_and_leaves_nothing(computed, dvc):
    dvc("repro", "--force", "--single-item", "evaluate", RECORDS_ONLY="yes")  # so that HEAD is its commit
    command = ("-c", "import soak; soak.main()", "--moments", 3, "--seed", 5, computed)
    path = f"{ROOT / 'src'}:{ROOT / 'tests' / 'support'}"
    printed = commands.python(*command, cwd=computed, PYTHONPATH=path).stdout
    assert printed.count("one finished, complete run") == 3
    assert printed.endswith("nothing was lost, doubled or left over\n")
