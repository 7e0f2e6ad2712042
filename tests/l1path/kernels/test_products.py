"""Gradients and scores equal the NumPy lines in the docstrings of their kernels."""

import numpy as np
import pytest

from kernel_arrays import RNG, STORED_DTYPES, K, close, m, n, normal, p, stored
from l1path import kernels
from l1path.problem.dense import GRADIENT_ROUNDINGS


@pytest.mark.parametrize("dtype", STORED_DTYPES)
@pytest.mark.parametrize("height", [n, 3000])
@pytest.mark.parametrize("share", [1 / 8, 1 / 2], ids=["few rows", "many rows"])
def test_add_changed_rows(dtype, height, share):
    (packed, real), rows = (
        stored(height, p, dtype=dtype),
        RNG.permutation(height)[: int(share * height) // 8 * 8],
    )
    change, g = normal(rows.size, dtype=real), normal(m)
    expected, by_columns = g + change.astype(float) @ packed[rows, :m], g.copy()
    kernels.add_changed_rows(packed, rows, change, g)
    kernels.add_changed_rows_by_columns(
        np.ascontiguousarray(packed.T), np.arange(m), rows, change, by_columns
    )
    for found in (g, by_columns):
        np.testing.assert_allclose(
            found, expected, rtol=1e-4 if real == np.float32 else 1e-11, atol=close(real)["atol"]
        )


@pytest.mark.parametrize("dtype", STORED_DTYPES)
@pytest.mark.parametrize("height", [n, 3000])
def test_full_gradient(dtype, height):
    (rows, real), out = stored(height, p, dtype=dtype), normal(4, p)
    R = normal(4, height, dtype=real)
    expected = out + R.astype(float) @ rows
    kernels.full_gradient(rows, R, np.empty((4, p), real), out)
    np.testing.assert_allclose(
        out, expected, rtol=1e-4 if real == np.float32 else 1e-11, atol=10 * close(real)["atol"]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_the_rounding_error_of_a_float32_gradient_is_within_the_bound_of_the_certificate(dtype):
    (rows, _), R = stored(4000, p, dtype=dtype), normal(2, 4000)
    out = np.zeros((2, p))
    kernels.full_gradient(rows, R.astype(np.float32), np.empty((2, p), np.float32), out)
    bound = (
        GRADIENT_ROUNDINGS
        * 2.0**-24
        * np.linalg.norm(R, axis=1)[:, None]
        * np.linalg.norm(rows.astype(float), axis=0)
    )
    assert np.all(np.abs(out - R @ rows.astype(float)) <= bound)


@pytest.mark.parametrize("dtype", STORED_DTYPES)
def test_gradient_entries(dtype):
    (columns, real), out = stored(p, n, dtype=dtype), np.zeros((K, p))
    R, chosen = normal(K, n, dtype=real), RNG.random((K, p)) < 0.4
    kernels.gradient_entries(columns, R, *np.nonzero(chosen), out)
    expected = np.where(chosen, R.astype(float) @ columns.T, 0)
    np.testing.assert_allclose(out, expected, **close(real))


def test_weighted_norm(s):
    r = normal(n)
    s[:5] = 0
    expected = np.sqrt(((r**2)[s > 0] / s[s > 0]).sum())
    np.testing.assert_allclose(kernels.weighted_norm(r, s), expected)


@pytest.mark.parametrize("rows", [n, n - 1, n - 3])
def test_scores(rows):
    X, W, b = normal(rows, p), normal(K, p) * (RNG.random((K, p)) < 0.4), normal(K)
    out = np.zeros((K, n))
    starts = np.append(0, np.cumsum(np.count_nonzero(W, axis=1)))
    kernels.scores(X, starts, np.nonzero(W)[1], W[W != 0], b, out)
    np.testing.assert_allclose(out[:, :rows], W @ X.T + b[:, None], **close(np.float64))


@pytest.mark.parametrize("dtype", STORED_DTYPES)
def test_combine_columns(dtype):
    (columns, real), chosen, weights = stored(p, 2000, dtype=dtype), np.array([5, 1, 2, 9, 4]), normal(5)
    weights[1] = 0
    out = np.empty(2000, real)
    kernels.combine_columns(columns, chosen, weights, 0.7, out)
    np.testing.assert_allclose(out, 0.7 + weights @ columns[chosen], **close(real))
