"""The package is usable alone: its wheel, its declared dependencies and its README suffice."""

import os
import re

import pytest
from mlflow import MlflowClient

import tracking
from commands import run
from dvc_mlflow.files import md5
from projects import ROOT
from wheels import build_wheel, fresh_environment

README = (ROOT / "packaging/dvc_mlflow/README.md").read_text(encoding="utf-8")


def block(language):
    """Return the first code block of the README in this language."""
    return re.search(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)[1]


@pytest.mark.slow
def test_the_readme_example_runs_where_only_the_wheel_and_its_dependencies_are_installed(tmp_path, store):
    python = fresh_environment(tmp_path / "environment", build_wheel("dvc_mlflow", tmp_path))
    alone = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": ""}
    folder = tmp_path / "numbers"
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(store.read_bytes())
    (folder / "dvc.yaml").write_text(block("yaml"))
    (folder / "params.yaml").write_text("scale: 2\n")
    run("git", "init", "--quiet", cwd=folder)
    run(python, "-m", "dvc", "init", "--quiet", cwd=folder, **alone)
    printed = run("sh", "-ec", block("bash"), cwd=folder, **alone).stdout
    assert "workspace: fit is recorded\n" in printed
    assert printed.endswith("Every result has its record and its run.\n")

    (shown,) = tracking.shown(folder)["numbers"]
    assert (shown["name"], shown["status"]) == ("fit", "FINISHED")
    assert shown["params"] == {"scale": "2"}
    assert shown["metrics"] == {"mean": 21, "curve/y": 40}
    assert shown["artifacts"] == ["curve.csv", "metrics.json", "model.txt", "record.json"]
    assert shown["data"] == [("numbers.txt", md5(folder / "numbers.txt"))]
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (one,) = client.search_runs([client.get_experiment_by_name("numbers").experiment_id])
    for path in ("curve.csv", "model.txt"):
        downloaded = client.download_artifacts(one.info.run_id, path, str(tmp_path))
        assert md5(tmp_path / downloaded) == md5(folder / path)
    failed = run(python, "-c", "import sparse_digits", cwd=tmp_path, status=1, **alone)
    assert "No module named 'sparse_digits'" in failed.stderr
