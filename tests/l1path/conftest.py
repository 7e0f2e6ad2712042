"""Real data for the path."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler


@pytest.fixture(scope="session")
def standardized_digits():
    """scikit-learn's digits."""
    X, y = load_digits(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="session")
def mnist_rows():
    """5,000 standardized rows of MNIST."""
    folder = os.environ.get("SPARSE_DIGITS_MIRROR")
    if not folder:
        pytest.skip("SPARSE_DIGITS_MIRROR names no folder with MNIST's IDX files")

    def read(name, offset):
        return np.frombuffer(gzip.decompress(Path(folder, name).read_bytes()), np.uint8, offset=offset)

    images = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 784)[:5000]
    labels = read("train-labels-idx1-ubyte.gz", 8)[:5000]
    return StandardScaler().fit_transform(images.astype(float)), labels.astype(int)
