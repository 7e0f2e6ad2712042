"""What a program does before it imports a library, and that importing the package does nothing."""

import ast
import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import imports
from commands import LONG
from sparse_digits.runtime import entry

SRC = Path(__file__).parents[3] / "src"
STAGES = [
    *(f"sparse_digits.{name}" for name in ("fetch", "split", "scale", "train", "evaluate")),
    *(f"sparse_digits.sweep.{name}" for name in ("sweep", "baselines", "report")),
]


def test_outside_the_environment_the_message_says_how_to_use_it():
    done = subprocess.run(
        [sys.executable, "-S", "-m", "sparse_digits.split", "raw.npz", "split.npz"],  # -S: no site-packages
        env={"PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"sparse-digits: {sys.executable} lacks the project's libraries.\n"
        "Use `make repro`, or put the environment first on PATH: . .venv/bin/activate\n"
    )


@pytest.mark.parametrize(
    ("module", "base", "missing"),
    [
        ("sparse_digits.train", entry.ADDRESS_SPACE, 1),
        ("sparse_digits.train", entry.ADDRESS_SPACE, 0),
        ("sparse_digits.sweep.report", entry.ADDRESS_SPACE_OF_SWEEP, 1),
        ("sparse_digits.cli", 0, 0),
    ],
)
def test_a_stage_that_ulimit_leaves_too_little_address_space_ends_before_it_imports_a_library(
    module, base, missing
):
    """Elsewhere OpenBLAS would repeat a failing allocation forever, or LLVM would abort."""
    needed = base + entry.ADDRESS_SPACE_OF_THREAD * entry.blas_threads()
    limit = (needed - missing) * 10**6
    done = subprocess.run(
        [sys.executable, "-m", module],
        env={"PYTHONPATH": str(SRC)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    message = (
        f"{module}: expected {needed:,} MB of address space or more, got {needed - 1:,} MB (ulimit -v). "
        f"To raise the limit: ulimit -v {needed * 1000}\n"
    )
    assert done.stderr == message if missing else done.stderr.startswith("usage: ")


def test_the_threads_of_blas_are_those_of_the_processors_or_of_its_variables(monkeypatch):
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(100))
    assert entry.blas_threads() == entry.MAX_THREADS
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert entry.blas_threads() == 3
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    assert entry.blas_threads() == 2


def test_importing_a_module_of_the_package_changes_nothing_in_another_program():
    code = (
        "import signal; before = signal.getsignal(signal.SIGINT); "
        "import sparse_digits.split, sparse_digits.cli; "
        "assert signal.getsignal(signal.SIGINT) is before"
    )
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(SRC)}, check=True)


def test_importing_the_package_runs_no_code():
    (docstring,) = ast.parse((SRC / "sparse_digits/__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr)


@pytest.mark.parametrize("module", [*STAGES, "sparse_digits.cli", "sparse_digits.runtime.stage_harness"])
def test_a_program_imports_entry_before_any_library(module):
    """It does so itself or by its first import beyond the standard library, which is the stage harness."""
    names = imports.imported_names(module)
    first = next(name for name in names if name.partition(".")[0] not in sys.stdlib_module_names)
    assert first.startswith(("sparse_digits.runtime.entry", "sparse_digits.runtime.stage_harness"))


def test_entry_imports_no_library():
    assert imports.closure("sparse_digits.runtime.entry") == {"sparse_digits.runtime.entry"}
    assert not imports.third_party_imports("sparse_digits.runtime.entry")


def test_a_stage_that_draws_prints_nothing_of_a_home_folder_that_cannot_be_written():
    done = subprocess.run(
        [sys.executable, "-m", "sparse_digits.evaluate"],
        env={"PYTHONPATH": str(SRC), "HOME": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
    assert "atplotlib" not in done.stderr


def interrupted(tmp_path, words, module, meanwhile="time.sleep(60)"):
    """Return the status and the output of a program that ctrl-C meets while it imports `module`."""
    (tmp_path / f"{module}.py").write_text(f"import time; print('begun', flush=True); {meanwhile}")
    path = os.pathsep.join(map(str, [tmp_path, SRC]))
    with subprocess.Popen(
        words,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=SRC.parent,
    ) as program:
        assert program.stdout.readline() == "begun\n"
        program.send_signal(signal.SIGINT)
        return program.wait(), program.stdout.read()


@pytest.mark.parametrize(
    ("words", "module"),
    [
        (["-m", "sparse_digits.scale", "split.npz", "scaled.npz"], "numpy"),
        (["-m", "sparse_digits.cli", "check"], "filelock"),
        ([Path(sys.executable).with_name("sparse-digits"), "check"], "filelock"),
    ],
)
def test_ctrl_c_while_a_program_imports_ends_it_silently(tmp_path, words, module):
    assert interrupted(tmp_path, [sys.executable, *words], module) == (-signal.SIGINT, "")


def test_ctrl_c_while_a_command_imports_what_it_needs_ends_it_with_one_word(tmp_path):
    words = [sys.executable, "-m", "sparse_digits.cli", "check"]
    assert interrupted(tmp_path, words, "pydantic") == (130, "\ninterrupted\n")


def runs(process):
    """Return whether a process runs. Its new parent may be slow to remove one that has ended."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("under_dvc", [True, False])
def test_a_stage_whose_dvc_is_killed_ends_with_it_and_another_program_does_not(tmp_path, under_dvc):
    (tmp_path / "numpy.py").write_text("import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, [tmp_path, SRC]))}
    environment.pop("DVC_STAGE", None)
    if under_dvc:
        environment["DVC_STAGE"] = "scale"
    words = ["sh", "-c", '"$@" && true', "sh", sys.executable, "-m", "sparse_digits.scale", "a.npz", "b.npz"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        stage = psutil.Process(int(parent.stdout.readline()))
        assert stage.ppid() == parent.pid
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + (LONG if under_dvc else 0.5)
        try:
            while runs(stage) and time.monotonic() < deadline:
                time.sleep(0.02)
            assert runs(stage) != under_dvc
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                stage.kill()


def test_a_program_whose_caller_ignores_ctrl_c_ignores_it_too(tmp_path):
    words = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-m", "sparse_digits.cli", "check"]
    assert interrupted(tmp_path, words, "pydantic", "time.sleep(1); raise SystemExit(3)") == (3, "")
