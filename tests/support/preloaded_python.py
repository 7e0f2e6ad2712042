"""Programs `python`, `dvc` and `sparse-digits` that start at once: forks of a server with the libraries.

Importing them takes most of the processor time of a recorded stage or a delivery; the tests run hundreds.
`commands.python` puts the folder that `start` fills first on PATH. Its `python` asks the server for a child
with its arguments, working directory, environment and streams, and ends as the child ends. No code under test
is preloaded. The real interpreter runs what a fork cannot stand for: scripts, and processes with other
settings of the interpreter, of threads or of the system. `make`, wheels and what tests interrupt never come
here, so that the real start of every command is tested there.
"""

import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import time
import types
from pathlib import Path

from preloaded_client import LENGTH, settings

CLIENT = Path(__file__).with_name("preloaded_client.py")
LIBRARIES = """
    celery dulwich.repo dvc.cli dvc.commands.experiments.run dvc.commands.repro dvc.repo.index networkx pygit2
    dvc.repo.experiments.queue.celery dvc.repo.reproduce dvc_data.index dvc_objects.fs.local pygtrie
    numpy pandas scipy.sparse scipy.special scipy.stats sklearn.linear_model sklearn.metrics
    sklearn.model_selection sklearn.neural_network sklearn.pipeline sklearn.preprocessing skops.io
    PIL.Image filelock joblib matplotlib.backends.backend_agg matplotlib.figure numba psutil pydantic requests
    alembic.command mlflow.pyfunc mlflow.sklearn mlflow.store.artifact.local_artifact_repo tqdm
    mlflow.store.tracking.sqlalchemy_store mlflow.tracking.client numba.core.registry ruamel.yaml
    sqlalchemy.dialects.sqlite
"""


def start(folder):
    """Write the programs into a folder and start their server, which ends with the tests. Linux only."""
    if sys.platform != "linux":
        return
    tests = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    client = f'"{sys.executable}" -I -S "{CLIENT}" "{folder}/socket" "{sys.executable}"'
    for name, arguments in {"python": "", "dvc": "-m dvc", "sparse-digits": "-m sparse_digits.cli"}.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {client} {arguments} "$@"\n')
        (folder / name).chmod(0o755)
    log = (os.POSIX_SPAWN_OPEN, 1, folder / "log", os.O_WRONLY | os.O_CREAT, 0o644)
    os.posix_spawn(
        sys.executable,
        [sys.executable, __file__, folder, str(tests)],
        os.environ,
        file_actions=[log, (os.POSIX_SPAWN_DUP2, 1, 2)],
    )
    while not (folder / "socket").exists():
        time.sleep(0.01)


def serve(folder, parent):
    """Fork a child for every request, as long as the process `parent` lives."""
    ended, address = os.pidfd_open(parent), Path(folder, "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{address}.new")
        listener.listen(64)  # a request waits until the libraries are there
        Path(f"{address}.new").rename(address)
        for name in LIBRARIES.split():
            importlib.import_module(name)
        # Each process that logs a model, or calls a kernel, would do it, which takes a third of a second.
        sys.modules["mlflow.utils.requirements_utils"]._init_packages_to_modules_map()
        sys.modules["numba.core.registry"].cpu_target.target_context.refresh()
        sys.executable = f"{folder}/python"  # so that the children's own children are forks, too
        path = sys.path[1:]
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        gc.freeze()
        while ended not in select.select([listener, ended], [], [])[0]:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError, ValueError):  # of a client that was killed
                accept(connection, path)


def accept(connection, path):
    """Fork a child for a request, unless it wants other settings than the server's."""
    length, streams, _, _ = socket.recv_fds(connection, LENGTH, 3)
    try:
        *request, wanted = json.loads(connection.recv(int(length), socket.MSG_WAITALL))
        if wanted == settings(os.environ):
            connection.sendall(b"+")
            if os.fork() == 0:
                try:
                    become(connection, streams, *request, path)
                finally:
                    os._exit(1)  # never back into the server's loop
    finally:
        for stream in streams:
            os.close(stream)


def become(connection, streams, arguments, working_directory, environment, path):
    """Run the arguments as `python` does, and end as it does, but without tearing down the modules."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())  # SIGIO ends this process when the client is killed
    fcntl.fcntl(connection, fcntl.F_SETFL, fcntl.fcntl(connection, fcntl.F_GETFL) | os.O_ASYNC)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(working_directory)
    os.environ.clear()
    os.environ |= environment
    option, program, *words = arguments
    sys.argv[:] = [option, *words]
    sys.orig_argv[:] = [sys.executable, *arguments]
    folders = [
        Path(working_directory, entry) for entry in environment.get("PYTHONPATH", "").split(":") if entry
    ]
    sys.path[:] = [working_directory if option == "-m" else "", *map(str, folders), *path]
    leave, child = os._exit, os.getpid()

    def answer_and_leave(status):
        if os.getpid() == child:  # and no fork of it
            connection.sendall(b"%d" % (status & 255))
        leave(status)

    os._exit = answer_and_leave
    os._exit(status_of(option, program))


def status_of(option, program):
    """Run a module, or a program's text, as `__main__`; return the status of the process."""
    status = None
    try:
        if option == "-m":
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(program, vars(main))  # noqa: S102 - as `python -c` does
    except SystemExit as error:
        status = error.code
    except BaseException:  # noqa: BLE001 - as the interpreter does
        sys.excepthook(*sys.exc_info())
        status = 1
    if status is not None and not isinstance(status, int):
        print(status, file=sys.stderr)
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status or 0


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
