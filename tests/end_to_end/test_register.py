"""The command register: which model becomes champion, and the answers that MLflow serves by it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import requests
from mlflow import MlflowClient

from commands import LONG, python
from servers import free_port
from sparse_digits.runtime.npz import read_npz

SERVED = "models:/sparse-digits@champion"
RULE = "A model becomes champion if it is right on at least as many of these rows as the champion is."


@pytest.fixture(scope="module")
def project(swept, store, tmp_path_factory):
    """A copy of the project of the sweep with an experiment in which nothing is registered."""
    folder = tmp_path_factory.mktemp("register") / "a project"
    shutil.copytree(swept, folder, ignore=shutil.ignore_patterns("mlflow.db*", "mlartifacts"))
    shutil.copy(store, folder)
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    client.create_experiment("sparse-digits", (folder / "mlartifacts").as_uri())
    return folder


@pytest.fixture(scope="module")
def registered(project, sparse_digits):
    """What the command printed for a weak model, the selected one, it again, and the weak one again."""
    weak, selected = ("register", "--C", "0.005"), ("register",)
    commands = ((weak, 0), (selected, 0), (selected, 0), (weak, 1))
    return [sparse_digits(*words, cwd=project, status=status).stdout for words, status in commands]


def versions(project):
    """Return the C of each version, and the version that is champion."""
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    found = client.search_model_versions("name = 'sparse-digits'")
    champion = client.get_model_version_by_alias("sparse-digits", "champion")
    return {int(version.version): version.tags["C"] for version in found}, int(champion.version)


def test_a_model_that_is_not_worse_becomes_champion_and_the_same_result_has_one_version(project, registered):
    selected = json.loads((project / "sweep/chosen.json").read_text())["train_size_1000"]
    C = selected["one_standard_error"]["C"]
    assert versions(project) == ({1: "0.005", 2: f"{C:g}"}, 2)
    first, second, again, worse = (printed.splitlines() for printed in registered)
    assert first[1:] == [RULE, "Registered as version 1 of sparse-digits.", f"It is the champion: {SERVED}"]
    assert second[0].startswith(f"C = {C:g}: ")
    assert second[2].startswith("champion, version 1: ")
    assert second[3:] == ["Registered as version 2 of sparse-digits.", f"It is the champion: {SERVED}"]
    assert again[3] == "This model is version 2 of sparse-digits already."
    assert worse[3:] == ["The champion stays; no version was registered."]


def test_without_a_sweep_or_a_store_the_message_names_the_command_that_makes_it(project, sparse_digits):
    for name, message in (
        ("sweep/chosen.json", "sweep/chosen.json: no such file. `sparse-digits sweep` makes it"),
        ("mlflow.db", "mlflow.db: no such store. To make it: sparse-digits track"),
    ):
        (project / name).rename(project / "elsewhere")
        try:
            assert sparse_digits("register", cwd=project, status=2).stderr.endswith(f"{message}\n")
        finally:
            (project / "elsewhere").rename(project / name)


def test_a_server_that_does_not_answer_is_no_missing_champion(project, sparse_digits):
    with free_port() as port:
        uri = f"http://127.0.0.1:{port}"
        done = sparse_digits("register", cwd=project, status=2, MLFLOW_TRACKING_URI=uri)
    assert done.stderr == f"MLflow at {uri}: expected an answer, got: Connection refused\n"


def test_predict_and_export_take_a_registered_model(project, registered, sparse_digits):
    _, rows = read_npz(project / "data/split.npz")
    np.save(project / "ten.npy", rows["test_images"][:10])
    by_C = sparse_digits("predict", "--json", "--C", _champion_C(project), "ten.npy", cwd=project).stdout
    for uri in (SERVED, "models:/sparse-digits/2"):
        assert sparse_digits("predict", "--json", "--model", uri, "ten.npy", cwd=project).stdout == by_C
    done = sparse_digits("export", "champion.onnx", "--model", SERVED, cwd=project)
    assert done.stdout == f"champion.onnx: 64 pixels to label and probabilities, C = {_champion_C(project)}\n"
    assert (project / "champion.onnx").exists()


def test_a_registered_model_that_could_run_code_is_not_loaded(project, registered, sparse_digits):
    python("-c", PICKLED, f"sqlite:///{project}/mlflow.db", cwd=project)
    for uri, message in (
        ("models:/pickled/1", "expected a model that `sparse-digits register` has registered, got another\n"),
        ("models:/sparse-digits", "got no models:/NAME@ALIAS or models:/NAME/VERSION\n"),
        ("models:/sparse-digits@nobody", "Registered model alias nobody not found."),
    ):
        done = sparse_digits("predict", "--model", uri, "ten.npy", cwd=project, status=2)
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1


PICKLED = """
import sys
import mlflow, mlflow.sklearn
from sklearn.dummy import DummyClassifier
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("sparse-digits")
model = DummyClassifier().fit([[0]], [0])
mlflow.sklearn.log_model(
    model, name="pickled", serialization_format="cloudpickle", registered_model_name="pickled",
    pip_requirements=[],
)
"""


@pytest.fixture(scope="module")
def ask(project, registered):
    """Serve the champion as the README says; post to it and return status and answer."""
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{project}/mlflow.db",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with free_port() as port, (project.parent / "served").open("w") as log:
        command = f"-m mlflow models serve -m {SERVED} --env-manager local --port {port}".split()
        process = subprocess.Popen(
            [sys.executable, *command], env=environment, stdout=log, stderr=log, start_new_session=True
        )
        url = f"http://127.0.0.1:{port}"

        def post(body, kind="application/json"):
            answer = requests.post(f"{url}/invocations", body, headers={"Content-Type": kind}, timeout=LONG)
            return answer.status_code, answer.json()

        def answers():
            try:
                return requests.get(f"{url}/ping", timeout=5).ok
            except (requests.ConnectionError, requests.Timeout):
                return False

        try:
            deadline = time.monotonic() + LONG
            while not answers():
                assert process.poll() is None, (project.parent / "served").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.2)
            yield post
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.parametrize("dtype", [int, float])
def test_the_server_gives_a_hundred_digits_the_labels_of_predict(dtype, ask, project, sparse_digits):
    _, rows = read_npz(project / "data/split.npz")
    np.save(project / "digits.npy", rows["test_images"][:100])
    printed = sparse_digits(
        "predict", "--json", "--C", _champion_C(project), "digits.npy", cwd=project
    ).stdout
    labels = [answer["label"] for answer in json.loads(printed)]
    assert len(set(labels)) == 10
    frame = pd.DataFrame(rows["test_images"][:100].astype(dtype))
    for body in (
        {"inputs": frame.to_numpy().tolist()},
        {"dataframe_split": frame.to_dict(orient="split")},
        {"dataframe_records": frame.to_dict(orient="records")},
    ):
        assert ask(json.dumps(body)) == (200, {"predictions": labels})
    assert ask(frame.to_csv(index=False), "text/csv") == (200, {"predictions": labels})


def _champion_C(project):
    known, champion = versions(project)
    return known[champion]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"inputs": [[0, 1, 2]]}, "Failed to enforce schema of data"),
        ({"dataframe_split": {"data": [[0, 1]]}}, "Failed to enforce schema of data"),
        ({"inputs": [["a"] * 64]}, "could not convert string to float: 'a'"),
    ],
)
def test_wrong_input_is_answered_by_400_and_the_reason(body, message, ask):
    status, answer = ask(json.dumps(body))
    assert status == 400
    assert message in answer["message"]
