"""Progress of a long computation: a bar on a terminal, otherwise a line for each tenth."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tqdm import tqdm


class Progress:
    """Counts `done` of `total`; what an earlier run finished does not count in the rate."""

    def __init__(self, title: str, unit: str, total: int, done: int = 0) -> None:
        self.title, self.unit, self.total, self.done = title, unit, total, done
        self.done_before, self.start = done, time.monotonic()
        self.lock = threading.Lock()
        self.bar = tqdm(
            desc=title,
            unit=f" {unit}",
            total=total,
            initial=done,
            disable=not sys.stderr.isatty(),
            mininterval=0,
        )

    def reach(self, done: int) -> None:
        """Count up to `done`, if the count is below it."""
        with self.lock:
            if done > self.done:
                self.add(done - self.done)

    def add(self, count: int = 1) -> None:
        """Count `count` more."""
        tenths = 10 * self.done // self.total
        self.done += count
        self.bar.update(count)
        if self.bar.disable and 10 * self.done // self.total > tenths:
            rate = (self.done - self.done_before) / max(time.monotonic() - self.start, 1e-9)
            print(
                f"{self.title}: {self.done} of {self.total} {self.unit}s, {rate:.2g} a second, "
                f"{(self.total - self.done) / rate:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()


class FileCounter:
    """A counter that several processes of one machine share: a file to which each appends a byte per item."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def add(self) -> None:
        """Count one."""
        with contextlib.suppress(OSError), self.file.open("ab") as file:  # a full disk is reported by others
            file.write(b".")

    @contextmanager
    def followed_by(self, progress: Progress, limit: int) -> Iterator[None]:
        """Within the block, let `progress` follow the count, up to `limit`: a task may be computed twice."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(b"")
        done_before, block_ended = progress.done, threading.Event()

        def follow() -> None:
            while not block_ended.wait(0.1):
                with contextlib.suppress(FileNotFoundError):
                    progress.reach(done_before + min(self.file.stat().st_size, limit))

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            block_ended.set()
            thread.join()
