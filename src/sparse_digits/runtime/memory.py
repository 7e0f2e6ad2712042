"""Whether memory is enough for a stage's training rows, and how many rows would fit where it is not."""

import contextlib
import resource
from dataclasses import dataclass
from pathlib import Path

import psutil

from sparse_digits.datasets.catalogue import DATASETS

# The peaks of `evaluate` and of `train` with the path solver are within a tenth of this for 20,000 and 50,000
# rows of MNIST, those of the other stages below it: each row twice as float64 and once as uint8. The process
# that records beside the last stage takes 0.4 GB more (docs/decisions/0030).
BYTES_PER_PIXEL = 17
BASE_BYTES = 370_000_000
CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
KERNEL_COUNTERS = Path("/proc/vmstat")


@dataclass(frozen=True)
class RowsInMemory:
    """The training rows that a stage holds.

    dataset : a data set of the catalogue, else the size of its images is unknown.
    key : the param that has the number of rows.
    """

    dataset: str
    key: str
    n_rows: int

    def shortage(self) -> str:
        """Return what these rows need and how many would fit; "" if they fit or it is unknown."""
        known = DATASETS.get(self.dataset)
        if known is None:
            return ""
        height, width = known.image_shape
        row = height * width * BYTES_PER_PIXEL
        needed, limit = BASE_BYTES + self.n_rows * row, memory_limit()
        if needed <= limit:
            return ""
        fitting = (limit - BASE_BYTES) // row // 100 * 100
        advice = f"About {fitting:,} rows fit: lower {self.key}" if fitting > 0 else "Free memory"
        expected, got = needed // 10**6, limit // 10**6
        return f"expected about {expected:,} MB for {self.n_rows:,} training rows, got {got:,} MB. {advice}"

    def describe(self, error: Exception, shortage: str) -> str:
        """Return that memory ran out, and what helps.

        shortage : as it was before the work. To measure it again takes memory, which there is none of.
        """
        advice = shortage or f"to go on, lower {self.key}: {self.n_rows}, or free memory"
        return f"memory ran out ({str(error) or 'no size is known'}): {advice}"


def is_lack_of_memory(error: Exception, shortage: str) -> bool:
    """Return whether an error says that memory ran out, as that of a thread does where it is short."""
    return isinstance(error, MemoryError) or bool(shortage and str(error) == "can't start new thread")


def killed_for_memory() -> int:
    """Return how many processes Linux has killed since it started because memory ran out; 0 elsewhere."""
    with contextlib.suppress(OSError):
        for line in KERNEL_COUNTERS.read_text(encoding="ascii").splitlines():
            name, _, number = line.partition(" ")
            if name == "oom_kill":
                return int(number)
    return 0


def memory_limit() -> int:
    """Return the bytes that this process could use in all: of the machine, its container and `ulimit -v`."""
    process = psutil.Process().memory_info()
    limits: list[int] = [psutil.virtual_memory().available + process.rss]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(soft - process.vms + process.rss)  # what is mapped but not used counts, too
    with contextlib.suppress(OSError, ValueError):  # no container, or one without a limit: "max"
        limits.append(int(CONTAINER_LIMIT.read_text(encoding="ascii")))
    return min(limits)
