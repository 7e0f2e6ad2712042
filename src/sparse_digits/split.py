"""Stage split: the rows that train, those that choose and those that test."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sparse_digits.runtime.files import Arrays, read_npz, write_npz
from sparse_digits.runtime.stage_harness import parse_paths, stage_harness

Rows = npt.NDArray[np.intp]


class Split(NamedTuple):
    """Row numbers of the raw data, each row in one of them at most."""

    train: Rows
    validation: Rows
    test: Rows


def split(n: int, *, permutation_seed: int, seed: int, train: int, validation: int, test: int) -> Split:
    """Draw the rows that the seed's script draws, and the validation rows from those that it leaves unused.

    It permutes all `n` rows and calls scikit-learn's `train_test_split`, which permutes them again, takes the
    test rows from the front and the training rows after them. These are those permutations: importing
    scikit-learn for two lines would take ten times as long as the stage; a test holds them to the original.
    """
    rows = np.random.RandomState(permutation_seed).permutation(n)
    rows = rows[np.random.RandomState(seed).permutation(n)]
    return Split(
        train=rows[test : test + train],
        validation=rows[test + train : test + train + validation],
        test=rows[:test],
    )


def take_rows(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], parts: Split) -> Arrays:
    """Return the images and labels of each part as split.npz has them: `train_images`, `train_labels`, ..."""
    return {f"{name}_images": images[rows] for name, rows in parts._asdict().items()} | {
        f"{name}_labels": labels[rows] for name, rows in parts._asdict().items()
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Split the raw images and labels."""
    source, target = parse_paths(argv, "raw.npz", "split.npz")
    with stage_harness("split", target) as params:
        made_with, raw = read_npz(source)
        parts = split(
            len(raw["labels"]),
            permutation_seed=params.split.permutation_seed,
            seed=params.split.seed,
            train=params.split.train_size,
            validation=params.split.validation_size,
            test=params.split.test_size,
        )
        arrays = take_rows(raw["images"], raw["labels"], parts)
        write_npz(target, made_with | params.flat("split"), **arrays)


if __name__ == "__main__":
    main()
