"""The certificate is held to oracles that know nothing of its dual point."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.svm import l1_min_c

from l1_families import FAMILIES
from l1path import multinomial_l1_path
from l1path import objective as o
from sparse_digits.runtime.npz import read_npz

SHARES = st.sampled_from([1.0, 0.5, 0.0])


def problem(seed, n=30, p=4, K=3):
    """Return standardised X and labels in which every class occurs."""
    random = np.random.default_rng(seed)
    y = np.concatenate([np.arange(K), random.integers(K, size=n - K)])
    X = random.normal(size=(n, p)) + random.normal(size=(K, p))[y]
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def primal(X, y, coef, intercept, C, l1_ratio=1.0):
    """Return the objective from its definition, row by row."""
    log_probability = log_softmax(X @ coef.T + intercept, axis=1)
    loss = -sum(row[label] for row, label in zip(log_probability, y, strict=True))
    penalty = sum(l1_ratio * abs(w) + (1 - l1_ratio) / 2 * w * w for w in coef.flat)
    return C * loss + penalty


def optimum(X, y, C, l1_ratio=1.0):
    """Minimise by a method of another kind: W = U - V with U, V >= 0, which is smooth, by L-BFGS-B."""
    (n, p), K = X.shape, y.max() + 1
    Y = np.eye(K)[y]

    def value(parameters):
        U, V, b = np.split(parameters, [K * p, 2 * K * p])
        W = (U - V).reshape(K, p)
        eta = X @ W.T + b
        R = softmax(eta, axis=1) - Y
        smooth = C * R.T @ X + (1 - l1_ratio) * W
        gradient = np.concatenate(
            [(smooth + l1_ratio).ravel(), (l1_ratio - smooth).ravel(), C * R.sum(axis=0)]
        )
        loss = -C * log_softmax(eta, axis=1)[np.arange(n), y].sum()
        return loss + l1_ratio * (U.sum() + V.sum()) + (1 - l1_ratio) / 2 * np.square(W).sum(), gradient

    bounds = [(0, None)] * (2 * K * p) + [(None, None)] * K
    options = {"maxiter": 10_000, "maxfun": 100_000, "ftol": 1e-15, "gtol": 1e-10, "maxcor": 30}
    parameters, loss, before = np.zeros(2 * K * p + K), 1e300, 1e301
    while loss < (1 - 1e-12) * before:  # begun anew where it stopped, since its line search may fail
        before = loss
        found = minimize(value, parameters, jac=True, bounds=bounds, method="L-BFGS-B", options=options)
        parameters, loss = found.x, found.fun
    U, V, b = np.split(parameters, [K * p, 2 * K * p])
    return (U - V).reshape(K, p), b, loss


def at_zero(y):
    """Return the optimal intercepts where all weights are zero."""
    return np.log(np.bincount(y) / len(y))


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e2), SHARES, st.floats(0, 3))
def test_the_objective_is_its_definition_computed_row_by_row(seed, C, l1_ratio, size):
    X, y = problem(seed)
    random = np.random.default_rng(seed)
    coef, intercept = size * random.normal(size=(3, 4)), random.normal(size=3)
    mine = o.objective(X, y, coef, intercept, C, l1_ratio)
    assert mine == pytest.approx(primal(X, y, coef, intercept, C, l1_ratio))


def test_cross_entropy_is_scikit_learns_log_loss():
    X, y = problem(0)
    eta = X @ np.arange(12.0).reshape(3, 4).T / 12
    assert o.cross_entropy(eta, y) == pytest.approx(log_loss(y, softmax(eta, axis=1)))


def test_scores_so_large_that_their_exponent_overflows_have_a_cross_entropy():
    assert o.cross_entropy(np.array([[1e5, 0.0], [0.0, -1e5]]), np.array([0, 1])) == 5e4


@given(st.integers(0, 2**32 - 1))
def test_C_max_is_the_bound_that_scikit_learn_has_for_centred_columns(seed):
    X, y = problem(seed)
    assert o.C_max(X, y, 3) == pytest.approx(l1_min_c(X, y, loss="log", fit_intercept=False), rel=1e-10)


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1))
def test_at_C_max_and_below_the_gap_is_zero_where_all_weights_are(seed, share):
    X, y = problem(seed)
    zero = np.zeros((3, 4))
    C = share * o.C_max(X, y, 3)
    assert o.duality_gap(X, y, zero, at_zero(y), C) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_at_C_max_scikit_learn_finds_no_weight_and_just_above_it_does(seed):
    X, y = problem(seed)
    limit = o.C_max(X, y, 3)
    exact = {"l1_ratio": 1, "solver": "saga", "tol": 1e-9, "max_iter": 100_000, "random_state": 0}
    assert not LogisticRegression(C=limit, **exact).fit(X, y).coef_.any()
    assert LogisticRegression(C=1.01 * limit, **exact).fit(X, y).coef_.any()
    assert o.duality_gap(X, y, np.zeros((3, 4)), at_zero(y), 1.01 * limit) > 0


def test_C_max_is_infinite_where_no_column_tells_the_classes_apart():
    assert o.C_max(np.zeros((4, 2)), np.array([0, 1, 2, 2]), 3) == np.inf


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e2), SHARES, st.floats(0, 30), st.floats(0, 3))
@settings(max_examples=60)
@example(3240, 1.0, 1.0, 30.0, 0.0)  # no intercept is found that balances the residuals
def test_the_gap_is_never_less_than_the_true_distance_from_the_optimum(seed, C, l1_ratio, size, shift):
    X, y = problem(seed)
    random = np.random.default_rng(seed)
    coef, intercept = size * random.normal(size=(3, 4)), shift * random.normal(size=3)
    value = primal(X, y, coef, intercept, C, l1_ratio)
    true_gap = (value - optimum(X, y, C, l1_ratio)[2]) / value
    certificate = o.duality_gap(X, y, coef, intercept, C, l1_ratio)
    assert 0 <= certificate <= 1
    assert certificate >= true_gap - 1e-9


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e2), st.floats(-2, 8))
def test_the_dual_point_is_feasible_whatever_the_weights(seed, C, log10_size):
    """Rows are probabilities, each class has its frequency, and no slope is steeper than lambda."""
    X, y = problem(seed)
    coef = 10**log10_size * np.random.default_rng(seed).normal(size=(3, 4))
    points, entropy = [], o._entropy
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(o, "_entropy", lambda Q: points.append(Q) or entropy(Q))
        o.duality_gap(X, y, coef, np.zeros(3), C)
    (Q,) = points
    assert Q.min() >= -1e-14
    np.testing.assert_allclose(Q.sum(axis=1), 1)
    np.testing.assert_allclose(Q.sum(axis=0), np.bincount(y))
    assert np.abs(X.T @ (Q - np.eye(3)[y])).max() <= (1 + 1e-9) / C


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 10), SHARES)
@settings(max_examples=30)
def test_at_the_optimum_the_gap_is_small(seed, C, l1_ratio):
    X, y = problem(seed)
    coef, intercept, _ = optimum(X, y, C, l1_ratio)
    assert 0 <= o.duality_gap(X, y, coef, intercept, C, l1_ratio) < 1e-6


def test_the_gap_of_weights_so_large_that_every_probability_is_0_or_1_is_near_1():
    X, y = problem(0)
    coef = 1e6 * np.random.default_rng(0).normal(size=(3, 4))
    assert 0.9 < o.duality_gap(X, y, coef, np.zeros(3), C=1.0) <= 1


@given(st.integers(0, 2**32 - 1), st.floats(1e-6, 1e6), SHARES, st.sampled_from([0, 1e-12, 1.0, 1e3, 1e8]))
@example(620440268, 1.0, 1.0, 1e8)  # a class that no row is given to
def test_the_gap_is_a_share_whatever_the_weights(seed, C, l1_ratio, size):
    X, y = problem(seed)
    random = np.random.default_rng(seed)
    coef, intercept = size * random.normal(size=(3, 4)), size * random.normal(size=3)
    assert 0 <= o.duality_gap(X, y, coef, intercept, C, l1_ratio) <= 1


@given(st.integers(0, 2**32 - 1), st.permutations(range(3)))
def test_the_order_of_the_classes_changes_nothing(seed, order):
    X, y = problem(seed)
    random = np.random.default_rng(seed)
    coef, intercept = random.normal(size=(3, 4)), random.normal(size=3)
    place = np.argsort(order)
    mine = o.duality_gap(X, y, coef, intercept, 0.1)
    assert o.duality_gap(X, place[y], coef[order], intercept[order], 0.1) == pytest.approx(mine, rel=1e-6)


@given(st.integers(0, 2**32 - 1), st.floats(0, 5))
def test_at_the_best_intercept_the_residuals_of_each_class_add_up_to_zero(seed, size):
    X, y = problem(seed)
    eta = X @ (size * np.random.default_rng(seed).normal(size=(3, 4))).T
    b = o.best_intercept(eta, y)
    assert b.sum() == pytest.approx(0, abs=1e-9)
    residuals = (softmax(eta + b, axis=1) - np.eye(3)[y]).mean(axis=0)
    np.testing.assert_allclose(residuals, 0, atol=1e-6)  # as near as the loss can tell


def test_the_longer_scikit_learn_fits_the_smaller_the_gap(digits):
    _, scaled = read_npz(digits / "data/scaled.npz")
    X, y = scaled["X_train"], scaled["y_train"]
    gaps = []
    for tol in (1e-1, 1e-2, 1e-3, 1e-4):
        fit = LogisticRegression(C=0.05, l1_ratio=1, solver="saga", tol=tol, max_iter=10_000, random_state=0)
        fit.fit(X, y)
        gaps.append(o.duality_gap(X, y, fit.coef_, fit.intercept_, 0.05))
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > 0.1
    assert gaps[-1] < 0.01


@pytest.mark.parametrize("shift", [30.0, 1e6])
def test_the_gap_is_right_on_columns_far_from_zero(shift):
    X, y = load_iris(return_X_y=True)
    Cs = 1 / np.abs((X - X.mean(axis=0)).T @ (np.eye(3)[y] - 1 / 3)).max() * np.array([10.0, 1e3])
    path = multinomial_l1_path(X + shift, y, Cs)
    for k, C in enumerate(Cs):
        gap = o.duality_gap(X + shift, y, path.coef[k], path.intercept[k], C)
        assert gap == pytest.approx(path.duality_gap[k], rel=1e-2)


def test_the_gap_is_right_with_classes_of_single_rows():
    X, y = FAMILIES["noise"](np.random.default_rng(0), 800, 40, 9)
    C = 1e3 / np.abs(X.T @ (np.eye(y.max() + 1)[y] - np.bincount(y) / len(y))).max()
    path = multinomial_l1_path(X, y, [C])
    gap = o.duality_gap(X, y, path.coef[0], path.intercept[0], C)
    assert gap == pytest.approx(path.duality_gap[0], rel=1e-2)
