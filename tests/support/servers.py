"""MLflow servers that misbehave, and real ones: on SQLite, and on PostgreSQL."""

import contextlib
import http.client
import http.server
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from commands import LONG
from dvc_mlflow.pages import ui

POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@contextlib.contextmanager
def free_port() -> Iterator[int]:
    """A port for a server that reuses addresses, as most do; the system gives it to nobody else meanwhile."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """A server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def _message(kind: bytes, content: bytes) -> bytes:
    return kind + (len(content) + 4).to_bytes(4, "big") + content


LOGGED_IN = (  # what PostgreSQL sends once it has accepted a user
    _message(b"R", bytes(4)) + _message(b"S", b"client_encoding\0UTF8\0") + _message(b"Z", b"I")
)


@contextlib.contextmanager
def silent_database(greeting: bytes) -> Iterator[str]:
    """A server of PostgreSQL's protocol that sends a greeting to one client, and nothing after it."""

    def greet() -> None:
        with contextlib.suppress(OSError):  # the client, or this server, is gone
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(greeting)
                while connection.recv(1024):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=greet)
        thread.start()
        plain = "sslmode=disable&gssencmode=disable"
        yield f"postgresql+psycopg2://tester@127.0.0.1:{server.getsockname()[1]}/x?{plain}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextlib.contextmanager
def serving(handler, port=0, host="127.0.0.1") -> Iterator[str]:
    """Serve with a handler, by default on a free port."""

    class Server(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    with Server((host, port), handler) as server:
        if handler.reading:  # else the system's buffers take megabytes at once
            server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            netloc = f"[{host}]" if ":" in host else host
            yield f"http://{netloc}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    reading = None  # is called after each 64 kB of a PUT

    def log_message(self, *_):
        pass

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def received(self):
        body, left = bytearray(), int(self.headers.get("Content-Length") or 0)
        while part := self.rfile.read(min(left, 65536)):
            body += part
            left -= len(part)
            if self.reading and self.command == "PUT":
                self.reading()
        return bytes(body)


def answering(status, kind, body):
    """Return a handler that answers everything alike."""

    class Same(Handler):
        def do_GET(self):
            self.received()
            self.answer(status, [("Content-Type", kind)], body)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names that http.server calls

    return Same


NOT_FOUND = 404, b"<!doctype html><title>404 Not Found</title>"
PERMISSION_DENIED = 403, b"Permission denied"  # as MLflow's app basic-auth answers


def forwarding(upstream, before, reading=None):
    """Return a handler that calls `before(method, path)`, then does what the real server does.

    `before` returns False for a request that is to be left without an answer, or status and text of another.
    `reading` is called after each 64 kB of an upload.
    """
    host = upstream.removeprefix("http://")

    class Forward(Handler):
        def do_GET(self):
            body = self.received()
            instead = before(self.command, self.path)
            if instead is False:
                self.close_connection = True
                return
            if isinstance(instead, tuple):
                status, text = instead
                self.answer(status, [("Content-Type", "text/html; charset=utf-8")], text)
                return
            with contextlib.closing(http.client.HTTPConnection(host, timeout=60)) as connection:
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                connection.request(self.command, self.path, body, headers)
                response = connection.getresponse()
                content = response.read()
            kept = [(name, value) for name, value in response.getheaders() if name.lower() == "content-type"]
            self.answer(response.status, kept, content)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names that http.server calls

    Forward.reading = reading and staticmethod(reading)
    return Forward


@contextlib.contextmanager
def mlflow_server(root, backend) -> Iterator[str]:
    """A real MLflow server with proxied artifacts."""
    settings = {"MLFLOW_BACKEND_STORE_URI": backend, "PYTHONPATH": os.pathsep.join(sys.path)}
    with free_port() as port, (root / "server.log").open("wb") as log:
        command = [sys.executable, "-m", "mlflow", "server", "--host", ui.HOST, "--port", str(port)]
        command += ["--workers", "1", "--artifacts-destination", root / "mlartifacts"]
        server = subprocess.Popen(
            command,
            env=os.environ | ui.SETTINGS | settings,
            stdout=log,
            stderr=log,
            cwd=root,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + LONG
            while not ui.answers(port):
                assert server.poll() is None, (root / "server.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            ui.end(server)


def no_postgres() -> str:
    """Return why PostgreSQL cannot be started here, or nothing."""
    if POSTGRES is None:
        return "PostgreSQL's server (Debian's package postgresql) is not installed"
    if importlib.util.find_spec("psycopg2") is None:
        return "psycopg2 is not installed"
    return ""


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server of our own on a free port, as a user that is not root."""
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="sparse-digits-postgres-"))
    os.chown(folder, user.pw_uid, user.pw_gid)
    try:
        command = [
            POSTGRES / "initdb",
            "--pgdata",
            folder / "data",
            "--username",
            "tester",
            "--auth",
            "trust",
        ]
        subprocess.run([*command, "--no-sync"], check=True, capture_output=True, cwd=folder, **as_user)
        with free_port() as port:
            options = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-k", folder, "-c", "fsync=off"]
            server = subprocess.Popen(
                [POSTGRES / "postgres", "-D", folder / "data", *options],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                **as_user,
            )
            try:
                ready = [POSTGRES / "pg_isready", "--quiet", "--host", "127.0.0.1", "--port", str(port)]
                while subprocess.run(ready, check=False).returncode:
                    assert server.poll() is None
                    time.sleep(0.1)
                yield f"postgresql+psycopg2://tester@127.0.0.1:{port}/postgres"
            finally:
                server.terminate()
                server.wait()
    finally:
        shutil.rmtree(folder)
