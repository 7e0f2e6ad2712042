"""The program `python` of preloaded_python: runs with -I -S and imports little, so that it starts at once."""

import contextlib
import json
import os
import resource
import socket
import sys
from pathlib import Path

MODULES = ("dvc", "dvc_mlflow.", "sparse_digits.")  # how the modules begin that the server runs
AT_START = ("COVERAGE", "LANG", "LC_", "LD_", "MPL", "NPY_", "NUMBA_", "OMP_", "OPENBLAS_", "PYTHON", "TZ")
LENGTH = 9  # digits of a request's length in bytes
KILLED = 137  # a shell's status of a process that was killed


def settings(environment):
    """Return what an interpreter or a library takes from its surroundings once, when it starts."""
    os.umask(umask := os.umask(0))
    system = [umask, os.geteuid(), sorted(os.sched_getaffinity(0)), resource.getrlimit(resource.RLIMIT_FSIZE)]
    variables = {name: value for name, value in environment.items() if name.startswith(AT_START)}
    return repr([system, sorted((variables | {"PYTHONPATH": ""}).items())])


def ask(address, python, arguments):
    """End as the server's child ends that runs these arguments, or become the real interpreter."""
    if arguments[:1] == ["-c"] or (arguments[:1] == ["-m"] and arguments[1].startswith(MODULES)):
        environment = dict(os.environ)
        request = json.dumps([arguments, str(Path.cwd()), environment, settings(environment)]).encode()
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.connect(address)
            socket.send_fds(connection, [b"%*d" % (LENGTH, len(request))], [0, 1, 2])
            connection.sendall(request)
            if connection.recv(1):
                os._exit(int(connection.recv(LENGTH) or KILLED))
    os.execv(python, [python, *arguments])  # noqa: S606 - in place of this process


if __name__ == "__main__":
    ask(sys.argv[1], sys.argv[2], sys.argv[3:])
