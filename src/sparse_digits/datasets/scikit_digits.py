"""The digits that are part of scikit-learn: 1,797 x 64, values 0 to 16, available without a network."""

import numpy as np

from sparse_digits.datasets.arrays import Arrays


def load_scikit_digits() -> Arrays:
    """Return scikit-learn's own digits."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - two seconds that other sources do not need

    images, labels = load_digits(return_X_y=True)
    return images.astype(np.uint8), labels.astype(np.uint8)
