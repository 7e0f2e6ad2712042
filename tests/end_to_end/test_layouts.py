"""`sweep` and `demo` wherever the project lies in its git repository."""

import shutil

import pytest

from dvc_mlflow import records
from layouts import LAYOUTS, place


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_sweep_and_a_demo_have_their_records_in_the_project(
    layout, swept, tmp_path, monkeypatch, git, sparse_digits
):
    """The sweep is computed already: it is the last part of the command that looks at the repository."""
    project = place(layout, swept, tmp_path / "layout")
    shutil.rmtree(project / "records")
    git("add", "--all", cwd=project)
    git("commit", "--quiet", "--allow-empty", "--message", "Swept", cwd=project)
    monkeypatch.setenv("RECORDS_ONLY", "yes")

    printed = sparse_digits("sweep", cwd=project).stdout
    assert "Running stage" not in printed
    assert f"Pictures: {project}/sweep/report.md\n" in printed
    done = sparse_digits("demo", cwd=project)
    assert done.stdout.endswith(f"Picture: {project}/demo/coefficients.png\n")
    assert "warning" not in (done.stdout + done.stderr).lower()
    assert git("status", "--porcelain", cwd=project) == ""

    sweep, demo = map(records.read_record, records.record_folders(project))
    assert (sweep.experiment, sweep.stage) == ("sparse-digits", "sweep/dvc.yaml:report")
    assert (demo.experiment, demo.stage) == ("sparse-digits-demo", "evaluate")
    head = git("rev-parse", "HEAD", cwd=project).strip()
    assert demo.code == {"commit": head, "dirty": False}
