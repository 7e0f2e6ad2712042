"""`dvc repro` as the commands run it: what they check before it, and how it ends."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

from commands import LONG
from dvc_mlflow.errors import UserError
from projects import ROOT
from sparse_digits.commands import pipelines
from sparse_digits.runtime import memory

STAGE = "stages:\n  long:\n    cmd: echo $$ > begun && exec sleep 600\n    outs: [never]\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "expected stages, got none"),
        ("- a\n", "expected stages, got none"),
        ("stages: 3\n", "expected stages, got none"),
        ("stages: [\n", "expected YAML, but while parsing .*line 2"),
        ("stages: {train: {cmd: x}}\n", "expected the stage evaluate, got train"),
    ],
)
def test_a_dvc_yaml_without_the_last_stage_is_reported_before_dvc_runs(tmp_path, text, fault):
    """DVC itself runs the pipelines of the folders below, the sweep, where dvc.yaml has no stage."""
    path = tmp_path / "dvc.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=f"^{path}: {fault}"):
        pipelines.require_stages(path, pipelines.RESULT)


def test_the_stages_that_the_commands_print_results_of_are_declared():
    pipelines.require_stages(ROOT / "dvc.yaml", pipelines.RESULT)
    pipelines.require_stages(ROOT / pipelines.SWEEP, pipelines.SWEEP_RESULT.rpartition(":")[2])


def test_a_list_of_locked_paths_that_a_full_disk_cut_off_is_reported_with_the_command(folder, capfd):
    (folder / "dvc.yaml").write_text(STAGE.replace("exec sleep 600", "touch never"))
    (folder / ".dvc" / "tmp").mkdir()
    (folder / ".dvc" / "tmp" / "rwlock").write_text('{"cut o')
    with pytest.raises(SystemExit) as end:
        pipelines.dvc_repro(folder)
    assert end.value.code == 255
    command = re.search(r"Once no other dvc runs here: rm (\S+)\n$", capfd.readouterr().err)[1]
    (folder / command).unlink()
    pipelines.dvc_repro(folder)
    assert (folder / "never").exists()


@pytest.mark.parametrize("killed", [0, 1])
def test_a_stage_that_was_killed_because_memory_ran_out_is_reported(folder, monkeypatch, capfd, killed):
    """DVC's message has its status alone; Linux counts the processes that it kills for that reason."""
    dvc = folder / "dvc"
    dvc.write_text(f"#!/bin/sh\necho oom_kill {4 + killed} > vmstat\necho exited with -9 >&2\nexit 255\n")
    dvc.chmod(0o700)
    (folder / "vmstat").write_text("oom_kill 4\n")
    monkeypatch.setattr(memory, "KERNEL_COUNTERS", folder / "vmstat")
    monkeypatch.setattr(sys, "executable", str(dvc))
    with pytest.raises(SystemExit) as end:
        pipelines.dvc_repro(folder)
    assert end.value.code == 255
    assert capfd.readouterr().err == "exited with -9\n" + f"{pipelines.KILLED}\n" * killed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.slow
def test_a_signal_leaves_no_stage_behind_and_its_number_in_the_status(folder, number):
    """SIGTERM reaches the program, as of `make` or a container that ends; SIGKILL reaches DVC itself."""
    (folder / "dvc.yaml").write_text(STAGE)
    code = "import pathlib, sparse_digits.commands.pipelines as p; p.dvc_repro(pathlib.Path.cwd())"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen([sys.executable, "-c", code], cwd=folder, env=environment) as program:
        while not (folder / "begun").exists() or not (folder / "begun").read_text().strip():
            assert program.poll() is None
            time.sleep(0.05)
        stage = psutil.Process(int((folder / "begun").read_text()))
        try:
            target = program if number == signal.SIGTERM else psutil.Process(program.pid).children()[0]
            target.send_signal(number)
            assert program.wait(LONG) == 128 + number
            if number == signal.SIGTERM:
                psutil.wait_procs([stage], LONG)
                assert not stage.is_running()
        finally:
            with contextlib.suppress(psutil.Error):
                stage.kill()
