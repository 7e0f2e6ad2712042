"""Every point is certified at default settings on families of data that are no images."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax, xlogy

from l1_families import CHANGES, FAMILIES, fuzzed
from l1_problems import KINDS, problem, stored_as
from l1path import multinomial_l1_path
from l1path.problem.dense import DenseProblem
from l1path.screening import rounding_limits
from l1path.warm_start import initial_state


def gap(X, y, coef, intercept, C):
    """Return the relative duality gap from the definition, at the given intercepts made optimal."""
    n, Y, eta = len(y), np.eye(len(coef))[y], X @ coef.T + intercept
    lam = 1 / (C * n)
    primal = -(Y * log_softmax(eta, axis=1)).sum() / n + lam * np.abs(coef).sum()
    for _ in range(50):
        P = softmax(eta, axis=1)
        eta = eta - np.linalg.lstsq(np.diag(P.mean(axis=0)) - P.T @ P / n, (P - Y).mean(axis=0))[0]
    R = softmax(eta, axis=1) - Y
    R *= min(1, lam * n / np.abs((X - X.mean(axis=0)).T @ R).max())
    return (primal + xlogy(Y + R, np.maximum(Y + R, 0)).sum() / n) / primal


def C_max(X, y):
    """Return C_max of data that may be far from 0."""
    Y = np.eye(y.max() + 1)[y]
    return 1 / np.abs((X - X.mean(axis=0)).T @ (Y - Y.mean(axis=0))).max()


def assert_path_is_certified(X, y, Cs, tol):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = multinomial_l1_path(X, y, Cs, tol=tol)
    assert path.converged.all()
    for k, C in enumerate(Cs):
        assert gap(X, y, path.coef[k], path.intercept[k], C) <= tol * (1 + 1e-3) + 1e-9


@pytest.mark.parametrize("tol", [1e-3, 1e-6])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_certified_to_ten_thousand_times_c_max(family, change, tol):
    rng = np.random.default_rng(0)
    X, y = FAMILIES[family](rng, 150, 12, 4)
    y[:4] = range(4)
    X = CHANGES[change](rng, X)
    assert_path_is_certified(X, y, C_max(X, y) * np.array([2.0, 100.0, 1e4]), tol)


@pytest.mark.parametrize("kind", KINDS)
def test_in_reduced_precision_every_point_is_certified_too(kind):
    X, y = FAMILIES["clustered"](np.random.default_rng(0), 600, 10, 8)
    X = np.clip(np.rint(20 * X), -90, 90) / 20 if kind == "uint8" else X
    with stored_as(kind):
        assert_path_is_certified(X, y, C_max(X, y) * np.array([2.0, 100.0, 1e4]), 1e-3)


@given(seed=st.integers(0, 2**32 - 1), tol=st.sampled_from([1e-3, 1e-6]))
@settings(max_examples=15, derandomize=True)
def test_any_data_that_the_fuzzer_draws_are_certified(seed, tol):
    _, X, y, times = fuzzed(seed, 6000)
    assert multinomial_l1_path(X, y, C_max(X, y) * times, tol=tol).converged.all()


@pytest.mark.parametrize("tol", [1e-3, 1e-6])
def test_rare_classes_that_are_nearly_separable_need_few_passes(tol):
    """Passes class by class would need a thousand; joint steps come between them."""
    X, y = FAMILIES["noise"](np.random.default_rng(0), 800, 40, 9)
    path = multinomial_l1_path(X, y, C_max(X, y) * np.array([100.0, 1e4]), tol=tol)
    assert path.converged.all()
    assert path.n_iter.max() <= 60


def test_a_joint_step_with_more_columns_than_rows_finds_its_support():
    """A hundred weights too many leave the support one by one, before any may come back."""
    _, X, y, times = fuzzed(1264, 100_000)
    path = multinomial_l1_path(X, y, C_max(X, y) * times, tol=1e-6)
    assert path.converged.all()
    assert path.n_iter.max() <= 60


def test_the_scale_of_all_columns_changes_no_step():
    X, y = problem()
    Cs = C_max(X, y) * np.array([2.0, 100.0])
    path = multinomial_l1_path(X, y, Cs)
    for scale in [2.0**-27, 2.0**27]:
        scaled = multinomial_l1_path(scale * X, y, Cs / scale)
        np.testing.assert_array_equal(scaled.coef * scale, path.coef)
        np.testing.assert_array_equal(scaled.intercept, path.intercept)
        np.testing.assert_array_equal(scaled.n_iter, path.n_iter)


def test_the_precision_follows_lambda():
    X, y = problem(n=1500, p=200, K=4)
    data = DenseProblem.from_data(X, y, np.ones(1500), 1e-3)
    state = initial_state(data)
    lam, residual = state.lam, state.reference.residual
    assert data.columns.dtype == np.float32
    assert not rounding_limits(data, residual, lam, 1e-3)
    assert rounding_limits(data, residual, 0.01 * lam, 1e-3)
    exact = data.in_float64()
    assert not rounding_limits(exact, residual, 1e-4 * lam, 1e-3)
    np.testing.assert_allclose(exact.columns, data.columns, rtol=1e-7)
