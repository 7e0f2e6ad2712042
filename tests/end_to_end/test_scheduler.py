"""The sweep on a Dask cluster: a real scheduler and two workers on loopback."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from commands import run
from interrupted_sweep import OUTPUTS, SEEDS, command, finish_here, finished, names, outputs
from projects import ROOT
from sparse_digits.sweep import parallel, sweep
from sweeps import SAGA, change

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="the package distributed is not installed"
)


@contextmanager
def running(module, *arguments, cwd):
    """Run a program of Dask's until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.{module}", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *filter(None, sys.path)])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and two workers: its address, their processes and the folder in which they run."""
    place = tmp_path_factory.mktemp("cluster")
    file = place / "scheduler.json"
    here = ["--scheduler-file", str(file), "--no-dashboard"]
    with running("dask_scheduler", *here, "--host", "127.0.0.1", "--port", "0", cwd=place):
        while not file.exists():
            time.sleep(0.05)
        worker = ["--nthreads", "1", "--no-nanny", "--host", "127.0.0.1"]
        with (
            running("dask_worker", *here, *worker, cwd=place) as one,
            running("dask_worker", *here, *worker, cwd=place) as other,
        ):
            yield json.loads(file.read_text())["address"], (one, other), place


@pytest.mark.slow(30)
def test_the_command_computes_the_paths_on_the_cluster_and_writes_the_same_bytes_as_one_machine(
    cluster, computed, sparse_digits, tmp_path, monkeypatch
):
    change(computed / "params.yaml", sweep={"C": [0.02, 0.05], "split_seeds": [0, 1], **SAGA})
    monkeypatch.setattr(parallel, "cpu_count", lambda: 1)  # in this process
    sweep.main(["data/raw.npz", *(str(tmp_path / name) for name in ("checkpoints", *OUTPUTS))])
    printed = sparse_digits("sweep", "--scheduler", cluster[0], cwd=computed, RECORDS_ONLY="1").stderr
    assert "sweep: 4 of 4 points" in printed
    for name in OUTPUTS:
        assert (computed / "sweep" / name).read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.slow(20)
def test_a_sweep_on_a_cluster_that_loses_a_worker_writes_the_same_bytes(cluster, folder, monkeypatch):
    finish_here(folder, monkeypatch)
    expected = outputs(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), *filter(None, sys.path)]))
    address, workers, place = cluster
    with subprocess.Popen(
        command("time.sleep(0.5)"),
        cwd=folder,
        env=os.environ | {"SPARSE_DIGITS_SCHEDULER": address},
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        while len(finished(folder)) < 4:
            assert program.poll() is None, program.stderr.read()
            time.sleep(0.05)
        checkpointed = finished(folder)
        workers[0].send_signal(signal.SIGKILL)
        printed = program.communicate()[1]
    assert program.returncode == 0, printed
    assert outputs(folder) == expected
    begun = (place / "begun.txt").read_text().split()
    assert sorted(set(begun)) == names(*SEEDS)
    assert [name for name in checkpointed if begun.count(name) > 1] == []


def test_a_sweep_names_a_scheduler_that_does_not_answer(folder):
    environment = {
        "SPARSE_DIGITS_SCHEDULER": "tcp://127.0.0.1:9",
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s",
        "PYTHONPATH": str(ROOT / "src"),
    }
    printed = run(*command("pass"), cwd=folder, status=2, **environment).stderr
    assert "--scheduler: expected a Dask scheduler with workers at tcp://127.0.0.1:9, but " in printed
    assert "Traceback" not in printed
