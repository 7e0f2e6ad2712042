"""MLflow's server on the project's own store, for one user on this machine."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.request import Request, urlopen

import psutil

from dvc_mlflow.pages import shared_views
from dvc_mlflow.store import Store, redact_credentials

HOST = "127.0.0.1"
PATIENCE = 300.0  # seconds until the first answer; it takes 5 s on an idle machine

# MLflow's job runner is for evaluating language models; without it there is no queue to leave behind.
# MLflow does not understand DO_NOT_TRACK=1.
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


def free_port(wanted: int) -> int:
    """Return the first port from `wanted` on that nothing listens on. Raises OSError if there is none."""
    for port in range(wanted, 65536):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a closed one is free
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return port
    raise OSError(f"no free port from {wanted} on")


def get(port: int, path: str) -> bytes | None:
    """Return the body of the local server's answer to GET, or None if there is none or not 200 OK."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.read() if answer.status == http.client.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def answers(port: int) -> bool:
    """Return whether an MLflow server answers on the port."""
    return get(port, "/health") is not None


def running_at(experiment_id: str, tag: str, port: int = 5000) -> tuple[int, bool]:
    """Return the port of the local MLflow server whose experiment has the tag, and True.

    Without one, return the port that `serve` would use now, and False.
    """
    for taken in range(port, free := free_port(port)):
        answer = get(taken, f"/api/2.0/mlflow/experiments/get?experiment_id={experiment_id}")
        with contextlib.suppress(ValueError, KeyError, TypeError):  # another server's answer, whatever it is
            if answer and tag in [each["key"] for each in json.loads(answer)["experiment"]["tags"]]:
                return taken, True
    return free, False


def pages(server: str) -> list[str]:
    """Return a line with name and address for each shared view, newest last."""
    request = Request(  # noqa: S310 - our own server's address
        f"{server}/api/2.0/mlflow/experiments/search",
        json.dumps({"max_results": 1000}).encode(),
        {"Content-Type": "application/json"},
    )
    with urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - likewise
        experiments = json.load(answer).get("experiments", [])
    lines = []
    for experiment in experiments:
        for tag in experiment.get("tags", []):
            if tag["key"].startswith(shared_views.PREFIX):
                view = json.loads(tag["value"])
                name = tag["key"].removeprefix(shared_views.PREFIX)
                place = shared_views.address(server, experiment["experiment_id"], name)
                lines.append((view["createdAt"], f"{experiment['name']}, {view['name']}: {place}"))
    return [line for _, line in sorted(lines)]


def end(server: subprocess.Popen[bytes]) -> None:
    """End the server's process group: with SIGTERM and, after five seconds, with SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + 5
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, number)
            while time.monotonic() < deadline:
                server.poll()  # reaps it; a zombie stays in the group
                os.killpg(server.pid, 0)
                time.sleep(0.02)
            continue
        return


@contextlib.contextmanager
def running(store: Store, port: int, log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server during the block, in a process group of its own, which ctrl-C does not reach."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    command += [
        "--workers",
        "1",
    ]  # four, the default, answer after 14 s, one after 5 s and in half the memory
    if store.artifacts:
        command += ["--default-artifact-root", store.artifacts, "--artifacts-destination", store.artifacts]
    backend = {"MLFLOW_BACKEND_STORE_URI": store.uri}  # not an argument: `ps` would show a password
    ignored = ignored_variables(store)
    effective = {name: value for name, value in os.environ.items() if name not in ignored}
    server = subprocess.Popen(
        command,
        env=effective | SETTINGS | backend,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        yield server
    finally:
        end(server)


def ignored_variables(store: Store) -> list[str]:
    """Return those of MLflow's variables that are set and have no effect on the pages."""
    return sorted([*store.ignored_variables(), *({"MLFLOW_STATIC_PREFIX"} & os.environ.keys())])


def serve(root: Path, port: int = 5000) -> int:
    """Serve MLflow on the store of the project in `root` until ctrl-C or SIGTERM.

    port : the first port to try.  Returns an exit status: 1 if the server did not start or ended by itself.
    """
    store = Store.of(root)
    if store.is_remote:
        uri = redact_credentials(store.uri)
        print(f"MLFLOW_TRACKING_URI names a server, which has its own pages: {uri}")
        return 0
    if names := ignored_variables(store):
        print(f"These variables have no effect here: {', '.join(names)}", flush=True)
    print("MLflow is starting, which takes some seconds, and longer if the store is new.", flush=True)
    if store.file and not store.file.exists():
        from dvc_mlflow.client.mlflow_session import initialize_store

        initialize_store(root)
    signals: list[object] = []  # an exception in a handler could leave a server that has just started
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *signal_and_frame: signals.append(signal_and_frame))
    status, wanted = None, port
    while status is None:
        chosen = free_port(wanted)
        if chosen != port:
            print(f"Port {port} is in use; MLflow uses {chosen}.", flush=True)
        status, wanted = _serve_on(chosen, store, signals), chosen + 1
    return status


def _serve_on(port: int, store: Store, signals: list[object]) -> int | None:
    """Serve MLflow on a port until there is a signal; return the exit status.

    Return None if something else, such as another `ui`, took the port while the server was starting.
    """
    with tempfile.TemporaryFile() as log, running(store, port, log) as server:
        deadline, announced = time.monotonic() + PATIENCE, False
        while server.poll() is None and not signals and (announced or time.monotonic() < deadline):
            if not announced and answers(port) and _listens(server, port):
                print(f"MLflow is at http://{HOST}:{port} until ctrl-C.", flush=True)
                for line in pages(f"http://{HOST}:{port}"):
                    print(line, flush=True)
                announced = True
            time.sleep(0.1)
        if signals:
            return 0
        if server.poll() is not None and not announced and free_port(port) != port:
            return None
        log.seek(0)
        last = log.read().decode(errors="replace").splitlines()[-20:]
    print("The MLflow server ended or did not answer. Its last lines:", *last, sep="\n  ", file=sys.stderr)
    return 1


def _listens(server: subprocess.Popen[bytes], port: int) -> bool:
    """Return whether the server, or a process that it started, listens on the port."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(server.pid)
        for process in (parent, *parent.children(recursive=True)):
            for connection in process.net_connections():
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                    return True
    return False
