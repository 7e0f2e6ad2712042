"""The path of unusual data: constant, duplicated and huge columns, rare classes, separable classes."""

import numpy as np
import pytest

from l1_problems import KINDS, assert_certified, data_of_kind, problem, stored_as, working_copy
from l1path import multinomial_l1_path
from l1path.objective import C_max


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "change",
    [
        lambda X: np.hstack([X, np.ones((len(X), 2)), np.zeros((len(X), 1))]),
        lambda X: np.hstack([X, X]),
        lambda X: X * np.geomspace(1e-8, 1e8, X.shape[1]),
        lambda X: X + 1e3 * np.arange(X.shape[1]),
        lambda X: np.hstack([X, np.full((len(X), 1), 0.1)]),
    ],
    ids=["constant", "duplicated", "tiny and huge", "far from zero", "constant, not representable"],
)
def test_unusual_columns_are_certified(change, kind):
    X, y = problem()
    X = change(data_of_kind(kind, X))
    Cs = C_max(X, y, 3) * np.array([2.0, 10.0])
    with stored_as(kind):
        assert_certified(multinomial_l1_path(X, y, Cs), X, y, Cs, 1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("C", [300.0, 1000.0, 5000.0])
def test_a_rare_flag_in_three_columns_is_certified(kind, C):
    flag = np.repeat([1.0, 0.0], [2, 78])
    X, y = np.column_stack([flag, flag, -flag]), np.zeros(80, int)
    y[[0, 1, 2]], y[3] = 2, 1
    with stored_as(kind):
        assert_certified(multinomial_l1_path(X, y, [C]), X, y, [C], 1e-3)


def test_a_constant_column_of_many_rows_is_constant():
    X, y = problem(n=140_000, p=1)
    X = np.column_stack([np.rint(20 * X), np.full(140_000, 1 / 3)])  # the mean of the second is off in bit 42
    assert working_copy(X, y).columns.dtype == np.uint8
    Cs = C_max(X, y, 3) * np.array([10.0])
    assert_certified(multinomial_l1_path(X, y, Cs), X, y, Cs, 1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_zero_weight_changes_nothing(kind):
    X, y = problem()
    X, weight = data_of_kind(kind, X), np.ones(80)
    without = np.delete(X, 5, axis=0), np.delete(y, 5)
    X[5], weight[5] = 1e50, 0
    with stored_as(kind):
        path = multinomial_l1_path(X, y, [1.0], sample_weight=weight)
        np.testing.assert_array_equal(path.coef, multinomial_l1_path(*without, [1.0]).coef)


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_far_from_zero_is_certified(kind):
    X, y = problem(p=2)
    X = data_of_kind(kind, 30 * X) + 1e9
    with stored_as(kind):
        path = multinomial_l1_path(X, y, C_max(X, y, 3) * np.array([3.0, 30.0]))
    assert path.converged.all()


def test_a_constant_column_gets_no_weight():
    X, y = problem()
    path = multinomial_l1_path(np.hstack([np.full((len(X), 1), 0.1), X]), y, [1.0])
    assert not path.coef[:, :, 0].any()


def test_constant_columns_give_zero_weights_at_any_c():
    path = multinomial_l1_path(np.ones((6, 3)), [0, 0, 1, 1, 2, 2], [1e-3, 1e6])
    assert not path.coef.any()
    assert path.converged.all()


@pytest.mark.parametrize(
    ("n", "p", "K"),
    [(5, 4, 5), (40, 6, 2), (10, 300, 2), (30, 200, 4)],
    ids=["one row each", "two", "wide", "wide, 4"],
)
def test_few_rows_two_classes_and_more_columns_than_rows_are_certified(n, p, K):
    X, y = problem(n, p, K)
    Cs = C_max(X, y, K) * np.array([1.5, 10.0, 50.0])
    assert_certified(multinomial_l1_path(X, y, Cs), X, y, Cs, 1e-3)


@pytest.mark.parametrize("share", [1e-8, 1e-16, 1e-60])
def test_a_class_of_negligible_weight_is_solved_in_few_passes(share):
    X, y = problem()
    path = multinomial_l1_path(X, y, [1.0], sample_weight=np.where(y == 2, share, 1.0))
    assert path.converged.all()
    assert path.n_iter[0] < 10


def test_very_unequal_classes_are_certified():
    X, y = problem(n=600)
    y[:] = 0
    y[:3], y[3:5] = 1, 2
    Cs = C_max(X, y, 3) * np.array([2.0, 20.0])
    assert_certified(multinomial_l1_path(X, y, Cs), X, y, Cs, 1e-3)


def test_separable_classes_are_certified_at_large_c():
    X, y = problem(n=60, p=20)
    X[:, 0] += 5 * y
    Cs = C_max(X, y, 3) * np.array([1e2, 1e4])
    assert_certified(multinomial_l1_path(X, y, Cs, max_iter=5000), X, y, Cs, 1e-3)


def test_a_C_that_float64_cannot_solve_is_refused_before_any_pass(monkeypatch):
    monkeypatch.setattr("l1path.path.solve_grid_point", None)
    X, y = problem()
    with pytest.raises(ValueError, match=r"^Cs: expected C up to 1e\+15 times C_max, .* times it\."):
        multinomial_l1_path(X * 1e99, y, [1e-100, 1.0])
