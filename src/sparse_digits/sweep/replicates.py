"""The draws of rows that a sweep repeats its fits on."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sparse_digits import split
from sparse_digits.params import Params
from sparse_digits.runtime.files import Arrays

Images = npt.NDArray[np.uint8]


class Replicate(NamedTuple):
    """Which rows a path is computed on."""

    train_size: int
    split_seed: int

    @property
    def name(self) -> str:
        """What it is called in messages and file names."""
        return f"rows-{self.train_size}-seed-{self.split_seed}"


def replicates(params: Params) -> list[Replicate]:
    """Return the draws of rows of a sweep, each once, in the order of the table."""
    found = {Replicate(size, seed) for size in params.sweep.train_sizes for seed in params.sweep.split_seeds}
    return sorted(found)


def replicate_rows(images: Images, labels: Images, draw: Replicate, params: Params) -> Arrays:
    """Return the images and labels of a draw, as split.npz has them."""
    parts = split.split(
        len(labels),
        permutation_seed=params.split.permutation_seed,
        seed=draw.split_seed,
        train=draw.train_size,
        validation=params.split.validation_size,
        test=params.split.test_size,
    )
    return split.take_rows(images, labels, parts)
