"""Commands as a user types them. Where one fails, its output is in the assertion."""

import contextlib
import os
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

LONG = 600  # seconds; the longest command takes a fifth of that


def run(*command, cwd=None, status=0, **environment):
    """Run a command and return the finished process. Fails with its output at another status."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG,
    )
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def python(*arguments, **options):
    """Run Python with these arguments, likewise; it and the Pythons that it runs have preloaded libraries."""
    return run("python", *arguments, PATH=preloaded_path(), **options)


def preloaded_path():
    """Return a PATH on which `python` and `dvc` have preloaded libraries."""
    return f"{os.environ['PRELOADED_PROGRAMS']}{os.pathsep}{os.environ['PATH']}"


def run_and_leave_queue(*command, cwd, **environment):
    """Run a command that starts DVC's queue, with its output in a file: the workers would keep pipes open."""
    script = '"$@" > "$0" 2>&1 || { cat "$0"; exit 1; }'
    with tempfile.NamedTemporaryFile() as output:
        run("sh", "-c", script, output.name, *command, cwd=cwd, **environment)


def end_queue(folder):
    """Kill the workers of the project's queue: one that reads a half-written message waits forever.

    A fork of preloaded_python.py has the command line of its server, and ends shortly after its client.
    """
    workers, forks = [], []
    for process in psutil.process_iter(["cwd", "cmdline"]):
        words = process.info["cmdline"] or []
        if not Path(process.info["cwd"] or "/").is_relative_to(folder):
            continue
        if {"queue", "queue-worker"} & set(words):
            workers.append(process)
        elif any(word.endswith("preloaded_python.py") for word in words):
            forks.append(process)
    for worker in workers:
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()
    assert not psutil.wait_procs([*workers, *forks], LONG)[1]


def run_queue(folder, number):
    """Let DVC's queue compute its experiments, so many, at once.

    `dvc queue status` would fail on a half-written message; `dvc exp run --run-all` takes 15 s to end.
    """
    deadline = time.monotonic() + LONG
    results = folder / ".dvc" / "tmp" / "exps" / "celery" / "result"
    run_and_leave_queue("dvc", "queue", "start", "-j", number, cwd=folder, PATH=preloaded_path())
    try:
        while len(list(results.glob("celery-task-meta-*"))) < number:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        end_queue(folder)
