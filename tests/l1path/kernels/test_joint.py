"""The joint model over all classes equals NumPy's lines, and its minimum has a zero subgradient."""

import numpy as np
import pytest

from kernel_arrays import RNG, STORED_DTYPES, K, close, n, normal, p, stored
from l1path import kernels


@pytest.mark.parametrize("dtype", STORED_DTYPES)
def test_joint_hessian(dtype, s):
    columns, _ = stored(p, n, dtype=dtype)
    offset, P = RNG.random(p), RNG.dirichlet(np.ones(K), n).T.copy()
    chosen, starts = np.array([0, 3, 9, 3, 4, 1, 2, 3, 15]), np.array([0, 3, 5, 9])
    H = np.zeros((9, 9))
    kernels.joint_hessian(columns, offset, P, s, chosen, starts, H)
    of_class, x = np.repeat(np.arange(K), np.diff(starts)), columns[chosen] - offset[chosen, None]
    for q, k in enumerate(of_class):
        expected = [(s * P[k] * ((k == m) - P[m]) * x[q] * x[r]).sum() for r, m in enumerate(of_class)]
        np.testing.assert_allclose(H[q], expected, **close(np.float64))


@pytest.mark.parametrize("size", [1, 7, 8, 9, 40])
def test_cholesky_and_its_solution(size):
    A, b = normal(size + 5, size), normal(size)
    A = A.T @ A
    U, x = A.copy(), b.copy()
    assert kernels.cholesky(U)
    np.testing.assert_allclose(np.triu(U), np.linalg.cholesky(A).T, rtol=1e-7, atol=1e-9)
    kernels.cholesky_solve(U, x)
    np.testing.assert_allclose(x, np.linalg.solve(A, b), rtol=1e-6)


def test_a_matrix_that_is_not_positive_definite_has_no_cholesky_factor():
    assert not kernels.cholesky(np.diag([1.0, -1.0, 1.0]))


@pytest.mark.parametrize("rank", [60, 10])
def test_the_penalized_minimum_of_an_ill_conditioned_model_has_a_zero_subgradient(rank):
    A = normal(rank, 60) * np.geomspace(1, 1e-3, rank)[:, None]  # thousands of rounds of coordinate descent
    H, g, start, penalty = A.T @ A, A.T @ normal(rank), normal(60) * (RNG.random(60) < 0.5), np.full(60, 0.01)
    v = start.copy()
    assert kernels.penalized_minimum(H, g, v, penalty, 0.01, 1e-6, 20) < 20
    assert kernels.violation(g + H @ (v - start), v, penalty, 0.01) < 1e-5
    assert np.any(v == 0)
