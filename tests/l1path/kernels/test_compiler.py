"""Kernels are compiled once for a machine and a source, also where the cache is damaged or not writable."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from projects import ROOT

SRC = ROOT / "src"
CALL = """
import numpy as np
from l1path import kernels
R, in_class, s = np.array([[0.5, 0.5], [0, 0]]), np.array([[False] * 2, [True] * 2]), np.ones(2)
print(kernels.intercept_hessian(R, in_class, s)[0, 0])
"""
NOTICE = "l1path: compiling the path solver"


def start(checkout, before="", **environment):
    """Start a process that calls `intercept_hessian`, which calls `dot` and `total` of another module.

    before : what it runs first.
    """
    inherited = {k: v for k, v in os.environ.items() if k not in {"XDG_CACHE_HOME", "NUMBA_CACHE_DIR"}}
    return subprocess.Popen(
        [sys.executable, "-c", before + CALL],
        env={**inherited, "PYTHONPATH": str(checkout), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def notice(process, result="0.5"):
    """Return the standard error of a process that printed `result`."""
    out, err = process.communicate(timeout=300)
    assert out == f"{result}\n", err
    return err


@pytest.fixture
def checkouts(tmp_path):
    """Two folders with the package."""
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        shutil.copytree(SRC / "l1path", folder / "l1path", ignore=shutil.ignore_patterns("__pycache__"))
    return folders


@pytest.fixture
def cache(tmp_path):
    """An environment variable that moves the cache to an empty folder."""
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A cache that a first process filled, and what that printed. Not to be changed."""
    folder = tmp_path_factory.mktemp("compiled")
    return folder / "cache", notice(start(SRC, XDG_CACHE_HOME=str(folder / "cache")))


@pytest.fixture
def filled(compiled, cache):
    """Like `cache`, with a copy of `compiled` in the folder."""
    shutil.copytree(compiled[0], cache["XDG_CACHE_HOME"])
    return cache


def test_the_first_process_says_that_it_compiles(compiled):
    assert compiled[1].count("\n") == 1
    assert compiled[1].startswith(NOTICE)


def test_a_second_process_and_another_checkout_compile_nothing(checkouts, filled):
    assert notice(start(SRC, **filled)) == ""
    assert notice(start(checkouts[1], **filled)) == ""


def test_a_change_in_a_called_kernel_compiles_its_callers_again(checkouts, filled):
    file = checkouts[1] / "l1path/kernels/elementary.py"
    source = file.read_text()
    assert source.count("total = sum_lanes(lanes)") == 1  # in `dot`
    file.write_text(source.replace("total = sum_lanes(lanes)", "total = sum_lanes(lanes) - 1"))
    assert NOTICE in notice(start(checkouts[1], **filled), result="1.5")


def test_environments_with_two_versions_of_numba_keep_what_each_compiled(filled):
    assert NOTICE in notice(start(SRC, "import numba; numba.__version__ = '0.68'", **filled))
    assert notice(start(SRC, **filled)) == ""


def test_importing_the_package_touches_no_cache(tmp_path, cache):
    code = "import l1path.kernels, l1path.path"
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(SRC), **cache}, check=True
    )
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("home", [{"HOME": "/dev/null"}, {"XDG_CACHE_HOME": "/dev/null/none"}])
def test_without_a_writable_cache_the_kernels_are_compiled_for_the_process(home):
    assert "for this process only" in notice(start(SRC, **home))


def test_a_damaged_cache_is_replaced(filled):
    files = list(Path(filled["XDG_CACHE_HOME"]).rglob("*.nb*"))
    assert files
    for file in files:
        file.write_bytes(b"")
    assert NOTICE in notice(start(SRC, **filled))
    assert notice(start(SRC, **filled)) == ""


@pytest.mark.slow
def test_processes_may_compile_at_the_same_time(checkouts, cache):
    for process in [start(checkouts[0], **cache) for _ in range(2)]:
        notice(process)
    assert notice(start(checkouts[1], **cache)) == ""
