"""A watchdog that ends the process when a server does not answer."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests

PATIENCE = 10  # seconds without an answer while requests are pending


@contextmanager
def request_watchdog(warn: Callable[[str], None], status: int) -> Iterator[None]:
    """End the process, after a warning, when requests are pending and none is answered for PATIENCE seconds.

    A thread does it, because nothing else ends a name look-up, a connection or a trickle of bytes that hangs.
    Imports, file locks and other processes have no time limit.
    """
    send, lock, done = requests.Session.send, threading.Lock(), threading.Event()
    pending, last_answer = 0, 0.0  # MLflow sends artifacts from several threads

    def count(change: int) -> None:
        nonlocal pending, last_answer
        with lock:
            if change < 0 or not pending:
                last_answer = time.monotonic()
            pending += change

    def counted_send(
        session: requests.Session, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        count(1)
        try:
            return send(session, request, **options)
        finally:
            count(-1)

    def watch() -> None:
        while not done.wait(0.25):
            if pending and time.monotonic() - last_answer > PATIENCE:
                warn(f"no answer for {PATIENCE} s")
                os._exit(status)

    requests.Session.send = counted_send  # type: ignore[method-assign, assignment] # MLflow sends all by it
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()
        requests.Session.send = send  # type: ignore[method-assign]
