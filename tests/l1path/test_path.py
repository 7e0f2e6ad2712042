"""The path against mathematics: each point is certified, symmetric, and the same bits in any list."""

import sys
import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from commands import run
from l1_problems import (
    KINDS,
    assert_certified,
    data_of_kind,
    problem,
    reference_certificate,
    stored_as,
    working_copy,
)
from l1path import multinomial_l1_path
from l1path.objective import C_max
from projects import ROOT


def test_every_point_of_the_path_is_certified(standardized_digits):
    X, y = standardized_digits
    Cs = C_max(X, y, 10) * np.geomspace(1.1, 300, 8)
    path = multinomial_l1_path(X, y, Cs)
    assert_certified(path, X, y, Cs, 1e-3)
    assert np.all(np.diff(path.objective / Cs) < 0)


def test_a_problem_large_enough_for_float32_is_certified():
    X, y = problem(n=1500, p=200, K=4)
    Cs = C_max(X, y, 4) * np.array([2.0, 20.0, 200.0])
    assert_certified(multinomial_l1_path(X, y, Cs), X, y, Cs, 1e-3)


@pytest.mark.slow
def test_on_mnist_a_path_of_twenty_points_is_certified(mnist_rows):
    X, y = mnist_rows
    Cs = 1 / (len(y) * np.geomspace(0.2, 0.02, 20))
    path = multinomial_l1_path(X, y, Cs)
    assert_certified(path, X, y, Cs, 1e-3)
    assert 0.95 < np.mean(path.coef[-1] == 0) < 0.96


@pytest.mark.slow
def test_on_mnist_a_hundred_times_the_c_of_the_example_converges(mnist_rows):
    X, y = mnist_rows
    assert_certified(multinomial_l1_path(X, y, [1.0]), X, y, [1.0], 1e-3)


@settings(max_examples=60)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 10**6),
    n=st.integers(6, 60),
    p=st.integers(1, 80),
    K=st.integers(2, 6),
    times=st.floats(1.01, 30),
    tol=st.sampled_from([1e-2, 1e-3, 1e-6]),
)
def test_any_small_problem_is_solved_to_the_requested_gap(*, kind, seed, n, p, K, times, tol):
    X, y = problem(n, p, K, seed)
    X = data_of_kind(kind, X)
    C = C_max(X, y, K) * times
    with stored_as(kind):
        path = multinomial_l1_path(X, y, [C], tol=tol)
    assert_certified(path, X, y, [C], tol)


@given(seed=st.integers(0, 10**6), share=st.floats(1e-6, 1))
@settings(max_examples=30)
def test_up_to_c_max_every_weight_is_zero_and_the_intercepts_are_the_log_frequencies(seed, share):
    X, y = problem(seed=seed)
    path = multinomial_l1_path(X, y, [C_max(X, y, 3) * share, C_max(X, y, 3)])
    assert not path.coef.any()
    assert path.converged.all()
    np.testing.assert_allclose(softmax(path.intercept, axis=1)[0], np.bincount(y) / len(y), rtol=1e-12)


def test_just_above_c_max_a_weight_is_not_zero():
    X, y = problem()
    assert multinomial_l1_path(X, y, [1.001 * C_max(X, y, 3)], tol=1e-9).coef.any()


def test_the_claimed_gap_is_never_below_the_true_one():
    X, y = problem(n=200)
    C = 20 * C_max(X, y, 3)
    best = multinomial_l1_path(X, y, [C], tol=1e-10)
    for tol in (1e-1, 1e-2, 1e-3, 1e-5):
        path = multinomial_l1_path(X, y, [C], tol=tol)
        true = (path.objective[0] - best.objective[0]) / path.objective[0]
        assert -1e-10 <= true <= path.duality_gap[0] <= tol


def test_it_agrees_with_saga_run_to_1e_6():
    X, y = problem(n=150, p=8)
    for C in C_max(X, y, 3) * np.array([2.0, 10.0, 50.0]):
        saga = LogisticRegression(
            C=C, l1_ratio=1, solver="saga", tol=1e-6, max_iter=100_000, random_state=0
        ).fit(X, y)
        path = multinomial_l1_path(X, y, [C], tol=1e-9)
        _, theirs = reference_certificate(X, y, saga.coef_, saga.intercept_, C)
        assert path.objective[0] <= theirs * (1 + 1e-9)
        assert path.objective[0] == pytest.approx(theirs, rel=1e-5)
        np.testing.assert_allclose(path.coef[0], saga.coef_, atol=2e-3)


def test_a_point_that_did_not_converge_warns_and_has_its_true_gap():
    X, y = problem(n=60, p=100)
    C = 200 * C_max(X, y, 3)
    with pytest.warns(ConvergenceWarning, match="duality gap above tol"):
        path = multinomial_l1_path(X, y, [C], tol=1e-9, max_iter=1)
    gap, _ = reference_certificate(X, y, path.coef[0], path.intercept[0], C)
    assert not path.converged[0]
    assert path.n_iter[0] == 1
    assert gap <= path.duality_gap[0] + 1e-9
    assert path.duality_gap[0] > 1e-9


@pytest.mark.parametrize("kind", KINDS)
def test_a_point_is_the_same_bits_alone_and_in_any_list(*, standardized_digits, kind):
    X, y = problem(n=1500, p=200, K=10) if kind == "float32" else standardized_digits
    Cs = C_max(X, y, 10) * np.array([30.0, 0.5, 3.0, 100.0, 3.1, 1.0])
    with stored_as(kind):
        assert working_copy(X, y).columns.dtype == kind
        path, *all_alone = (multinomial_l1_path(X, y, requested) for requested in (Cs, *Cs))
    for k, alone in enumerate(all_alone):
        for name in ("coef", "intercept", "duality_gap", "objective", "n_iter", "converged"):
            np.testing.assert_array_equal(getattr(alone, name)[0], getattr(path, name)[k])


def test_the_result_cannot_be_changed():
    X, y = problem()
    path = multinomial_l1_path(X, y, [1.0])
    with pytest.raises(ValueError, match="read-only"):
        path.coef[0, 0, 0] = 1


@pytest.mark.parametrize("threads", [1, 3])
def test_progress_is_called_once_for_each_point_one_at_a_time_and_changes_no_bit(threads):
    X, y = problem()
    Cs = C_max(X, y, 3) * np.array([0.5, 3.0, 30.0, 3.0])
    within, most, calls = 0, 0, 0

    def progress():
        nonlocal within, most, calls
        within += 1
        time.sleep(0.001)
        most, calls = max(most, within), calls + 1
        within -= 1

    path = multinomial_l1_path(X, y, Cs, threads=threads, progress=progress)
    assert (calls, most) == (4, 1)
    np.testing.assert_array_equal(path.coef, multinomial_l1_path(X, y, Cs).coef)


def test_an_exception_of_progress_is_raised():
    X, y = problem()

    def progress():
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        multinomial_l1_path(X, y, [1.0], progress=progress)


def test_permuting_rows_columns_or_classes_permutes_the_result():
    X, y = problem(n=120)
    C = 10 * C_max(X, y, 3)
    rng = np.random.default_rng(1)
    rows, columns, classes = rng.permutation(120), rng.permutation(12), np.array([2, 0, 1])
    path = multinomial_l1_path(X, y, [C], tol=1e-9)
    other = multinomial_l1_path(X[rows][:, columns], classes[y][rows], [C], tol=1e-9)
    np.testing.assert_allclose(other.coef[0][classes], path.coef[0][:, columns], atol=1e-5)
    assert other.objective[0] == pytest.approx(path.objective[0], rel=1e-8)


def test_repeating_the_rows_at_half_the_c_changes_nothing():
    X, y = problem(n=120)
    C = 10 * C_max(X, y, 3)
    path = multinomial_l1_path(X, y, [C], tol=1e-9)
    twice = multinomial_l1_path(np.repeat(X, 2, axis=0), np.repeat(y, 2), [C / 2], tol=1e-9)
    np.testing.assert_allclose(twice.coef, path.coef, atol=1e-5)


def test_a_weight_of_two_repeats_a_row_and_a_weight_of_zero_removes_it():
    X, y = problem(n=120)
    weight = np.random.default_rng(2).integers(0, 4, 120)
    C = 10 * C_max(X, y, 3)
    weighted = multinomial_l1_path(X, y, [C], sample_weight=weight, tol=1e-9)
    X, y = np.repeat(X, weight, axis=0), np.repeat(y, weight)
    assert_certified(weighted, X, y, [C], 1e-9)


def test_labels_may_be_anything_that_sorts():
    X, y = problem()
    named = multinomial_l1_path(X, np.array(["eight", "one", "six"])[y], [1.0])
    np.testing.assert_array_equal(named.coef, multinomial_l1_path(X, y, [1.0]).coef)


def test_a_converged_path_gives_no_warning():
    X, y = problem()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        multinomial_l1_path(X, y, [1.0])


PATH = """
import hashlib, sys
import numpy as np
from l1path import multinomial_l1_path
rng = np.random.default_rng(0)
floats = rng.normal(size=(1500, 200))
y = np.argmax(floats[:, :4] + rng.normal(size=(1500, 4)), axis=1)
for X in floats, np.rint(20 * floats) / 20:  # the second has a working copy in bytes
    path = multinomial_l1_path(X, y, [0.01, 0.1], threads=int(sys.argv[1]))
    for array in path.coef, path.intercept, path.duality_gap:
        print(hashlib.sha256(array.tobytes()).hexdigest())
"""
GENERIC_PROCESSOR = {
    "NUMBA_CPU_NAME": "generic",
    "NUMBA_CPU_FEATURES": "",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4",
}


@pytest.mark.slow
def test_the_bits_depend_on_no_processor_no_thread_and_no_blas():
    outputs = {
        run(sys.executable, "-c", PATH, threads, PYTHONPATH=str(ROOT / "src"), **environment).stdout
        for threads, environment in (
            (1, {}),
            (2, {"OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell"}),
            (2, GENERIC_PROCESSOR),
        )
    }
    assert len(outputs) == 1
    assert outputs.pop().count("\n") == 6
