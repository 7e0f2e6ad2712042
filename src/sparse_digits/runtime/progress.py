"""How far a long computation is: a bar on a terminal, else a line for each tenth."""

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
    """Counts `done` of `total`; `done` is what an earlier run had finished, which counts for no rate."""

    def __init__(self, title: str, unit: str, total: int, done: int = 0) -> None:
        self.title, self.unit, self.total, self.done, self.first = title, unit, total, done, done
        self.began = time.monotonic()
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
        """Count up to `done`, unless it is that far already."""
        with self.lock:
            if done > self.done:
                self.add(done - self.done)

    def add(self, count: int = 1) -> None:
        """Count some more."""
        tenths = 10 * self.done // self.total
        self.done += count
        self.bar.update(count)
        if self.bar.disable and 10 * self.done // self.total > tenths:
            rate = (self.done - self.first) / max(time.monotonic() - self.began, 1e-9)
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


class Tally:
    """A file to which processes of one machine append a byte for each thing done."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def add(self) -> None:
        """Count one."""
        with contextlib.suppress(OSError), self.file.open("ab") as file:  # a full disk will be told by others
            file.write(b".")

    @contextmanager
    def watched(self, progress: Progress, most: int) -> Iterator[None]:
        """Within the block, let `progress` follow what is counted, up to `most`: a task may be done twice."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(b"")
        before, over = progress.done, threading.Event()

        def follow() -> None:
            while not over.wait(0.1):
                with contextlib.suppress(FileNotFoundError):
                    progress.reach(before + min(self.file.stat().st_size, most))

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
