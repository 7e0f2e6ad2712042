"""A watchdog that ends the process when a server does not answer.

A short request has PATIENCE seconds. The transfer of an artifact has ARTIFACT_PATIENCE seconds after each
block of bytes that it sends: a server may be slow as long as it is alive.
"""

import http.client
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from sqlalchemy import Dialect, Engine, event

from dvc_mlflow.client.proxy import proxy_failures
from dvc_mlflow.client.refusal import check_refusal

PATIENCE = 10.0  # seconds without an answer while short requests are pending
ARTIFACT_PATIENCE = 120.0  # seconds without progress while an artifact is transferred
MARGIN = 30.0  # seconds more, after which the watchdog ends a transfer that its own time limit did not end
ARTIFACT_VARIABLE = "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT"

_thread = threading.local()  # `unwatched` is set in a thread whose requests do not count


def patience() -> float:
    """Return the time limit of a short request, in seconds: MLFLOW_HTTP_REQUEST_TIMEOUT if it is set."""
    return _seconds("MLFLOW_HTTP_REQUEST_TIMEOUT", PATIENCE)


def artifact_patience() -> float:
    """Return that of a transfer: ARTIFACT_VARIABLE if it is set; at least that of a short request."""
    return max(_seconds(ARTIFACT_VARIABLE, ARTIFACT_PATIENCE), patience())


def _seconds(variable: str, default: float) -> float:
    try:
        seconds = float(os.environ.get(variable, ""))
    except ValueError:
        return default
    return seconds if seconds > 0 else default


class _PendingRequests:
    """The requests without an answer; MLflow sends artifacts from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._short = 0
        self._last_answer = 0.0
        self._progress: dict[int, float] = {}  # when bytes of an artifact were last sent, by thread

    @contextmanager
    def short(self) -> Iterator[None]:
        """Count a short request."""
        if getattr(_thread, "unwatched", False):
            yield
            return
        with self._lock:
            if not self._short:
                self._last_answer = time.monotonic()
            self._short += 1
        try:
            yield
        finally:
            with self._lock:
                self._short -= 1
                self._last_answer = time.monotonic()

    @contextmanager
    def transfer(self) -> Iterator[None]:
        """Count a request that transfers an artifact."""
        self._progress[threading.get_ident()] = time.monotonic()
        try:
            yield
        finally:
            del self._progress[threading.get_ident()]
            self._last_answer = time.monotonic()

    def note_progress(self) -> None:
        """Note that this thread sent bytes."""
        if threading.get_ident() in self._progress:
            self._progress[threading.get_ident()] = time.monotonic()

    def trouble(self, limit: float, transfer_limit: float) -> str:
        """Return what has taken too long, or nothing."""
        now = time.monotonic()
        if self._short and now - self._last_answer > limit:
            return f"no answer for {limit:g} s"
        if any(now - progress > transfer_limit for progress in list(self._progress.values())):
            return f"no progress with an artifact for {transfer_limit:g} s"
        return ""


@contextmanager
def request_watchdog(warn: Callable[[str], None], status: int) -> Iterator[None]:
    """End the process, after a warning, when requests are pending and none makes progress.

    A thread does it, because nothing else ends a name look-up, a connection or a trickle of bytes that hangs.
    Imports, file locks and other processes have no time limit. A request that the server refuses to the user
    raises RefusedError, one that cannot pass a proxy ProxyFailure; MLflow puts them into its own.
    """
    send, send_bytes = requests.Session.send, http.client.HTTPConnection.send
    limits = patience(), artifact_patience() + MARGIN
    pending, done = _PendingRequests(), threading.Event()

    def counted_send(
        session: requests.Session, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        with (
            pending.transfer() if _transfers_artifact(request) else pending.short(),
            proxy_failures(request.url or "", options.get("proxies") or {}),
        ):
            return check_refusal(send(session, request, **options))

    def noted_send_bytes(connection: http.client.HTTPConnection, data: Any) -> None:
        send_bytes(connection, data)
        pending.note_progress()

    def watch() -> None:
        while not done.wait(0.25):
            if reason := pending.trouble(*limits):
                warn(reason)
                os._exit(status)

    requests.Session.send = counted_send  # type: ignore[method-assign, assignment] # MLflow sends all by it
    http.client.HTTPConnection.send = noted_send_bytes  # type: ignore[method-assign, assignment]
    threading.Thread(target=watch, daemon=True).start()
    try:
        with _database_calls_counted(pending):
            yield
    finally:
        done.set()
        requests.Session.send = send  # type: ignore[method-assign]
        http.client.HTTPConnection.send = send_bytes  # type: ignore[method-assign]


@contextmanager
def _database_calls_counted(pending: _PendingRequests) -> Iterator[None]:
    """Count connections to databases, which look up names, and statements; those of SQLite are local."""

    def connect(dialect: Dialect, _: object, arguments: list[Any], options: dict[str, Any]) -> Any:
        if dialect.name == "sqlite":
            return None
        with pending.short():
            return dialect.connect(*arguments, **options)

    def execute(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        if context.dialect.name == "sqlite":
            return False
        with pending.short():
            context.dialect.do_execute(cursor, statement, parameters, context)
        return True

    listeners = {"do_connect": connect, "do_execute": execute}
    for name, listener in listeners.items():
        event.listen(Engine, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners.items():
            event.remove(Engine, name, listener)


@contextmanager
def unwatched() -> Iterator[None]:
    """Within the block, the short requests of this thread have no time limit and are no progress."""
    _thread.unwatched = True
    try:
        yield
    finally:
        _thread.unwatched = False


def _transfers_artifact(request: requests.PreparedRequest) -> bool:
    url = request.url or ""
    return request.method == "PUT" or "/mlflow-artifacts/artifacts/" in url or "/get-artifact" in url
