"""Sparse X is solved without densifying it, and certified like dense X."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array, csc_array, csc_matrix, csr_array, csr_matrix, random_array

from l1_families import fuzzed
from l1_problems import assert_certified, problem, stored_as
from l1path import L1MultinomialPath, duality_gap, multinomial_l1_path
from l1path.objective import C_max, objective, scores
from l1path.problem.sparse import SparseProblem


def text_like(n=300, p=800, K=4, seed=0):
    """Return nonnegative sparse X (n, p), most of its columns small, and labels."""
    rng = np.random.default_rng(seed)
    X = random_array((n, p), density=0.02, rng=rng, data_sampler=lambda size: rng.exponential(size=size))
    X = csr_array(X @ csr_array(np.diag(rng.random(p) ** 4)))
    y = np.argmax(X @ rng.normal(size=(p, K)) + 0.1 * rng.gumbel(size=(n, K)), axis=1)
    y[:K] = np.arange(K)
    return X, y


def kept_columns(X, y, C):
    """Return the columns that the solver keeps for a path to C."""
    n = len(y)
    return SparseProblem.from_data(
        X.tocsc(), y, np.ones(n), 1e-3, 1.0, fit_intercept=True, lam=1 / (C * n)
    ).kept


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_it_is_the_solution_for_the_dense_matrix(l1_ratio, fit_intercept):
    X, y = text_like()
    how = {"l1_ratio": l1_ratio, "fit_intercept": fit_intercept}
    Cs = C_max(X, y, 4, **how) * np.array([0.9, 2.0, 10.0, 300.0])
    sparse = multinomial_l1_path(X, y, Cs, tol=1e-7, **how)
    dense = multinomial_l1_path(X.toarray(), y, Cs, tol=1e-7, **how)
    assert sparse.converged.all()
    assert not sparse.coef[0].any()
    np.testing.assert_allclose(sparse.objective, dense.objective, rtol=3e-7)
    for k, C in enumerate(Cs):
        assert (
            duality_gap(X, y, sparse.coef[k], sparse.intercept[k], C, l1_ratio, fit_intercept=fit_intercept)
            <= 1.01e-7
        )


def test_every_point_has_the_gap_that_it_claims():
    X, y = text_like()
    Cs = C_max(X, y, 4) * np.array([2.0, 30.0, 1000.0])
    assert_certified(multinomial_l1_path(X, y, Cs, tol=1e-4), X.toarray(), y, Cs, 1e-4)


@given(
    seed=st.integers(0, 2**32 - 1),
    tol=st.sampled_from([1e-3, 1e-6]),
    density=st.sampled_from([0.05, 0.3, 1.0]),
    kind=st.sampled_from(["float64", "float32"]),
)
@settings(max_examples=30, derandomize=True)
def test_any_data_that_the_fuzzer_draws_are_certified(*, seed, tol, density, kind):
    _, X, y, times = fuzzed(seed, 6000)
    X = X * (np.random.default_rng(seed).random(X.shape) < density)
    limit = C_max(X - X.mean(axis=0), y, y.max() + 1)
    if np.isfinite(limit):
        with stored_as(kind):
            path = multinomial_l1_path(csr_array(X), y, [limit * times], tol=tol)
        assert path.converged.all()
        own = duality_gap(X, y, path.coef[0], path.intercept[0], limit * times)
        assert own <= tol * (1 + 1e-2) + 1e-9


@pytest.mark.parametrize("kind", [csr_matrix, csc_matrix, csc_array, coo_array])
def test_every_sparse_format_gives_the_same_bits(kind):
    X, y = text_like()
    C = 30 * C_max(X, y, 4)
    expected, path = multinomial_l1_path(X, y, [C]), multinomial_l1_path(kind(X), y, [C])
    np.testing.assert_array_equal(path.coef, expected.coef)
    assert path.duality_gap == expected.duality_gap


def test_entries_that_are_given_twice_are_added_and_X_is_left_as_it_is():
    X, y = text_like()
    halves = X.tocsc()
    halves = csc_array(
        (np.repeat(halves.data / 2, 2), np.repeat(halves.indices, 2), 2 * halves.indptr), shape=X.shape
    )
    C = 30 * C_max(X, y, 4)
    path = multinomial_l1_path(halves, y, [C])
    np.testing.assert_array_equal(path.coef, multinomial_l1_path(X, y, [C]).coef)
    assert halves.nnz == 2 * X.nnz


def test_a_point_does_not_depend_on_which_columns_the_others_need():
    X, y = text_like()
    Cs = C_max(X, y, 4) * np.array([3.0, 3000.0])
    assert kept_columns(X, y, Cs[0]).size < 0.7 * kept_columns(X, y, Cs[1]).size
    alone, together = multinomial_l1_path(X, y, Cs[:1]), multinomial_l1_path(X, y, Cs)
    np.testing.assert_array_equal(alone.coef[0], together.coef[0])
    assert alone.duality_gap[0] == together.duality_gap[0]


def test_a_rare_large_entry_that_only_another_point_needs_changes_no_step():
    rng, n = np.random.default_rng(0), 2000
    y = np.arange(n) % 4
    flags = (y[:, None] == np.arange(12) % 4) ^ (rng.random((n, 12)) < 0.2)
    limit = C_max(csr_array(flags.astype(float)), y, 4)
    spike = np.where(np.arange(n) == 7, 0.2 / limit, 0.0)  # its sum is small, but not its norm
    X = csr_array(np.column_stack([flags, spike]))
    Cs = limit * np.array([3.0, 3000.0])
    few, all_columns = kept_columns(X, y, Cs[0]), kept_columns(X, y, Cs[1])
    assert np.setdiff1d(all_columns, few).tolist() == [12]
    assert spike.std() > 2 * flags.std(axis=0).max()
    alone, together = multinomial_l1_path(X, y, Cs[:1], tol=1e-6), multinomial_l1_path(X, y, Cs, tol=1e-6)
    np.testing.assert_array_equal(alone.coef[0], together.coef[0])
    assert alone.duality_gap[0] == together.duality_gap[0]


def test_weights_stay_sparse_until_they_are_read_as_one_array():
    X, y = text_like()
    path = multinomial_l1_path(X, y, C_max(X, y, 4) * np.array([30.0, 3.0]))
    assert [W.format for W in path.weights] == ["csr", "csr"]
    assert "coef" not in vars(path)
    np.testing.assert_array_equal(path.coef, [W.toarray() for W in path.weights])
    assert path.coef is path.coef
    with pytest.raises(ValueError, match="read-only"):
        path.coef[0, 0, 0] = 1.0


def test_a_column_that_is_left_out_cannot_have_a_weight():
    X, y = text_like()
    C = 3 * C_max(X, y, 4)
    kept = kept_columns(X, y, C)
    left_out = np.setdiff1d(np.arange(800), kept)
    assert left_out.size > 40
    assert not multinomial_l1_path(X.toarray(), y, [C], tol=1e-8).coef[0][:, left_out].any()


def test_scores_and_objective_of_sparse_data_are_those_of_the_dense():
    X, y = text_like()
    rng = np.random.default_rng(1)
    coef, intercept = rng.normal(size=(4, 800)), rng.normal(size=4)
    np.testing.assert_allclose(scores(X, coef, intercept), X @ coef.T + intercept, atol=1e-12)
    assert objective(X, y, coef, intercept, 1.0) == pytest.approx(
        objective(X.toarray(), y, coef, intercept, 1.0)
    )


def test_the_estimator_takes_sparse_data_with_cross_validation_and_weights():
    X, y = text_like()
    weight = np.random.default_rng(0).integers(0, 3, 300).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sparse = L1MultinomialPath([0.1, 1.0], cv=3).fit(X, y, sample_weight=weight)
        dense = L1MultinomialPath([0.1, 1.0], cv=3).fit(X.toarray(), y, sample_weight=weight)
    assert sparse.C_ == dense.C_
    np.testing.assert_allclose(sparse.loss_path_, dense.loss_path_, rtol=1e-3)
    np.testing.assert_allclose(sparse.predict_proba(X), dense.predict_proba(X.toarray()), atol=2e-2)


def test_faults_in_sparse_data_are_named():
    X, y = problem()
    X[3, 4] = np.inf
    with pytest.raises(ValueError, match="X: expected finite numbers, got NaN or infinity"):
        multinomial_l1_path(csr_array(X), y, [1.0])
    with pytest.raises(ValueError, match="X: expected real numbers, got complex ones"):
        multinomial_l1_path(csr_array(np.ones((80, 12), complex)), y, [1.0])
