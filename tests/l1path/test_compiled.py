"""What is compiled once, where it is kept, and what happens where it cannot be kept."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
CALL = "import numpy as np; from l1path import kernels; print(kernels.dot(np.ones(3), np.ones(3)))"
NOTICE = "l1path: compiling the path solver"


def start(checkout, **environment):
    """A process that calls one kernel of the code in `checkout`."""
    kept = {k: v for k, v in os.environ.items() if k not in {"XDG_CACHE_HOME", "NUMBA_CACHE_DIR"}}
    return subprocess.Popen(
        [sys.executable, "-c", CALL],
        env={**kept, "PYTHONPATH": str(checkout), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process):
    out, err = process.communicate(timeout=120)
    assert out == "3.0\n", err
    return err


@pytest.fixture
def checkouts(tmp_path):
    return [Path(shutil.copytree(SRC, tmp_path / name)) for name in ("one", "two")]


def test_a_second_process_and_another_checkout_compile_nothing(checkouts, tmp_path):
    home = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    err = said(start(checkouts[0], **home))
    assert err.count("\n") == 1
    assert err.startswith(NOTICE)
    assert said(start(checkouts[0], **home)) == ""
    assert said(start(checkouts[1], **home)) == ""


def test_changed_code_is_compiled_again(checkouts, tmp_path):
    home = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    said(start(checkouts[0], **home))
    with (checkouts[1] / "l1path" / "kernels.py").open("a") as file:
        file.write("# another content\n")
    assert NOTICE in said(start(checkouts[1], **home))


@pytest.mark.parametrize("home", [{"HOME": "/dev/null"}, {"XDG_CACHE_HOME": "/dev/null/none"}])
def test_where_nothing_can_be_kept_it_compiles_for_the_process(home):
    assert "for this process only" in said(start(SRC, **home))


def test_a_damaged_cache_is_made_anew(checkouts, tmp_path):
    home = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    said(start(checkouts[0], **home))
    for file in (tmp_path / "cache").rglob("*.nb*"):
        file.write_bytes(b"")
    assert NOTICE in said(start(checkouts[0], **home))
    assert said(start(checkouts[0], **home)) == ""


@pytest.mark.slow
def test_four_processes_may_compile_at_once(checkouts, tmp_path):
    home = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    for process in [start(checkouts[0], **home) for _ in range(4)]:
        said(process)
    assert said(start(checkouts[1], **home)) == ""
