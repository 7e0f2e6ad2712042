"""Exponentials, losses, residuals and entropies equal the NumPy lines in the docstrings of their kernels."""

import numpy as np
import pytest

from kernel_arrays import RNG, K, n, normal
from l1path import kernels


@pytest.mark.parametrize("height", [n, 2080])
def test_exponentials_residuals_and_entropy(height):
    eta, in_class = normal(K, height) * 5, np.arange(K)[:, None] == RNG.integers(0, K, height)
    shift, e, loss, R, out = (
        np.empty(height),
        np.empty((K, height)),
        np.empty(height),
        np.empty((K, height)),
        np.empty(height),
    )
    kernels.exponentials(eta, in_class, shift, e, loss)
    np.testing.assert_array_equal(shift, eta.max(axis=0))
    np.testing.assert_allclose(e, np.exp(eta - shift), rtol=1e-14)
    np.testing.assert_allclose(
        loss, np.log(e.sum(axis=0)) - (eta - shift)[in_class.argmax(axis=0), np.arange(height)], atol=1e-14
    )
    assert kernels.cross_entropy(eta, e, in_class, shift, np.full(height, 0.5)) == pytest.approx(
        loss.sum() / 2
    )
    kernels.residuals(e, in_class, R)
    np.testing.assert_allclose(R, e / e.sum(axis=0) - in_class, atol=1e-15)
    kernels.entropy(R, in_class, 0.9, out)
    Q = in_class + 0.9 * R
    np.testing.assert_allclose(out, -(Q * np.log(Q)).sum(axis=0), rtol=1e-12)


def test_a_certain_row_has_no_entropy():
    out = np.empty(8)
    kernels.entropy(np.zeros((2, 8)), np.repeat([[True], [False]], 8, axis=1), 1.0, out)
    assert not out.any()
