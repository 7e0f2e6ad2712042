"""The copies of the data in bytes and in floats represent the data."""

import numpy as np
import pytest

from kernel_arrays import DTYPES, RNG, STORED_DTYPES, K, n, normal, p, stored
from l1path import kernels


def test_column_ranges(s):
    X = normal(n, p)
    for found, expected in zip(
        kernels.column_ranges(X, s), (X.min(axis=0), X.max(axis=0), s @ X), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", STORED_DTYPES)
def test_column_norms(dtype, s):
    (rows, _), offset = stored(n, p, dtype=dtype), normal(p)
    np.testing.assert_allclose(
        kernels.column_norms(np.ascontiguousarray(rows.T), offset, s),
        np.sqrt(s @ (rows.astype(float) - offset) ** 2),
    )


def test_byte_steps_are_the_largest_that_divide_every_entry():
    whole = np.array([[0, 0, 5, 0, 9], [90, 1, 5, 1, -6], [60, 0, 5, 255, 0], [210, 1, 5, 7, 9]])
    X = whole * np.array([0.1, 3.7, 1.0, 1e-9, 1e9]) + np.array([5.0, 0.0, 0.0, 0.0, 1.0])
    found = kernels.byte_steps(X, X.min(axis=0), np.ptp(X, axis=0))
    np.testing.assert_allclose(found, [3.0, 3.7, 0.0, 1e-9, 3e9])
    X[2, 3] = 256e-9
    assert not kernels.byte_steps(X, X.min(axis=0), np.ptp(X, axis=0)).any()
    X[2, 3] = np.pi * 1e-8
    assert not kernels.byte_steps(X, X.min(axis=0), np.ptp(X, axis=0)).any()


def test_a_byte_copy_represents_the_data_and_gives_the_same_scores():
    whole = RNG.integers(0, 256, (69, 13))
    whole[:2] = [[0], [255]]
    whole[41, 3] = whole[40, 3]
    X = (whole - 33.3) / 7.7
    low, unit = X.min(axis=0), 255 / np.ptp(X, axis=0)

    def copy(X):
        rows, columns = np.zeros((n, p), np.uint8), np.zeros((p, n), np.uint8)
        levels = np.full((13, 256), np.nan)
        return kernels.byte_copy(X, low, unit, rows, columns, levels), rows, columns, levels

    exact, rows, columns, levels = copy(X)
    assert exact
    np.testing.assert_array_equal(rows[:69, :13], whole)
    np.testing.assert_array_equal(columns, rows.T)
    np.testing.assert_array_equal(levels[np.arange(13), whole], X)

    W, b = normal(K, 13) * (RNG.random((K, 13)) < 0.4), normal(K)
    sparse = np.append(0, np.cumsum(np.count_nonzero(W, axis=1))), np.nonzero(W)[1], W[W != 0]
    from_bytes, from_floats = np.empty((K, n)), np.empty((K, n))
    kernels.scores_from_bytes(np.nan_to_num(levels), columns, *sparse, b, from_bytes)
    kernels.scores(X, *sparse, b, from_floats)
    np.testing.assert_array_equal(from_bytes[:, :69], from_floats[:, :69])

    X[40, 3] = np.nextafter(X[40, 3], 100)
    assert not copy(X)[0]
    X[40, 3] += 0.01
    assert not copy(X)[0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_float_copy(dtype):
    X, center, unit = normal(69, 13), normal(13), RNG.random(13)
    rows, columns = np.zeros((n, p), dtype), np.zeros((p, n), dtype)
    kernels.float_copy(X, center, unit, rows, columns)
    np.testing.assert_array_equal(rows[:69, :13], ((X - center) * unit).astype(dtype))
    np.testing.assert_array_equal(columns, rows.T)
    assert not rows[69:].any()
