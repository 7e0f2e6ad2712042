"""Stage split: the rows that the model is trained on, validated on and tested on."""

from collections.abc import Sequence
from typing import NamedTuple

from sparse_digits.runtime.stage_harness import parse_paths, stage_harness

import numpy as np
import numpy.typing as npt

from sparse_digits.params import Split
from sparse_digits.runtime.errors import TooFewRowsError
from sparse_digits.runtime.npz import Arrays, read_npz, write_npz

Rows = npt.NDArray[np.intp]


class RowNumbers(NamedTuple):
    """Row numbers of the raw data, each in at most one of the three."""

    train: Rows
    validation: Rows
    test: Rows


def split(raw: Arrays, how: Split) -> Arrays:
    """Return the arrays of split.npz: `train_images`, `validation_images`, ..., `test_labels`.

    raw : the arrays of raw.npz, `images` (n, p) and `labels` (n,).
    """
    parts = draw_rows(len(raw["labels"]), how)._asdict()
    return {f"{part}_{name}": array[rows] for name, array in raw.items() for part, rows in parts.items()}


def draw_rows(n: int, how: Split) -> RowNumbers:
    """Draw the rows that the example's script draws, and the validation rows from those that it does not use.

    The script permutes all `n` rows and calls scikit-learn's `train_test_split`, which permutes them again
    and takes the test rows first, then the training rows. The two permutations are repeated here because
    importing scikit-learn takes ten times as long as the stage; a test compares with scikit-learn.
    Raises TooFewRowsError.
    """
    wanted = how.train_size + how.validation_size + how.test_size
    if wanted > n:
        raise TooFewRowsError(n, wanted)
    rows = np.random.RandomState(how.permutation_seed).permutation(n)
    rows = rows[np.random.RandomState(how.seed).permutation(n)]
    end_of_train = how.test_size + how.train_size
    return RowNumbers(
        train=rows[how.test_size : end_of_train],
        validation=rows[end_of_train : end_of_train + how.validation_size],
        test=rows[: how.test_size],
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Split the raw images and labels."""
    source, target = parse_paths(argv, "raw.npz", "split.npz")
    with stage_harness("split", target) as params:
        made_with, raw = read_npz(source)
        write_npz(target, made_with | params.split.flat(), **split(raw, params.split))


if __name__ == "__main__":
    main()
