"""The small Newton systems equal the NumPy lines in the docstrings of their kernels."""

import numpy as np
import pytest

from kernel_arrays import RNG, K, n, normal
from l1path import kernels


def test_intercept_hessian(in_class, s):
    P = RNG.dirichlet(np.ones(K), n).T
    found = kernels.intercept_hessian(P - in_class, in_class, s)
    np.testing.assert_allclose(found, np.diag(P @ s) - (P * s) @ P.T, atol=1e-15)


@pytest.mark.parametrize("height", [n, 1000])
def test_subspace_model(height):
    D, e, s = normal(4, K, height), RNG.random((K, height)), RNG.random(height)
    in_class = np.arange(K)[:, None] == RNG.integers(0, K, height)
    g, H = kernels.subspace_model(D, e, in_class, s)
    P = e / e.sum(axis=0)
    mean = (P * D).sum(axis=1)
    np.testing.assert_allclose(g, (s * (P - in_class) * D).sum(axis=(1, 2)))
    np.testing.assert_allclose(H, np.einsum("n,kn,akn,bkn", s, P, D, D) - mean * s @ mean.T)


def test_add_combination():
    stack, c, out = normal(4, K, n), normal(4), normal(K, n)
    expected = out + np.tensordot(c, stack, 1)
    kernels.add_combination(c, stack, out)
    np.testing.assert_allclose(out, expected, atol=1e-13)


def test_solve_linear():
    A = normal(9, 5)
    H, g = A.T @ A, normal(5)
    expected = np.linalg.solve(H, g)
    np.testing.assert_allclose(kernels.solve_linear(H, g), expected, rtol=1e-9)
