import numpy as np

from sparse_digits.datasets.arrays import digest
from sparse_digits.datasets.catalogue import DIGITS
from sparse_digits.datasets.scikit_digits import load_scikit_digits


def test_the_digits_are_uint8_and_have_the_pinned_digest():
    images, labels = load_scikit_digits()
    assert images.shape == (1797, 64)
    assert images.dtype == labels.dtype == np.uint8
    assert images.max() == 16
    assert digest(images, labels) == DIGITS.sha256
