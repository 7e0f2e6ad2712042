"""The kernels for sparse columns equal NumPy's lines on the dense matrix."""

import numpy as np
import pytest
from scipy.sparse import csc_array

from kernel_arrays import RNG, K, n, p
from l1path import kernels


@pytest.fixture(params=[True, False], ids=["intercept", "no intercept"])
def matrix(request):
    """Return A (n, p) as CSC arrays, whether there is an intercept, and A with its and an empty column."""
    A = RNG.normal(size=(n, p)) * (RNG.random((n, p)) < 0.2)
    A[:, 4] = 0
    columns = csc_array(A)
    extended = np.hstack([A, np.full((n, 1), float(request.param)), np.zeros((n, 1))])
    return (columns.data, columns.indices, columns.indptr), request.param, extended


def test_sparse_column_sums(matrix, s):
    (csc, _, extended), A = matrix, matrix[2][:, :p]
    assert len(extended) == n
    expected = A.min(axis=0), A.max(axis=0), s @ A, s @ A**2, s @ abs(A)
    for found, exact in zip(kernels.sparse_column_sums(*csc, s), expected, strict=True):
        np.testing.assert_allclose(found, exact, atol=1e-14)


def test_products_with_sparse_columns(matrix):
    csc, fit_intercept, A = matrix
    R, out = RNG.normal(size=(K, n)), np.full((K, p + 2), 7.0)
    kernels.sparse_full_gradient(*csc, np.ascontiguousarray(R.T), out)
    np.testing.assert_allclose(out[:, :p], R @ A[:, :p], atol=1e-13)
    classes, chosen = np.array([0, 2, 1, 1]), np.array([3, 0, p, p + 1])
    kernels.sparse_gradient_entries(*csc, fit_intercept, R, classes, chosen, out)
    np.testing.assert_allclose(out[classes, chosen], (R @ A)[classes, chosen], atol=1e-13)
    weights, combined = np.array([2.0, 0.0, -1.0, 3.0]), np.empty(n)
    kernels.sparse_combine(*csc, fit_intercept, chosen, weights, 0.5, combined)
    np.testing.assert_allclose(combined, 0.5 + A[:, chosen] @ weights, atol=1e-13)


def test_sparse_gram_matrix(matrix, s):
    csc, fit_intercept, A = matrix
    chosen, w = np.array([7, 2, p, 11, 4, p + 1]), s * RNG.random(n)
    offset = np.append(RNG.random(p), [0, 0])[chosen]
    G = np.full((8, 8), np.nan)
    kernels.sparse_gram_matrix(*csc, fit_intercept, offset, chosen, w, G)
    B = A[:, chosen] - offset
    np.testing.assert_allclose(G[:6, :6], B.T @ (w[:, None] * B), atol=1e-14)


def test_sparse_joint_hessian(matrix, s):
    csc, fit_intercept, A = matrix
    chosen, starts = np.array([0, 3, p, 3, p, 1, 2, 3, 4, p]), np.array([0, 3, 5, 10])
    offset, P = np.append(RNG.random(p), [0, 0]), RNG.dirichlet(np.ones(K), n).T.copy()
    H, expected = np.full((10, 10), np.nan), np.zeros((10, 10))
    kernels.sparse_joint_hessian(*csc, fit_intercept, offset, chosen, starts, P, s, H)
    kernels.joint_hessian(A.T.copy(), offset, P, s, chosen, starts, expected)
    np.testing.assert_allclose(H, expected, atol=1e-14)
