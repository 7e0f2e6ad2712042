"""Commands as a user types them, with what they printed shown where they fail."""

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path

import psutil

LONG = 600  # seconds; the longest command of the tests takes a fifth of them


def run(*command, cwd=None, status=0, **environment):
    """Run a command; its output, on both streams, is shown if its status is another one."""
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


def run_and_leave_queue(*command, cwd):
    """Run a command that starts DVC's queue, its output in a file: the workers would hold `run`'s pipes."""
    with tempfile.NamedTemporaryFile() as said:
        run("sh", "-c", '"$@" > "$0" 2>&1 || { cat "$0"; exit 1; }', said.name, *command, cwd=cwd)


def end_queue(folder):
    """End the workers of the project's queue: one whose monitor meets half a message would wait for ever."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            ours = Path(process.cwd()).is_relative_to(folder)
            if ours and {"queue", "queue-worker"} & set(process.cmdline()):
                process.kill()
                process.wait(LONG)
