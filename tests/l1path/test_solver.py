"""The path solver against mathematics; its certificate is checked by another, written from the definition."""

import gzip
import os
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.special import log_softmax, softmax, xlogy
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from l1path import solver
from l1path.objective import C_max
from l1path.solver import multinomial_l1_path


def certificate(X, y, coef, intercept, C):
    """Relative gap and objective of ``C sum CE + |W|_1``, from the definition and with SciPy alone.

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


def holds(path, X, y, Cs, tol):
    """Every point has the gap that it claims, and the objective, by the certificate above."""
    for k, C in enumerate(Cs):
        gap, primal = certificate(X, y, path.coef[k], path.intercept[k], C)
        assert path.converged[k]
        assert 0 <= path.duality_gap[k] <= tol
        assert gap <= path.duality_gap[k] + 1e-3 * tol  # its intercepts are the best to 1e-5 of tol
        assert path.objective[k] == pytest.approx(primal, rel=1e-9)
    return True


def problem(n=80, p=12, K=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = np.argmax(X @ rng.normal(size=(p, K)) + rng.normal(size=(n, K)), axis=1)
    y[:K] = np.arange(K)
    return X, y


KINDS = ["float64", "float32", "uint8"]


def of_kind(kind, X):
    """X such that its working copy is of this kind, where it counts as large."""
    return np.clip(np.rint(40 * X), -100, 100) / 30 if kind == "uint8" else X


@contextmanager
def held_in(kind):
    """Data count as large, unless they are to be held in float64."""
    with pytest.MonkeyPatch.context() as patch:
        if kind != "float64":
            patch.setattr(solver, "SMALL", 0)
        yield


def working_copy(X, y):
    return solver.Problem.of(np.ascontiguousarray(X), y, np.ones(len(y)), 1e-3)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def mnist():
    """5,000 standardised rows."""
    folder = os.environ.get("SPARSE_DIGITS_MIRROR")
    if not folder:
        pytest.skip("SPARSE_DIGITS_MIRROR names no folder with MNIST's IDX files")
    images = np.frombuffer(
        gzip.decompress(Path(folder, "train-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16
    )
    labels = np.frombuffer(
        gzip.decompress(Path(folder, "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8
    )
    return StandardScaler().fit_transform(images.reshape(-1, 784)[:5000].astype(float)), labels[:5000].astype(
        int
    )


# The certificate


def test_every_point_of_the_path_has_the_gap_that_it_claims(digits):
    X, y = digits
    Cs = C_max(X, y, 10) * np.geomspace(1.1, 300, 8)
    path = multinomial_l1_path(X, y, Cs)
    assert holds(path, X, y, Cs, 1e-3)
    assert np.all(np.diff(path.objective / Cs) < 0)


def test_a_problem_large_enough_for_float32_has_the_gap_that_it_claims():
    X, y = problem(n=1500, p=200, K=4)
    Cs = C_max(X, y, 4) * np.array([2.0, 20.0, 200.0])
    assert holds(multinomial_l1_path(X, y, Cs), X, y, Cs, 1e-3)


def test_on_mnist_a_path_of_twenty_points_is_certified(mnist):
    X, y = mnist
    Cs = 1 / (len(y) * np.geomspace(0.2, 0.02, 20))
    path = multinomial_l1_path(X, y, Cs)
    assert holds(path, X, y, Cs, 1e-3)
    assert 0.95 < np.mean(path.coef[-1] == 0) < 0.96


@pytest.mark.slow
def test_on_mnist_the_seeds_hundredfold_c_converges(mnist):
    X, y = mnist
    assert holds(multinomial_l1_path(X, y, [1.0]), X, y, [1.0], 1e-3)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 10**6),
    moved=st.floats(0, 1),
    share=st.floats(0.3, 1),
    broad=st.booleans(),
)
def test_no_column_is_screened_whose_gradient_exceeds_lambda(*, kind, seed, moved, share, broad):
    X, y = problem(n=60, p=40, seed=seed)
    X = of_kind(kind, X)
    with held_in(kind), pytest.MonkeyPatch.context() as patch:
        patch.setattr(solver, "BROAD", 0.0 if broad else 1.0)  # one product for all, or one for each
        data = working_copy(X, y)
        point = solver.first_point(data)
        point.lam *= share
        R = (point.counted / np.where(data.s > 0, data.s, 1)) * (1 - moved)
        largest = solver.with_gradient(data, point, R)
    exact = (R * data.s)[:, :60] @ (X - X.mean(axis=0)) / data.scale
    over = np.abs(exact) > point.lam * data.unit[:40]
    rounded = 1e-6 * data.norms[:40].max() if kind == "float32" else 1e-12
    np.testing.assert_allclose(point.gradient[:, :40][over], exact[over], rtol=0, atol=rounded)
    if over.any():
        assert largest >= (np.abs(exact) / data.unit[:40]).max()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.01, 2), off=st.floats(-12, 2), K=st.integers(2, 10))
def test_a_certificate_holds_at_intercepts_that_are_not_the_best(*, seed, share, off, K):
    X, y = problem(n=60, K=K, seed=seed)
    y[K:] = 0
    data = working_copy(X, y)
    point = solver.first_point(data)
    point.lam *= share
    best = multinomial_l1_path(X, y, [1 / (60 * point.lam)], tol=1e-8).objective[0] * point.lam
    b = point.V[:, [data.p]] * (1 - 10**off)
    V = np.where(np.arange(data.rows.shape[1]) == data.p, b, 0)
    point = point.moved(data, V, np.repeat(b, data.rows.shape[0], axis=1))
    _, found = solver.certify(data, point, np.inf)
    assert found.primal * (1 - found.gap) <= best * (1 + 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_working_copy_is_the_data_centred(kind):
    X, y = problem(n=300)
    X = of_kind(kind, X)
    X[:, 3], X[:, 5] = 0.1, X[:, 4] > 0  # a constant and a flag
    with held_in(kind):
        data = working_copy(X, y)
    assert data.rows.dtype == kind
    np.testing.assert_array_equal(data.columns, data.rows.T)
    scale = np.where(np.isinf(data.scale), 0, data.scale)
    found = (data.rows - data.offset)[:300, :12] * scale
    np.testing.assert_allclose(found, X - X.mean(axis=0), atol=1e-6 if kind == "float32" else 1e-13)
    np.testing.assert_allclose(data.norms[:12] * scale, X.std(axis=0), atol=1e-15)
    if kind == "uint8":
        np.testing.assert_array_equal(data.levels[np.arange(12), data.rows[:300, :12]], X)


@pytest.mark.parametrize(
    "change",
    [
        lambda X: X + 1e-9 * np.arange(len(X))[:, None],
        lambda X: np.where(np.arange(len(X))[:, None] == len(X) - 1, np.nextafter(X, 9), X),
        lambda X: np.hstack([X, np.arange(len(X))[:, None]]),
    ],
    ids=["not whole", "off by the last bit", "more than 256"],
)
def test_data_that_no_bytes_can_hold_are_held_in_float32(change):
    X, y = problem(n=300)
    with held_in("uint8"):
        assert working_copy(change(of_kind("uint8", X)), y).rows.dtype == np.float32


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 10**6),
    n=st.integers(6, 60),
    p=st.integers(1, 80),
    K=st.integers(2, 6),
    times=st.floats(1.01, 30),
    tol=st.sampled_from([1e-2, 1e-3, 1e-6]),
)
def test_any_small_problem_is_solved_to_the_gap_that_is_asked_for(*, kind, seed, n, p, K, times, tol):
    X, y = problem(n, p, K, seed)
    X = of_kind(kind, X)
    C = C_max(X, y, K) * times
    with held_in(kind):
        path = multinomial_l1_path(X, y, [C], tol=tol)
    assert holds(path, X, y, [C], tol)


@given(seed=st.integers(0, 10**6), share=st.floats(1e-6, 1))
@settings(max_examples=30, deadline=None)
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
        _, theirs = certificate(X, y, saga.coef_, saga.intercept_, C)
        assert path.objective[0] <= theirs * (1 + 1e-9)
        assert path.objective[0] == pytest.approx(theirs, rel=1e-5)
        np.testing.assert_allclose(path.coef[0], saga.coef_, atol=2e-3)


def test_what_did_not_converge_says_so_and_claims_the_gap_that_it_has():
    X, y = problem(n=60, p=100)
    C = 200 * C_max(X, y, 3)
    with pytest.warns(ConvergenceWarning, match="duality gap above tol"):
        path = multinomial_l1_path(X, y, [C], tol=1e-9, max_iter=1)
    gap, _ = certificate(X, y, path.coef[0], path.intercept[0], C)
    assert not path.converged[0]
    assert path.n_iter[0] == 1
    assert gap <= path.duality_gap[0] + 1e-9
    assert path.duality_gap[0] > 1e-9


# A point is its own


@pytest.mark.parametrize("kind", KINDS)
def test_a_point_is_the_same_bits_alone_and_in_any_list(*, digits, kind):
    X, y = problem(n=1500, p=200, K=10) if kind == "float32" else digits
    Cs = C_max(X, y, 10) * np.array([30.0, 0.5, 3.0, 100.0, 3.1, 1.0])
    with held_in(kind):
        assert working_copy(X, y).rows.dtype == kind
        path, *all_alone = (multinomial_l1_path(X, y, asked) for asked in (Cs, *Cs))
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


def test_what_progress_raises_is_raised():
    X, y = problem()

    def progress():
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        multinomial_l1_path(X, y, [1.0], progress=progress)


# Symmetries


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


def test_a_weight_of_two_is_a_row_twice_and_a_weight_of_zero_is_no_row():
    X, y = problem(n=120)
    weight = np.random.default_rng(2).integers(0, 4, 120)
    C = 10 * C_max(X, y, 3)
    weighted = multinomial_l1_path(X, y, [C], sample_weight=weight, tol=1e-9)
    X, y = np.repeat(X, weight, axis=0), np.repeat(y, weight)
    assert holds(weighted, X, y, [C], 1e-9)


def test_labels_may_be_anything_that_sorts():
    X, y = problem()
    named = multinomial_l1_path(X, np.array(["eight", "one", "six"])[y], [1.0])
    np.testing.assert_array_equal(named.coef, multinomial_l1_path(X, y, [1.0]).coef)


# Odd data


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
def test_odd_columns_are_solved_like_any(change, kind):
    X, y = problem()
    X = change(of_kind(kind, X))
    Cs = C_max(X, y, 3) * np.array([2.0, 10.0])
    with held_in(kind):
        assert holds(multinomial_l1_path(X, y, Cs), X, y, Cs, 1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("C", [300.0, 1000.0, 5000.0])
def test_a_rare_flag_that_is_there_thrice_leads_no_search_astray(kind, C):
    flag = np.repeat([1.0, 0.0], [2, 78])
    X, y = np.column_stack([flag, flag, -flag]), np.zeros(80, int)
    y[[0, 1, 2]], y[3] = 2, 1
    with held_in(kind):
        assert holds(multinomial_l1_path(X, y, [C]), X, y, [C], 1e-3)


def test_a_constant_column_of_many_rows_is_constant():
    X, y = problem(n=140_000, p=1)
    X = np.column_stack([np.rint(20 * X), np.full(140_000, 1 / 3)])  # the mean of the second is off in bit 42
    assert working_copy(X, y).rows.dtype == np.uint8
    Cs = C_max(X, y, 3) * np.array([10.0])
    assert holds(multinomial_l1_path(X, y, Cs), X, y, Cs, 1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_weight_counts_for_nothing(kind):
    X, y = problem()
    X, weight = of_kind(kind, X), np.ones(80)
    without = np.delete(X, 5, axis=0), np.delete(y, 5)
    X[5], weight[5] = 1e50, 0
    with held_in(kind):
        path = multinomial_l1_path(X, y, [1.0], sample_weight=weight)
        np.testing.assert_array_equal(path.coef, multinomial_l1_path(*without, [1.0]).coef)


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_far_from_zero_is_certified(kind):
    X, y = problem(p=2)
    X = of_kind(kind, 30 * X) + 1e9
    with held_in(kind):
        path = multinomial_l1_path(X, y, C_max(X, y, 3) * np.array([3.0, 30.0]))
    assert path.converged.all()


def test_a_constant_column_gets_no_weight():
    X, y = problem()
    path = multinomial_l1_path(np.hstack([np.full((len(X), 1), 0.1), X]), y, [1.0])
    assert not path.coef[:, :, 0].any()


def test_columns_that_tell_nothing_apart_give_zero_weights_at_any_c():
    path = multinomial_l1_path(np.ones((6, 3)), [0, 0, 1, 1, 2, 2], [1e-3, 1e6])
    assert not path.coef.any()
    assert path.converged.all()


@pytest.mark.parametrize(
    ("n", "p", "K"),
    [(5, 4, 5), (40, 6, 2), (10, 300, 2), (30, 200, 4)],
    ids=["one row each", "two", "wide", "wide, 4"],
)
def test_few_rows_two_classes_and_more_columns_than_rows(n, p, K):
    X, y = problem(n, p, K)
    Cs = C_max(X, y, K) * np.array([1.5, 10.0, 50.0])
    assert holds(multinomial_l1_path(X, y, Cs), X, y, Cs, 1e-3)


@pytest.mark.parametrize("share", [1e-8, 1e-16, 1e-60])
def test_a_class_of_next_to_no_weight(share):
    X, y = problem()
    path = multinomial_l1_path(X, y, [1.0], sample_weight=np.where(y == 2, share, 1.0))
    assert path.converged.all()
    assert path.n_iter[0] < 10


def test_very_unequal_classes():
    X, y = problem(n=600)
    y[:] = 0
    y[:3], y[3:5] = 1, 2
    Cs = C_max(X, y, 3) * np.array([2.0, 20.0])
    assert holds(multinomial_l1_path(X, y, Cs), X, y, Cs, 1e-3)


def test_a_separable_problem_at_large_c():
    X, y = problem(n=60, p=20)
    X[:, 0] += 5 * y
    Cs = C_max(X, y, 3) * np.array([1e2, 1e4])
    assert holds(multinomial_l1_path(X, y, Cs, max_iter=5000), X, y, Cs, 1e-3)


# Faults


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.full((80, 12), np.nan)}, "X: expected finite"),
        ({"X": np.zeros(80)}, "X: expected rows and columns"),
        ({"y": np.zeros(79, int)}, "y: expected one label for each of 80 rows"),
        ({"y": np.zeros(80, int)}, "y: expected at least two classes"),
        ({"Cs": [1.0, 0.0]}, "Cs: expected finite numbers > 0"),
        ({"Cs": []}, "Cs: expected finite numbers > 0"),
        ({"Cs": [np.inf]}, "Cs: expected finite numbers > 0"),
        ({"tol": 0.0}, "tol: expected a number > 0"),
        ({"tol": np.nan}, "tol: expected a number > 0"),
        ({"max_iter": 0}, "max_iter: expected an integer of at least 1, got 0"),
        ({"sample_weight": -np.ones(80)}, "sample_weight: expected finite weights >= 0"),
        ({"sample_weight": np.zeros(80)}, "sample_weight: expected a weight above 0 in every class"),
        ({"sample_weight": np.ones(79)}, r"sample_weight: expected shape \(80,\)"),
        ({"X": csr_matrix(np.ones((80, 12)))}, "X: expected a dense array of numbers"),
        ({"X": np.ones((80, 12), complex)}, "X: expected real numbers, got complex ones"),
        ({"y": np.array([1, "one"] * 40, object)}, "y: expected labels that sort, got int and str"),
        ({"y": np.array([1.0, np.nan] * 40, object)}, "y: expected labels, got NaN"),
        ({"tol": "x"}, "tol: expected a number > 0, got 'x'"),
        ({"max_iter": 1.5}, "max_iter: expected an integer of at least 1, got 1.5"),
        ({"threads": 0}, "threads: expected an integer of at least 1, got 0"),
    ],
)
def test_a_fault_in_the_input_is_one_error_that_says_what_was_expected(change, message):
    X, y = problem()
    with pytest.raises(ValueError, match=message):
        multinomial_l1_path(**{"X": X, "y": y, "Cs": [1.0]} | change)


def test_all_faults_are_reported_at_once():
    X, y = problem()
    with pytest.raises(ValueError, match=r"Cs: .*tol: .*max_iter: "):
        multinomial_l1_path(X, y, [-1.0], tol=-1, max_iter=0)


def test_no_warning_where_everything_converged():
    X, y = problem()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        multinomial_l1_path(X, y, [1.0])
