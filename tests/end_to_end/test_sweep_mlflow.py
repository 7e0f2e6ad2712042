"""The sweep in MLflow: parent and child runs, interrupted deliveries, and the page that a browser shows."""

import getpass
import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
import requests
from mlflow import MlflowClient

from commands import LONG
from dvc_mlflow import records
from dvc_mlflow.delivery.deliver import deliver
from dvc_mlflow.pages import page_url
from dvc_mlflow.project import Project
from dvc_mlflow.verification import run_snapshot
from sparse_digits.mlflow_content import charts
from sparse_digits.mlflow_content.content import CONTENT
from sparse_digits.runtime import yaml_core
from sparse_digits.sweep import csv_table, selection_display
from sweeps import SWEPT_CS

CS = SWEPT_CS
REPORT = "sweep/dvc.yaml:report"


@pytest.fixture(scope="module")
def address(swept):
    """Run `make ui` on it; return the address that it prints."""
    with subprocess.Popen(
        [sys.executable, "-m", "sparse_digits.cli", "ui"],
        cwd=swept,
        env=os.environ | {"PYTHONPATH": "src"},
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        line = next(line for line in server.stdout if "Sweep over C: " in line)
        yield line.split(": ", 1)[1].strip()
        server.send_signal(signal.SIGINT)


@pytest.fixture
def client(swept):
    return MlflowClient(f"sqlite:///{swept}/mlflow.db")


def runs(client, where=""):
    (experiment,) = (e for e in client.search_experiments() if e.name == "sparse-digits")
    return client.search_runs([experiment.experiment_id], where)


def parent_of(client):
    (parent,) = runs(client, "tags.`sweep.parent` != ''")
    return parent


def test_each_point_has_a_child_with_the_digest_that_dvc_repro_gives_its_model(client, swept):
    parent = parent_of(client)
    children = runs(client, f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert sorted(float(child.data.params["train.C"]) for child in children) == CS
    assert {child.info.status for child in children} == {"FINISHED"}
    (same,) = (child for child in children if child.data.params["train.C"] == "0.05")
    (alone,) = runs(client, "params.`train.C` = '0.05' AND tags.`mlflow.parentRunId` IS NULL")
    lock = yaml_core.load((swept / "dvc.lock").read_text())["stages"]["train"]["outs"][0]
    assert same.data.tags["dvc.md5"] == f"model.npz {lock['md5']}"
    record = Path(client.download_artifacts(alone.info.run_id, "record.json"))
    assert lock["md5"] in json.loads(record.read_text())["outputs"].values()
    assert same.data.tags["mlflow.user"] == alone.data.tags["mlflow.user"] == getpass.getuser()
    assert same.data.params == alone.data.params
    for name, value in same.data.metrics.items():
        assert name == "lambda" or alone.data.metrics[name] == value


def test_the_parent_run_shows_the_selection_the_table_and_the_path(client):
    parent = parent_of(client)
    note = parent.data.tags["mlflow.note.content"]
    assert "selected by accuracy on validation rows" in note
    assert [line.split(" | ")[0] for line in note.splitlines()[-len(CS) :]] == [f"| {C:g}" for C in CS]
    history = client.get_metric_history(parent.info.run_id, "path_log10_C")
    assert [metric.step for metric in history] == list(range(len(CS)))
    assert [10**metric.value for metric in history] == pytest.approx(CS, rel=1e-4)
    assert len(client.get_metric_history(parent.info.run_id, "path_sparsity")) == len(CS)
    steps = {
        re.search(r"coef\+step\+(\d+)", file.path)[1]
        for file in client.list_artifacts(parent.info.run_id, "images")
    }
    assert steps == {str(i) for i in range(len(CS))}  # the slider's


def test_search_runs_sorts_the_points_by_C(client, use_store):
    use_store(client.tracking_uri)
    points = mlflow.search_runs(
        search_all_experiments=True,
        filter_string=f"tags.`mlflow.parentRunId` = '{parent_of(client).info.run_id}'",
        order_by=["metrics.log10_C"],
    )
    assert [float(C) for C in points["params.train.C"]] == CS


@pytest.fixture
def editable(swept, tmp_path):
    """A copy of the store of `swept`; its artifacts are in `swept`."""
    shutil.copy(swept / "mlflow.db", tmp_path)
    return MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")


def test_a_metric_of_a_child_run_that_was_edited_in_the_store_differs_from_the_sweeps_record(swept, editable):
    client = editable
    (folder,) = (
        path for path in records.record_folders(swept) if records.read_record(path).stage != "evaluate"
    )
    expected, parent = run_snapshot.expected_snapshot(folder, CONTENT), parent_of(client)
    assert run_snapshot.snapshot(client, parent) == expected
    (child,) = (run for run in runs(client, "params.`train.C` = '0.3'") if "C=0.3" in run.info.run_name)
    client.log_metric(child.info.run_id, "accuracy", 1)
    edited = run_snapshot.snapshot(client, parent)
    assert [key for key in expected if edited.get(key) != expected[key]] == [
        f"{child.info.run_name}: accuracy"
    ]


def test_a_delivery_that_was_interrupted_among_the_child_runs_is_repeated_whole(
    swept, store, tmp_path, monkeypatch
):
    folder = tmp_path / "interrupted"
    shutil.copytree(swept / "records", folder / "records")
    shutil.copy(store, folder)
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    terminated, count = MlflowClient.set_terminated, []

    def interrupt(self, *arguments, **options):
        count.append(1)
        if len(count) > 2:  # as SIGKILL does: nothing is cleaned up
            raise KeyboardInterrupt
        terminated(self, *arguments, **options)

    monkeypatch.setattr(MlflowClient, "set_terminated", interrupt)
    with pytest.raises(KeyboardInterrupt):
        deliver(folder, CONTENT)
    monkeypatch.undo()
    assert deliver(folder, CONTENT) == 0
    assert deliver(folder, CONTENT) == 0
    parent = parent_of(client)
    children = runs(client, "tags.`mlflow.parentRunId` != ''")
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {parent.info.run_id}
    assert len(children) == len(CS)


def test_a_record_of_a_sweep_holds_its_table_models_and_figures(swept):
    (record,) = (
        read for read in map(records.read_record, records.record_folders(swept)) if read.stage == REPORT
    )
    assert {"sweep/sweep.csv", "sweep/models.npz", "sweep/chosen.json"} <= record.outputs.keys()
    assert "sweep/figures/along_C.png" in record.outputs
    assert record.params["sweep.split_seeds"] == [0]
    assert re.fullmatch(r"[0-9a-f]{40}", record.code["commit"])
    assert record.environment["python"]


def page_of(swept):
    """Return the sentence about the page of the sweep's record."""
    project = Project.read(swept)
    record = records.find_matching_record(swept, swept, REPORT)
    return page_url.describe_page(project, record, project.content().page(record))


def test_the_end_of_a_sweep_names_its_page_and_what_makes_it_answer(swept):
    printed = (swept.parent / "printed").read_text()
    page = r"http://127\.0\.0\.1:\d+/#/experiments/1/runs\?\S+&viewStateShareKey=sweep-\w{8}&\S+"
    assert re.search(
        rf"^sweep/dvc.yaml:report in MLflow: sparse-digits ui, then {page}$", printed, re.MULTILINE
    )


def test_where_a_server_runs_the_address_is_its_own(swept, address, sparse_digits, monkeypatch):
    assert (
        sparse_digits("sweep", cwd=swept).stdout.splitlines()[-1]
        == f"sweep/dvc.yaml:report in MLflow: {address}"
    )
    server = address.partition("/#")[0]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.replace("//", "//ann:hunter2@") + "/")
    assert page_of(swept) == f"sweep/dvc.yaml:report in MLflow: {address}"


def test_a_sweep_that_mlflow_does_not_show_is_reported_with_the_command(swept, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:hunter2@127.0.0.1:9")
    assert page_of(swept) == (
        "MLflow at http://***@127.0.0.1:9 has no page of sweep/dvc.yaml:report yet. "
        "To deliver: sparse-digits track"
    )


def shown_by_chromium(address, profile, complete):
    """Return a page's text and tags once `complete(page)` is true, or as it is after minutes."""
    browser = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1600,2200"]
    browser += [f"--user-data-dir={profile}", "--virtual-time-budget=60000", "--dump-dom", address]
    deadline = time.monotonic() + LONG
    page = ""
    while not complete(page) and time.monotonic() < deadline:
        done = subprocess.run(browser, capture_output=True, text=True, timeout=LONG, check=True)
        page = html.unescape(done.stdout)
    return page


@pytest.mark.slow(20)
@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
def test_the_address_that_ui_prints_opens_on_the_charts_and_images_without_a_click(
    swept, address, tmp_path, client
):
    of = json.loads((swept / "sweep/chosen.json").read_text())["train_size_1000"]
    chosen = {of[name]["C"] for name in selection_display.TITLES}
    points = '<path class="point'
    page = shown_by_chromium(address, tmp_path, lambda page: page.count(points) >= 3 * len(CS))
    for title in ("sparsity vs. accuracy", "log10_C vs. accuracy", "log10_C vs. sparsity"):
        assert title in page
    assert page.count(points) == 3 * len(CS)
    assert "Parallel Coordinates" in page
    images = re.findall(r'<img[^>]* src="(get-artifact\?path=images[^"]*)"', page)
    root = address.partition("#")[0]
    assert [requests.get(root + image, timeout=LONG).status_code for image in images] == [200] * 10
    of_runs = [re.search(r"run_uuid=(\w+)", image)[1] for image in images]
    shown_CS = [float(client.get_run(run_id).data.params["train.C"]) for run_id in of_runs]
    assert shown_CS == sorted(shown_CS)
    assert {CS[0], CS[-1], *chosen} <= set(shown_CS)


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
def test_the_view_of_all_runs_opens_on_the_charts_and_images(address, tmp_path):
    page = f"{address.partition('#')[0]}#/experiments/1/runs?workflowType=machine_learning"
    sections = ("Effect of C", "Weights, C ascending, 10 at most")
    shown = shown_by_chromium(
        f"{page}&viewStateShareKey={charts.NAME}&compareRunsMode=CHART",
        tmp_path,
        lambda page: all(section in page for section in sections),
    )
    for section in sections:
        assert section in shown


def test_status_has_the_sweep_beside_the_other_results(swept, sparse_digits):
    results = json.loads(sparse_digits("status", "--json", cwd=swept).stdout)["results"]
    assert {row["stage"]: (row["found"], row["record"], row["mlflow"], row["todo"]) for row in results} == {
        stage: (["workspace"], "whole", "there", "") for stage in ("evaluate", REPORT)
    }


@pytest.mark.slow(30)
def test_a_sweep_computed_again_is_the_same_byte_for_byte(swept, client, sparse_digits):
    report = sparse_digits("verify", parent_of(client).info.run_id, cwd=swept).stdout
    for path in ("data/raw.npz", "sweep/models.npz", "sweep/sweep.csv", "sweep/figures/along_C.png"):
        assert f"rebuilt: {path} " in report
    assert "DIFFERS" not in report
    assert report.endswith(" are the same.\n")


@pytest.mark.slow(20)
def test_verify_computes_a_point_by_the_five_stages_and_reports_what_was_edited_in_its_run(
    swept, editable, sparse_digits, tmp_path
):
    (child,) = runs(editable, "params.`train.C` = '0.03'")
    editable.log_metric(child.info.run_id, "sparsity", 99)
    editable.set_tag(child.info.run_id, "dvc.md5", "model.npz " + "0" * 32)
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    report = sparse_digits("verify", child.info.run_id, cwd=swept, status=1, **store).stdout
    compared = {line[:34].strip(): line.split()[-1] for line in report.splitlines() if ": " in line[:34]}
    differing = [what for what, verdict in compared.items() if verdict == "DIFFERS"]
    assert differing == ["run: sparsity", "run: results/model.npz"]
    for what in ("data/raw.npz", "metric accuracy", "metric objective", "results/model.npz"):
        assert compared[f"rebuilt: {what}"] == "same"


@pytest.mark.slow(20)
def test_the_queue_of_dvc_computes_the_same_bits_as_the_sweep(swept, queued):
    queue_digests = {
        record.params["train.C"]: record.outputs["results/model.npz"]
        for record in map(records.read_record, records.record_folders(queued))
    }
    table = csv_table.read_csv(swept / "sweep/sweep.csv")
    sweep_digests = dict(zip(table["C"].tolist(), table["model_md5"].tolist(), strict=True))
    assert sorted(queue_digests) == [0.02, 0.3]
    assert {C: sweep_digests[C] for C in queue_digests} == queue_digests
