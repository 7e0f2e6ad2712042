"""A metric is added in one place: metrics.json, MLflow's runs and the sweep's table read it from there."""

import json

import pytest
from mlflow import MlflowClient

from sparse_digits.sweep import csv_table
from sweeps import SAGA, change

NAME = "largest_weight"
ENTRY = f"""METRICS = (
    Metric(
        "{NAME}",
        "largest weight",
        lambda of: float(np.abs(of.model.coef).max()),
        Where.CHILD_RUN | Where.PATH_HISTORY | Where.SELECTION | Where.TABLE,
    ),
"""


@pytest.mark.slow(60)
def test_a_metric_added_to_the_list_is_in_every_file_table_and_run(computed, dvc):
    metrics = computed / "src/sparse_digits/metrics.py"
    text = metrics.read_text()
    assert text.count("METRICS = (\n") == 1
    metrics.write_text(text.replace("METRICS = (\n", ENTRY))
    assert set(json.loads(dvc("status", "--json", "dvc.yaml").stdout)) == {"evaluate"}
    change(computed / "params.yaml", sweep={"C": [0.02, 0.05], **SAGA})
    dvc("repro")
    dvc("repro", "sweep/dvc.yaml")

    value = json.loads((computed / "results/metrics.json").read_text())[NAME]
    assert value > 0
    table = csv_table.read_csv(computed / "sweep/sweep.csv")
    assert table["C"].tolist() == [0.02, 0.05]
    by_C = dict(zip(table["C"].tolist(), table[NAME].tolist(), strict=True))
    assert by_C[0.05] == value  # the C of the five stages, by the same solver
    selection = json.loads((computed / "sweep/chosen.json").read_text())["train_size_1000"]
    assert selection["example"][NAME] == value
    assert "largest weight" in (computed / "sweep/report.md").read_text()

    client = MlflowClient(f"sqlite:///{computed}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'sparse-digits'")
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = (run for run in runs if "sweep.parent" in run.data.tags)
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    (of_the_stages,) = (run for run in runs if run not in [parent, *children])
    assert of_the_stages.data.metrics[NAME] == pytest.approx(value, rel=1e-6)
    of_children = {float(run.data.params["train.C"]): run.data.metrics[NAME] for run in children}
    assert of_children == pytest.approx(by_C, rel=1e-6)
    history = client.get_metric_history(parent.info.run_id, f"path_{NAME}")
    assert [point.value for point in sorted(history, key=lambda point: point.step)] == pytest.approx(
        list(by_C.values()), rel=1e-5
    )
