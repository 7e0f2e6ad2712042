"""Classification problems for the path solver, and a certificate of their solutions from the definition."""

from contextlib import contextmanager

import numpy as np
import pytest
from scipy.special import log_softmax, softmax, xlogy

from l1path.grid import GRID_RATIO
from l1path.problem import base
from l1path.problem.dense import DenseProblem
from l1path.solve import solve_grid_point
from l1path.warm_start import extrapolate, grid_point

KINDS = ["float64", "float32", "uint8"]  # of a working copy


def problem(n=80, p=12, K=3, seed=0):
    """Return random X (n, p) and labels y (n,) in which every class occurs."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = np.argmax(X @ rng.normal(size=(p, K)) + rng.normal(size=(n, K)), axis=1)
    y[:K] = np.arange(K)
    return X, y


def data_of_kind(kind, X):
    """Return X such that its working copy is of this kind within `stored_as`."""
    return np.clip(np.rint(40 * X), -100, 100) / 30 if kind == "uint8" else X


@contextmanager
def stored_as(kind):
    """Let small data be solved in the precision of large data, unless the kind is float64."""
    with pytest.MonkeyPatch.context() as patch:
        if kind != "float64":
            patch.setattr(base, "FLOAT64_MAX_SIZE", 0)
        yield


def working_copy(X, y):
    """Return the problem of these data at tol 1e-3 with equal row weights."""
    return DenseProblem.from_data(np.ascontiguousarray(X), y, np.ones(len(y)), 1e-3)


def next_grid_point(data, last, tol):
    """Return the grid point one factor after `last`, which is solved to the gap `tol`."""
    start = extrapolate(data, last, GRID_RATIO * last.lam)
    return grid_point(data, solve_grid_point(data, start, tol, 100)[1], last)


def reference_certificate(X, y, coef, intercept, C):
    """Return relative gap and objective of ``C sum CE + |W|_1``, from the definition and with SciPy alone.

    Dual: sum over rows of the entropy of Y + V, for residuals V whose columns sum to zero, |X' V| <= 1 / C.
    """
    Y = np.eye(len(intercept))[y]
    eta = X @ coef.T + intercept
    primal = -C * np.sum(Y * log_softmax(eta, axis=1)) + np.abs(coef).sum()

    b = np.zeros(len(intercept))
    for _ in range(20):  # Newton's method for the best intercepts
        P = softmax(eta + b, axis=1)
        b -= np.linalg.pinv(np.diag(P.sum(axis=0)) - P.T @ P, rcond=1e-12) @ (P - Y).sum(axis=0)
    V = softmax(eta + b, axis=1) - Y
    steepest = np.abs(X.T @ V).max()
    V *= min(1, 1 / (C * steepest)) if steepest > 0 else 1
    return (primal + C * np.sum(xlogy(Y + V, np.maximum(Y + V, 0)))) / primal, primal


def assert_certified(path, X, y, Cs, tol):
    """Assert that every point has the gap and the objective that it claims, by `reference_certificate`."""
    for k, C in enumerate(Cs):
        gap, primal = reference_certificate(X, y, path.coef[k], path.intercept[k], C)
        assert path.converged[k]
        assert 0 <= path.duality_gap[k] <= tol
        assert gap <= path.duality_gap[k] + 1e-3 * tol  # its intercepts are optimal to 1e-5 of tol
        assert path.objective[k] == pytest.approx(primal, rel=1e-9)
