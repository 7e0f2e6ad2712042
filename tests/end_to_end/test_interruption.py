"""Sweeps that are killed, interrupted or fail in part: checkpoints, messages, and how to resume."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from commands import LONG, run
from interrupted_sweep import (
    OUTPUTS,
    SEEDS,
    children_of,
    finish,
    finish_here,
    finished,
    names,
    outputs,
    start,
)
from projects import ROOT
from sparse_digits.sweep import checkpoints
from sweeps import SAGA, change


@pytest.mark.slow(30)
def test_a_sweep_killed_twice_repeats_no_finished_path_and_ends_in_the_same_bytes(folder, monkeypatch):
    assert finish_here(folder, monkeypatch) == names(*SEEDS)
    expected = outputs(folder)
    for name in OUTPUTS:
        (folder / name).unlink()  # as DVC does
    moments = random.Random(7)  # noqa: S311 - not for secrets
    for least_finished in (1, 7):
        before = finished(folder)
        with start(folder) as program:
            while len(finished(folder)) < least_finished:
                assert program.poll() is None
                time.sleep(0.01)
            time.sleep(moments.uniform(0, 0.15))
            os.killpg(program.pid, signal.SIGKILL)
        assert set(before) <= set(finished(folder))
        assert least_finished <= len(finished(folder)) <= 12
    checkpointed = finished(folder)
    printed, begun = finish(folder)
    assert f"{len(checkpointed)} of 12 paths from checkpoints" in printed
    assert begun == sorted(set(names(*SEEDS)) - set(checkpointed))
    assert outputs(folder) == expected
    assert not (folder / "checkpoints").exists()


@pytest.mark.parametrize(
    ("seeds", "number"),
    [([0], signal.SIGTERM), (SEEDS, signal.SIGINT)],
    ids=["in one process", "in workers"],
)
def test_a_signal_ends_a_sweep_in_the_middle_of_a_fit(folder, seeds, number):
    # A fit by compiled code that takes minutes, which Python itself cannot interrupt.
    change(folder / "params.yaml", sweep={"split_seeds": seeds, "tol": 1e-14, "max_iter": 10**7})
    with start(folder, first="pass") as program:
        while not (folder / "begun.txt").exists():
            time.sleep(0.02)
        time.sleep(0.3)
        children = psutil.Process(program.pid).children(recursive=True)
        program.send_signal(number)
        printed = program.communicate(timeout=60)[1]  # the fit would take longer
        assert "resource_tracker" not in printed
        assert program.returncode == 128 + number
        assert (
            f"0 of {len(seeds)} paths are finished and saved. To continue: dvc repro sweep/dvc.yaml"
            in printed
        )
        psutil.wait_procs(children, LONG)
        assert not [child for child in children if child.is_running()]


def test_the_message_after_ctrl_C_has_the_number_of_finished_paths(folder, monkeypatch):
    with start(folder, first="time.sleep(3600 if replicate.split_seed > 3 else 0)") as program:
        while len(finished(folder)) < 4:
            time.sleep(0.02)
        time.sleep(0.3)
        program.send_signal(signal.SIGINT)
        printed = program.communicate()[1]
    assert "4 of 12 paths are finished and saved. To continue: dvc repro sweep/dvc.yaml" in printed
    assert finish_here(folder, monkeypatch) == names(*SEEDS[4:])


def test_a_sweep_whose_standard_error_is_closed_ends_after_a_signal_too(folder):
    with start(folder, first="time.sleep(3600)") as program:
        while len(children_of(program)) < 3:  # joblib's tracker and two workers
            time.sleep(0.05)
        time.sleep(1)
        program.stderr.close()
        program.send_signal(signal.SIGTERM)
        assert program.wait(LONG) == 128 + signal.SIGTERM


FAILURES = {  # by split seed
    3: ("__import__('numpy').ones(10**14)", "Unable to allocate"),
    5: (
        "import os; os.kill(os.getpid(), 9)",
        "its worker process was killed, most likely because memory ran out: lower sweep.train_sizes",
    ),
    7: ("raise AssertionError('a fault')", "AssertionError: a fault"),
}


def test_paths_that_fail_are_reported_and_the_others_are_checkpointed(folder, monkeypatch):
    statements = {seed: statement for seed, (statement, _) in FAILURES.items()}
    printed, _ = finish(folder, f"exec({statements}.get(replicate.split_seed, 'pass'))", status=2)
    for seed, (_, reason) in FAILURES.items():
        reported = printed.partition(f"path rows-1000-seed-{seed} failed: ")[2]
        assert reason in reported.partition("path rows-")[0]
    assert "3 of 12 paths failed. 9 of 12 paths are finished and saved. To continue: dvc repro" in printed
    assert finished(folder) == names(*set(SEEDS) - set(FAILURES))
    assert not any((folder / name).exists() for name in OUTPUTS)
    assert finish_here(folder, monkeypatch) == names(*FAILURES)


def test_a_folder_for_checkpoints_that_cannot_be_written_ends_the_sweep_with_one_line(folder):
    change(folder / "params.yaml", sweep={"split_seeds": [0, 1, 2]})
    program = [sys.executable, "-m", "sparse_digits.sweep.sweep", "raw.npz", "/proc/checkpoints", *OUTPUTS]
    printed = run(*program, cwd=folder, status=2, PYTHONPATH=str(ROOT / "src")).stderr
    assert printed == "/proc/checkpoints: No such file or directory\n"


def test_a_checkpoint_is_used_only_by_the_same_code_and_inputs(tmp_path, monkeypatch):
    part = {"C": np.ones(2)}
    store = checkpoints.Checkpoints(tmp_path, ["data", 1])
    store.put("one", part)
    assert store.get("one")["C"].tolist() == [1, 1]
    assert store.get("other") is None
    assert checkpoints.Checkpoints(tmp_path, ["data", 2]).get("one") is None
    monkeypatch.setattr(checkpoints, "code_digest", lambda: "another")
    assert store.get("one") is None
    monkeypatch.undo()
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(file.read_bytes()[:100])
    assert store.get("one") is None


def test_the_code_digest_covers_this_package_and_its_libraries(monkeypatch, tmp_path):
    once = checkpoints.code_digest()
    monkeypatch.setattr(checkpoints, "LIBRARIES", checkpoints.LIBRARIES[1:])
    checkpoints.code_digest.cache_clear()
    assert checkpoints.code_digest() != once
    monkeypatch.undo()
    source = tmp_path / "a.py"
    source.write_text("1")
    monkeypatch.setattr(checkpoints, "__file__", str(source))
    checkpoints.code_digest.cache_clear()
    first = checkpoints.code_digest()
    source.write_text("2")
    checkpoints.code_digest.cache_clear()
    assert checkpoints.code_digest() != first
    monkeypatch.undo()
    checkpoints.code_digest.cache_clear()
    assert checkpoints.code_digest() == once


@pytest.mark.parametrize("seeds", [[0], [0, 1]], ids=["in one process", "in workers"])
def test_ctrl_C_in_the_baselines_leaves_no_table_of_a_half_trained_network(folder, seeds):
    change(folder / "params.yaml", sweep={"split_seeds": seeds})
    first = "import time; from sklearn.neural_network import MLPClassifier as M; fit = M.fit\n"
    first += "M.fit = lambda *a: (open('begun.txt', 'w').close(), fit(*a))[1]\n" if len(seeds) == 1 else ""
    program = (
        first + "from sparse_digits.sweep import baselines; baselines.main(['raw.npz', 'baselines.csv'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as program:
        while not ((folder / "begun.txt").exists() if len(seeds) == 1 else len(children_of(program)) > 2):
            assert program.poll() is None
            time.sleep(0.01)
        os.killpg(program.pid, signal.SIGINT)  # as a terminal does
        printed = program.communicate(timeout=LONG)[1]  # a worker that is left would keep it open
    words = "\nbaselines: interrupted. To continue: dvc repro sweep/dvc.yaml\n"
    assert printed.endswith(words)
    assert (
        printed == words or len(seeds) > 1
    )  # a worker that is just starting may print a message of Python's
    assert program.returncode == 128 + signal.SIGINT
    assert not (folder / "baselines.csv").exists()


@pytest.mark.slow(20)
def test_ctrl_C_ends_dvc_too_and_the_sweep_can_be_resumed(computed, dvc):
    change(computed / "params.yaml", sweep={"split_seeds": [0, 1], **SAGA, "tol": 1e-14, "max_iter": 10**7})
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "sweep/dvc.yaml"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as program:
        while not any("loky" in " ".join(child.cmdline()) for child in children_of(program)):
            assert program.poll() is None
            time.sleep(0.05)
        time.sleep(2)  # until the workers are fitting
        os.killpg(program.pid, signal.SIGINT)  # as a terminal does
        printed = program.communicate(timeout=LONG)[1]
    assert "0 of 2 paths are finished and saved. To continue: dvc repro sweep/dvc.yaml" in printed
    change(computed / "params.yaml", sweep=SAGA)
    dvc("repro", "sweep/dvc.yaml:sweep")
    assert Path("sweep/sweep.csv").exists()


STARTING = """\
import os, time
from joblib.externals.loky.backend.fork_exec import fork_exec
import psutil
from sparse_digits.runtime import signals
children = psutil.Process.children
def slowly_listed(process, recursive):
    found = children(process, recursive)
    time.sleep(0.25)
    return found
psutil.Process.children = slowly_listed
with signals.exit_on_interrupt(lambda: "interrupted"):
    for _ in range(20):
        fork_exec(["/bin/sleep", "60"], [])
        os.write(1, b"started ")
        time.sleep(0.3)
"""


def test_no_worker_that_joblib_starts_meanwhile_outlives_a_signal():
    with subprocess.Popen(
        [sys.executable, "-c", STARTING],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as program:
        program.stdout.read(len("started ") * 3)
        program.send_signal(signal.SIGTERM)
        assert program.wait(LONG) == 128 + signal.SIGTERM
    deadline = time.monotonic() + 30  # those that were killed end a moment later
    while (running := running_in_session(program.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running


def running_in_session(leader):
    """Return the processes of a session that are no zombies."""
    running = []
    for process in psutil.process_iter(["status"]):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(process.pid) == leader and process.info["status"] != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running
