"""Packed columns and Gram matrices equal the NumPy lines in the docstrings of their kernels."""

import numpy as np
import pytest

from kernel_arrays import RNG, STORED_DTYPES, close, m, n, normal, p, stored
from l1path import kernels


def test_select_heavy_rows(s):
    w = RNG.random(n) / n
    rows = kernels.select_heavy_rows(w, 1.0, s)
    found = np.flatnonzero(w > s)
    np.testing.assert_array_equal(rows[: found.size], found)
    assert rows.size % 8 == 0
    assert np.all(rows[found.size :] == n - 1)


@pytest.mark.parametrize("dtype", STORED_DTYPES)
def test_pack_columns(dtype):
    columns, packed, chosen = stored(p, n, dtype=dtype)[0], np.zeros((n, 10), dtype), np.array([3, 0, 7])
    kernels.pack_columns(columns, chosen, 4, packed)
    np.testing.assert_array_equal(packed[:, 4:7], columns[chosen].T)
    assert not np.delete(packed, [4, 5, 6], axis=1).any()


@pytest.mark.parametrize("dtype", STORED_DTYPES)
@pytest.mark.parametrize("old", [0, 4, 8])
def test_gram_rows(dtype, old):
    packed, real = stored(n, p, dtype=dtype)
    w, heavy, offset = RNG.random(n).astype(real), np.arange(0, 64, 2), normal(m, dtype=real)
    G = np.full((p, p), np.nan, real)
    G[:old, :old] = 7
    kernels.gram_rows(packed, offset, w, heavy, old, m, G)
    kernels.mirror(old, m, G)
    A = packed[:, :m] - offset
    expected = A[heavy].T @ (w[heavy, None] * A[heavy])
    np.fill_diagonal(expected, w @ (A * A))
    expected[:old, :old] = 7
    np.testing.assert_allclose(G[:m, :m], expected, **close(real))
    in_parts = np.full((p, p), np.nan, real)
    in_parts[:old, :old] = 7
    for start, stop in [(old, 10), (10, m)]:
        kernels.gram_rows(packed, offset, w, heavy, start, stop, in_parts)
    kernels.mirror(old, m, in_parts)
    np.testing.assert_array_equal(in_parts[:m, :m], G[:m, :m])


@pytest.mark.parametrize("dtype", STORED_DTYPES)
@pytest.mark.parametrize("old", [0, 4, 8])
@pytest.mark.parametrize("height", [n, 3000])
def test_gram_rows_by_columns(dtype, old, height):
    columns, real = stored(p, height, dtype=dtype)
    w, offset, chosen = RNG.random(height).astype(real), normal(m, dtype=real), RNG.permutation(p)[:m]
    G = np.full((p, p), np.nan, real)
    G[:old, :old] = 7
    kernels.gram_rows_by_columns(columns, chosen, offset, w, old, m, G)
    kernels.mirror(old, m, G)
    A = (columns[chosen].T - offset).astype(float)
    expected = A.T @ (w[:, None] * A)
    expected[:old, :old] = 7
    np.testing.assert_allclose(G[:m, :m], expected, rtol=1e-4, atol=close(real)["atol"] * height / n)
    np.testing.assert_array_equal(G[:m, :m], G[:m, :m].T)
