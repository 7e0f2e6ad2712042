"""The experiment's page as a real browser shows it: a saved view is MLflow's own format, which may change."""

import json
import shutil
import subprocess
import tempfile

import numpy as np
import pytest

import servers
from dvc_mlflow import records
from dvc_mlflow.delivery.deliver import deliver
from dvc_mlflow.run_content import RunContent
from dvc_mlflow.store import Store
from sparse_digits.metrics import Where, in_table_order
from sparse_digits.mlflow_content import charts, content, run_content
from tracking import EXPERIMENT, client_of, collected

CHROMIUM = shutil.which("chromium")
QUIET = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=30000"),
]


def dom(address):
    """Return the page's text and tags once its scripts are through."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [CHROMIUM, *QUIET, f"--user-data-dir={profile}", "--dump-dom", address]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_shared_view_opens_on_the_charts_and_images(tmp_path, store):
    shutil.copy(store, tmp_path)

    def add(client, run, one, folder):
        for name, value in (("log10_C", -2), ("sparsity", 95), ("accuracy", 0.8)):
            client.log_metric(run.info.run_id, name, value)
        client.log_image(run.info.run_id, np.zeros((8, 8, 3), np.uint8), key="coef", step=0)

    records.save_record(collected(0.01), tmp_path)
    records.save_record(collected(0.02), tmp_path)
    title = run_content.title(collected(0.01, params={"train.C": 0.01, "train.solver": "saga"}).record)
    shows = RunContent(lambda _: title, lambda _: "digits", add, content.arrange)
    assert deliver(tmp_path, shows) == 0
    experiment = client_of(tmp_path).get_experiment_by_name(EXPERIMENT).experiment_id
    with servers.mlflow_server(tmp_path, Store.of(tmp_path).uri) as server:
        page = f"{server}/#/experiments/{experiment}/runs?workflowType=machine_learning"
        shown = dom(f"{page}&viewStateShareKey={charts.NAME}&compareRunsMode=CHART")
    for text in (
        "Effect of C",
        "Weights, C ascending, 10 at most",
    ):  # charts are drawn later than a browser waits here
        assert text in shown, text


def state_of(view):
    """Return what MLflow's page reads from a shared view."""
    return json.loads(json.loads(view)["state"])


def test_the_columns_and_parallel_coordinates_are_those_of_the_list_of_metrics():
    for view in (charts.all_runs_view(), charts.sweep_view("a" * 32)):
        state = state_of(view)
        columns = [name for name in state["selectedColumns"] if name.startswith("metrics.")]
        assert columns == [f"metrics.`{metric.name}`" for metric in in_table_order(Where.COLUMNS)]
        (parallel,) = (chart for chart in state["compareRunCharts"] if chart["type"] == "PARALLEL")
        names = [metric.name for metric in in_table_order(Where.PARALLEL)]
        assert parallel["selectedMetrics"] == ["log10_C", *names]


def test_the_view_of_a_sweep_shows_its_own_points_only():
    assert state_of(charts.all_runs_view())["searchFilter"] == ""
    assert state_of(charts.sweep_view("a" * 32))["searchFilter"] == f"tags.sweep = '{'a' * 32}'"
