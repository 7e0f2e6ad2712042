"""The replicates of a sweep: the rows that it repeats its fits on."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sparse_digits.params import Sweep

Images = npt.NDArray[np.uint8]


class Replicate(NamedTuple):
    """The rows that one path is computed on."""

    train_size: int
    split_seed: int

    @property
    def name(self) -> str:
        """The name in messages and file names."""
        return f"rows-{self.train_size}-seed-{self.split_seed}"


def replicates(sweep: Sweep) -> list[Replicate]:
    """Return the replicates of a sweep, each once, in the order of the table."""
    return sorted({Replicate(size, seed) for size in sweep.train_sizes for seed in sweep.split_seeds})
