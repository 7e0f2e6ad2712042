"""The elastic net and the model without an intercept: certified, and the same as scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax, xlogy
from sklearn.linear_model import LogisticRegression

from l1_families import fuzzed
from l1_problems import KINDS, data_of_kind, problem, stored_as
from l1path import duality_gap, multinomial_l1_path
from l1path.objective import C_max

WITH_AND_WITHOUT = pytest.mark.parametrize("fit_intercept", [True, False])


def primal_and_dual(X, y, coef, intercept, C, l1_ratio, *, fit_intercept):
    """Return the objective, and the best dual value among scaled residuals, from the definitions alone.

    The dual of ``C sum CE + l1 |W|_1 + l2 / 2 |W|^2`` at probabilities Q: the entropy of Q times C, less
    ``sum (|C X' (Q - Y)| - l1)_+^2 / (2 l2)``; with an intercept the columns of Q - Y sum to 0.
    """
    Y, eta, l2 = np.eye(len(coef))[y], X @ coef.T + intercept, 1 - l1_ratio
    primal = (
        -C * np.sum(Y * log_softmax(eta, axis=1)) + l1_ratio * np.abs(coef).sum() + l2 / 2 * (coef**2).sum()
    )
    for _ in range(50 * fit_intercept):
        P = softmax(eta, axis=1)
        eta = eta - np.linalg.lstsq(np.diag(P.sum(axis=0)) - P.T @ P, (P - Y).sum(axis=0))[0]
    R = softmax(eta, axis=1) - Y
    slopes = C * np.abs((X - X.mean(axis=0) * fit_intercept).T @ R)
    box = min(1, l1_ratio / slopes.max())  # the largest t at which no slope exceeds l1
    values = []
    for t in [box, *np.linspace(box, 1, 100)] if l2 else [box]:
        Q, excess = np.maximum(Y + t * R, 0), np.maximum(t * slopes - l1_ratio, 0)
        values.append(-C * xlogy(Q, Q).sum() - (np.sum(excess**2) / (2 * l2) if l2 else 0))
    return primal, max(values)


@WITH_AND_WITHOUT
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("l1_ratio", [1.0, 0.9, 0.5, 0.05])
def test_every_point_has_the_gap_that_it_claims(kind, l1_ratio, fit_intercept):
    X, y = problem(n=150, p=20, K=4)
    X = data_of_kind(kind, X + 0.3)
    tol, largest = (
        (1e-8 if kind == "float64" else 1e-3),
        C_max(X, y, 4, l1_ratio=l1_ratio, fit_intercept=fit_intercept),
    )
    Cs = largest * np.array([0.99, 2.0, 30.0, 1e3])
    with stored_as(kind):
        path = multinomial_l1_path(X, y, Cs, l1_ratio=l1_ratio, fit_intercept=fit_intercept, tol=tol)
    assert path.converged.all()
    assert not path.coef[0].any()
    assert path.coef[1].any()
    for coef, intercept, gap, claimed, C in zip(
        path.coef, path.intercept, path.duality_gap, path.objective, Cs, strict=True
    ):
        primal, dual = primal_and_dual(X, y, coef, intercept, C, l1_ratio, fit_intercept=fit_intercept)
        assert claimed == pytest.approx(primal, rel=1e-11)
        assert (primal - dual) / primal <= gap + 1e-3 * tol
        own = duality_gap(X, y, coef, intercept, C, l1_ratio, fit_intercept=fit_intercept)
        assert own <= tol * (1 + 1e-3) + 1e-12
    if not fit_intercept:
        assert not path.intercept.any()


@WITH_AND_WITHOUT
@pytest.mark.parametrize("l1_ratio", [1.0, 0.7, 0.1])
def test_it_agrees_with_saga_at_a_tight_tolerance(l1_ratio, fit_intercept):
    X, y = problem(n=150, p=8)
    weight = np.random.default_rng(0).uniform(0.5, 2, 150)
    for times in (3.0, 30.0):
        C = times * C_max(X, y, 3, l1_ratio=l1_ratio, fit_intercept=fit_intercept)
        saga = LogisticRegression(
            C=C, l1_ratio=l1_ratio, fit_intercept=fit_intercept, solver="saga", tol=1e-9, max_iter=100_000,
            random_state=0,
        ).fit(X, y, sample_weight=weight)  # fmt: skip
        path = multinomial_l1_path(
            X, y, [C], sample_weight=weight, l1_ratio=l1_ratio, fit_intercept=fit_intercept, tol=1e-11
        )
        np.testing.assert_allclose(path.coef[0], saga.coef_, atol=2e-5)
        np.testing.assert_allclose(path.intercept[0], saga.intercept_ - saga.intercept_.mean(), atol=2e-5)


@given(
    seed=st.integers(0, 2**32 - 1), tol=st.sampled_from([1e-3, 1e-6]),
    l1_ratio=st.sampled_from([1.0, 0.95, 0.5, 0.02]),
    fit_intercept=st.booleans(),
)  # fmt: skip
@settings(max_examples=15, derandomize=True)
def test_any_data_that_the_fuzzer_draws_are_certified(*, seed, tol, l1_ratio, fit_intercept):
    _, X, y, times = fuzzed(seed, 6000)
    limit = C_max(
        X - X.mean(axis=0) * fit_intercept, y, y.max() + 1, l1_ratio=l1_ratio, fit_intercept=fit_intercept
    )
    if np.isfinite(limit):
        C = limit * times
        path = multinomial_l1_path(X, y, [C], l1_ratio=l1_ratio, fit_intercept=fit_intercept, tol=tol)
        own = duality_gap(X, y, path.coef[0], path.intercept[0], C, l1_ratio, fit_intercept=fit_intercept)
        assert path.converged.all()
        assert own <= tol * (1 + 1e-2) + 1e-9


def test_a_column_that_is_there_twice_shares_its_weight_in_an_elastic_net():
    X, y = problem()
    C = 20 * C_max(X, y, 3)
    path = multinomial_l1_path(np.hstack([X, X]), y, [C], l1_ratio=0.5, tol=1e-10)
    np.testing.assert_allclose(path.coef[0][:, :12], path.coef[0][:, 12:], atol=1e-6)
    assert path.coef.any()


def test_without_an_intercept_a_constant_column_is_a_feature_like_another():
    X, y = problem()
    X[:, 3] = 2.0
    path = multinomial_l1_path(X, y, [10.0], fit_intercept=False, tol=1e-8)
    assert path.coef[0][:, 3].any()
    assert not multinomial_l1_path(X, y, [10.0], tol=1e-8).coef[0][:, 3].any()
