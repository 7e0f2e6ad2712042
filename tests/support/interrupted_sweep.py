"""The stage `sweep`, delayed or made to fail by a test."""

import contextlib
import os
import subprocess
import sys

import psutil
import pytest

from commands import run
from projects import ROOT
from sparse_digits.datasets.load import load_dataset
from sparse_digits.runtime import npz
from sparse_digits.sweep import parallel, sweep
from sweeps import MADE_WITH, SAGA, change

SEEDS = list(range(12))
OUTPUTS = ("sweep.csv", "models.npz", "chosen.json")
ARGUMENTS = ("raw.npz", "checkpoints", *OUTPUTS)

# The stage itself, but each path first runs a statement of the test and appends its name to begun.txt.
PROGRAM = """\
import os, signal, sys, time
from sparse_digits.sweep import sweep
path = sweep.path
def logged_path(replicate, *arguments, **options):
    {first}
    with open("begun.txt", "a") as file:
        file.write(replicate.name + "\\n")
    return path(replicate, *arguments, **options)
sweep.path = logged_path
sweep.main(sys.argv[1:])
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with params.yaml and raw.npz of digits, for a sweep over twelve seeds."""
    images, labels = load_dataset("digits", mirror=None)
    npz.write_npz(tmp_path / "raw.npz", MADE_WITH, images=images, labels=labels)
    (tmp_path / "params.yaml").write_text((ROOT / "params.digits.yaml").read_text())
    change(tmp_path / "params.yaml", sweep={"C": [0.02, 0.05], "split_seeds": SEEDS, **SAGA})
    return tmp_path


def command(first):
    return [sys.executable, "-c", PROGRAM.format(first=first), *ARGUMENTS]


def start(folder, first="time.sleep(0.1)", **options):
    """Start the stage in a session of its own."""
    return subprocess.Popen(
        command(first),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
        **options,
    )


def finish(folder, first="pass", status=0):
    """Run the stage to its end; return its standard error and the names of the paths that it computed."""
    (folder / "begun.txt").unlink(missing_ok=True)
    printed = run(*command(first), cwd=folder, status=status, PYTHONPATH=str(ROOT / "src")).stderr
    begun = folder / "begun.txt"
    return printed, sorted(begun.read_text().split()) if begun.exists() else []


def finish_here(folder, monkeypatch):
    """Run the stage to its end in this process; return the names of the paths that it computed."""
    begun, path = [], sweep.path

    def logged_path(replicate, *arguments, **options):
        begun.append(replicate.name)
        return path(replicate, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(parallel, "cpu_count", lambda: 1)
        patch.setattr(sweep, "path", logged_path)
        sweep.main(list(ARGUMENTS))
    return sorted(begun)


def finished(folder):
    """Return the names of the paths that have a checkpoint."""
    return sorted(file.name[:-37] for file in (folder / "checkpoints").glob("*.npz"))


def outputs(folder):
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def children_of(program):
    """Return the child processes of a program, and theirs."""
    children = []
    for child in psutil.Process(program.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.cmdline()
            children.append(child)
    return children


def names(*seeds):
    return sorted(f"rows-1000-seed-{seed}" for seed in seeds)
