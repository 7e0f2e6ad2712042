"""The experiment's page as a real browser shows it: a saved view is MLflow's own format, which may change."""

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
from sparse_digits.mlflow_content import charts, run_content
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
def test_the_saved_view_opens_the_images_and_charts_of_what_C_does(tmp_path, store):
    shutil.copy(store, tmp_path)

    def add(client, run, one, folder):
        for name, value in (("log10_C", -2), ("sparsity", 95), ("accuracy", 0.8)):
            client.log_metric(run.info.run_id, name, value)
        client.log_image(run.info.run_id, np.zeros((8, 8, 3), np.uint8), key="coef", step=0)

    records.save_record(collected(0.01), tmp_path)
    records.save_record(collected(0.02), tmp_path)
    title = run_content.title(collected(0.01, params={"train.C": 0.01, "train.solver": "saga"}).record)
    shows = RunContent(lambda _: title, lambda _: "digits", add, run_content.arrange)
    assert deliver(tmp_path, shows) == 0
    experiment = client_of(tmp_path).get_experiment_by_name(EXPERIMENT).experiment_id
    with servers.mlflow_server(tmp_path, Store.of(tmp_path).uri) as server:
        page = f"{server}/#/experiments/{experiment}/runs?workflowType=machine_learning"
        shown = dom(f"{page}&viewStateShareKey={charts.NAME}&compareRunsMode=CHART")
    for text in (
        "What C does",
        "Weights, C ascending, 10 at most",
    ):  # charts are drawn later than a browser waits here
        assert text in shown, text
