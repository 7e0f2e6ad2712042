"""A lack of memory ends a stage with what would have fitted; a likely one is a warning before the work."""

import re
import resource
import subprocess
import sys

from sparse_digits.runtime.stage_harness import stage_harness

import pytest

from projects import ROOT
from sparse_digits.runtime import memory
from sparse_digits.runtime.memory import RowsInMemory

MNIST = RowsInMemory("mnist_784", "split.train_size", 50_000)


@pytest.fixture
def limit(monkeypatch):
    return lambda number: monkeypatch.setattr(memory, "memory_limit", lambda: number)


def test_a_shortage_is_reported_with_the_rows_that_fit(limit):
    limit(900_000_000)
    shortage = MNIST.shortage()
    assert shortage == (
        "expected about 1,036 MB for 50,000 training rows, got 900 MB. "
        "About 39,700 rows fit: lower split.train_size"
    )
    assert RowsInMemory("mnist_784", "split.train_size", 39_700).shortage() == ""
    limit(300_000_000)
    assert MNIST.shortage().endswith("got 300 MB. Free memory")


def test_what_is_unknown_is_no_shortage(limit):
    limit(1)
    assert RowsInMemory("a folder of the user's own", "split.train_size", 10**9).shortage() == ""


def test_the_limit_is_the_least_of_machine_container_and_shell(tmp_path, monkeypatch):
    without = memory.memory_limit()
    monkeypatch.setattr(memory, "CONTAINER_LIMIT", tmp_path / "memory.max")
    (tmp_path / "memory.max").write_text("1000\n")
    assert memory.memory_limit() == 1000 < without
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.memory_limit() > 1000
    code = "from sparse_digits.runtime.memory import memory_limit; print(memory_limit())"
    below = 2_000_000_000
    printed = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (below, below)),
        cwd=ROOT / "src",
        capture_output=True,
        check=True,
    ).stdout
    assert int(printed) < below


@pytest.fixture
def many_rows(tmp_path, monkeypatch):
    """A working directory whose params have 50,000 training rows."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("train_size: 5000 ", "train_size: 50000 "))
    return tmp_path


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError("Unable to allocate 299. MiB"), "Unable to allocate 299. MiB"),
        (MemoryError(), "no size is known"),
        (RuntimeError("can't start new thread"), "can't start new thread"),
    ],
)
def test_a_stage_without_memory_ends_with_one_message(many_rows, capsys, limit, error, reason):
    limit(900_000_000)
    shortage = MNIST.shortage()
    with pytest.raises(SystemExit) as end, stage_harness("train", many_rows / "model.npz"):
        raise limit(1) or error  # what is measured now would mislead
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        f"warning: train: memory may run out: {shortage}\ntrain: memory ran out ({reason}): {shortage}\n"
    )


def test_a_thread_that_cannot_start_where_memory_is_not_short_is_an_error_of_the_program(many_rows, limit):
    limit(10**12)
    with pytest.raises(RuntimeError, match="thread"), stage_harness("train", many_rows / "model.npz"):
        raise RuntimeError("can't start new thread")


def test_a_stage_with_a_model_loads_blas_before_its_rows_fill_the_memory(many_rows):
    """OpenBLAS loads for ever once memory is full: numba and scikit-learn import it at their first call."""
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from sparse_digits.runtime.stage_harness import stage_harness\n"
        "for stage in 'scale', 'train':\n"
        "    with stage_harness(stage, Path(stage)):\n"
        "        Path(stage).touch(); print('scipy.linalg' in sys.modules)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, check=True
    ).stdout
    assert printed == b"False\nTrue\n"


def test_processes_that_the_kernel_killed_for_memory_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "KERNEL_COUNTERS", tmp_path / "vmstat")
    assert memory.killed_for_memory() == 0  # on another system
    (tmp_path / "vmstat").write_text("nr_free_pages 12\noom_kill 3\n")
    assert memory.killed_for_memory() == 3


@pytest.mark.parametrize(("stage", "fault"), [("fetch", r"memory ran out \(x\)"), ("sweep", "sweep: .*5000")])
def test_rows_that_no_param_or_another_one_limits_are_not_blamed_on_the_split(
    tmp_path, monkeypatch, capsys, limit, stage, fault
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    limit(10**12)
    with pytest.raises(SystemExit), stage_harness(stage, tmp_path / "x.npz"):
        raise MemoryError("x")
    assert re.fullmatch(fault + ".*\n", printed := capsys.readouterr().err)
    assert "split.train_size" not in printed
