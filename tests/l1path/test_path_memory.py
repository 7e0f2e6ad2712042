"""The path holds few arrays of the size of its scores or gradients at a time."""

import tracemalloc
from functools import partial

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from l1_problems import problem
from l1path import multinomial_l1_path

K = 4


def many_rows(p):
    """Return data whose scores are most of what the path holds, the points, and the scores' size."""
    X, y = problem(n=20_000, p=p, K=K)
    return X, y, np.geomspace(1e-3, 0.1, 10), K * len(y)


def many_columns():
    """Return sparse data whose gradients are most of what the path holds, the points, and their size."""
    rng = np.random.default_rng(0)
    X, y = csr_array(random_array((60, 30_000), density=0.05, rng=rng)), np.arange(60) % K
    return X, y, np.geomspace(1.0, 100.0, 10), K * X.shape[1]


@pytest.mark.parametrize(
    ("data", "most"),
    [
        (partial(many_rows, 8), 23),
        (partial(many_rows, 16), 26),
        (many_columns, 10),
    ],
    ids=["rows, float64", "rows, float32", "columns"],
)
def test_the_path_holds_few_arrays_of_the_size_of_its_largest(data, most):
    X, y, Cs, size = data()
    multinomial_l1_path(X, y, Cs[-1:], threads=1)  # imports and compiles
    tracemalloc.start()
    try:
        multinomial_l1_path(X, y, Cs, threads=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= most * size * 8
