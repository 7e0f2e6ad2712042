"""How far a long computation is: a bar on a terminal, else a line for each tenth."""

import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm


class Progress:
    """Counts `done` of `total`; `done` is what an earlier run had finished, which counts for no rate."""

    def __init__(self, title: str, unit: str, total: int, done: int = 0) -> None:
        self.title, self.unit, self.total, self.done, self.first = title, unit, total, done, done
        self.began = time.monotonic()
        self.bar = tqdm(
            desc=title,
            unit=f" {unit}",
            total=total,
            initial=done,
            disable=not sys.stderr.isatty(),
            mininterval=0,
        )

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
