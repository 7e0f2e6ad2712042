"""Stage scale: every pixel standardized by the mean and standard deviation of the training rows."""

from collections.abc import Sequence

from sparse_digits.runtime.stage_harness import parse_paths, stage_harness

import numpy as np

from sparse_digits.runtime.npz import Arrays, read_npz, write_npz


def scale(rows: Arrays) -> Arrays:
    """Return the arrays of scaled.npz: the standardized training rows, and the scaler.

    rows : the arrays of split.npz.  The scale of a constant pixel is 1. Validation and test rows are
    standardized with `mean` and `scale` (`model.standardize`).

    The bits are those of scikit-learn's StandardScaler, as in the example: its corrections for rounding
    change nothing where pixels are bytes. Importing scikit-learn takes three times as long as the stage; a
    test compares with it.
    """
    X = rows["train_images"].astype(np.float64)
    mean, deviation = X.mean(axis=0), X.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    X -= mean
    X /= scale
    return {"X_train": X, "y_train": rows["train_labels"], "mean": mean, "scale": scale}


def main(argv: Sequence[str] | None = None) -> None:
    """Standardize the training images; write them and the scaler."""
    source, target = parse_paths(argv, "split.npz", "scaled.npz")
    with stage_harness("scale", target):
        made_with, rows = read_npz(source)
        write_npz(target, made_with, **scale(rows))


if __name__ == "__main__":
    main()
