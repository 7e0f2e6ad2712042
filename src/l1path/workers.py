"""Threads for the compiled loops, so that ctrl-C ends a fit while they run.

Python handles a signal in the main thread, and only between two bytecodes: not within a compiled loop. So the
loops run in other threads and the main thread waits for them, which a signal interrupts. The threads are
daemons, so a loop that is still running does not keep the program from ending either.

A thread without a point to solve takes parts of the larger products of one that has. A part is some of the
outputs, never some of a sum, so the number of threads changes no bit.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections import deque
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Self, TypeVar

import joblib
import numpy as np
from joblib.parallel import get_active_backend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    Task = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]

T = TypeVar("T")

POLL_INTERVAL = 0.2  # seconds
MIN_PART = 2**20  # multiply-adds: some 100 microseconds, about as long as a thread takes to wake

_own = threading.local()  # `pool`: the pool that a thread belongs to


class StoppedError(Exception):
    """The result is no longer wanted."""


class Workers:
    """A pool of daemon threads. When its block ends with an error, it waits for none of them."""

    def __init__(self, threads: int) -> None:
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._stopped = threading.Event()
        self._idle: set[int] = set()  # threads that wait for a task
        self._threads = [
            threading.Thread(target=self._work, name="l1path", daemon=True) for _ in range(threads)
        ]

    @property
    def threads(self) -> int:
        """The number of threads."""
        return len(self._threads)

    @property
    def idle(self) -> int:
        """The number of threads without a task, an instant ago."""
        return len(self._idle)

    @property
    def is_stopped(self) -> bool:
        """Whether the results are no longer wanted."""
        return self._stopped.is_set()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._stopped.set()
        for _ in self._threads:
            self._tasks.put(None)
        if kind is None:
            for thread in self._threads:
                thread.join()

    def submit(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Let a thread call `function`, and return its future."""
        future: Future[T] = Future()
        self._tasks.put((future, function, arguments))
        return future

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Let a thread call `function`, wait for it and return its result."""
        return wait_for(self.submit(function, *arguments))

    def _work(self) -> None:
        """Execute tasks until there is None."""
        _own.pool, own = self, threading.get_ident()
        while True:
            self._idle.add(own)
            task = self._tasks.get()
            self._idle.discard(own)
            if task is None:
                return
            future, function, arguments = task
            try:
                stop_if_unwanted()
                future.set_result(function(*arguments))
            except BaseException as error:  # noqa: BLE001 - the caller of `result` gets it
                future.set_exception(error)
            del task, future, function, arguments  # they would occupy memory until the next task


def wait_for(future: Future[T]) -> T:
    """Return the result of a future, and let a signal interrupt the wait.

    The wait ends a few times a second: a signal that comes just before a wait does not end it, nor does any
    signal on Windows.
    """
    while not future.done():
        wait([future], timeout=POLL_INTERVAL)
    return future.result()


def stop_if_unwanted() -> None:
    """Raise StoppedError in a thread of a pool whose caller does not wait any longer."""
    pool = getattr(_own, "pool", None)
    if pool is not None and pool.is_stopped:
        raise StoppedError


def number_of_parts(work: int) -> int:
    """Return into how many parts to divide `work` multiply-adds: for this thread and its pool's idle ones."""
    pool = getattr(_own, "pool", None)
    return 1 if pool is None else int(np.clip(work // MIN_PART, 1, pool.idle + 1))


def share(function: Callable[..., object], parts: Iterable[tuple[Any, ...]]) -> None:
    """Call `function` with the arguments of each part; threads of the pool that idle take some.

    No part may need another one, or change what another reads.
    """
    waiting = deque((Future[object](), part) for part in parts)
    futures = [future for future, _ in waiting]

    def take_parts() -> None:
        while True:
            try:
                future, part = waiting.popleft()
            except IndexError:
                return
            try:
                future.set_result(function(*part))
            except BaseException as error:  # noqa: BLE001 - the caller gets it
                future.set_exception(error)

    if (pool := getattr(_own, "pool", None)) is not None:
        for _ in futures[1:]:
            pool.submit(take_parts)
    take_parts()
    for future in futures:
        future.result()


def usable_threads(n_jobs: int | None = None) -> int:
    """Return the number of threads that `n_jobs` means to joblib; None: every processor it may use.

    joblib counts the processors of this process's affinity, cgroup and LOKY_MAX_CPU_COUNT. Within a worker of
    its own, None is one, since the other workers use the other processors.
    """
    if multiprocessing.current_process().daemon:  # where joblib warns that it cannot start processes
        return 1
    if n_jobs is not None:
        return int(joblib.effective_n_jobs(n_jobs))
    return 1 if get_active_backend()[0].nesting_level else int(joblib.effective_n_jobs(-1))
