"""Each kernel equals the NumPy line in its docstring; and its bits are the same on every processor."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l1path import kernels

RNG = np.random.default_rng(0)
DTYPES = [np.float32, np.float64]
HELD = [*DTYPES, np.uint8]  # what a working copy may be of; sums over bytes are float32
n, p, K, m = 72, 16, 3, 12


def normal(*shape, dtype=np.float64):
    return RNG.normal(size=shape).astype(dtype)


def held(*shape, dtype):
    """Numbers of a working copy, and the type of sums over them."""
    copy = RNG.integers(0, 8, shape) if dtype == np.uint8 else RNG.normal(size=shape)
    return copy.astype(dtype), np.promote_types(dtype, np.float32)


def close(dtype):
    return {"rtol": 1e-12, "atol": 1e-12} if dtype == np.float64 else {"rtol": 2e-5, "atol": 2e-5}


@pytest.fixture
def hit():
    return np.arange(K)[:, None] == RNG.integers(0, K, n)


@pytest.fixture
def s():
    return RNG.random(n) / n


@settings(deadline=None)  # the first call compiles
@given(st.floats(-708, 708))
def test_exp_is_within_an_ulp_of_numpy(x):
    out = np.empty(1)
    kernels.exp(np.array([x]), out)
    np.testing.assert_array_max_ulp(out, np.exp([x]), 1)


@settings(deadline=None)  # likewise
@given(st.floats(1e-300, 1e300))
def test_log_is_within_two_ulp_of_numpy(x):
    out = np.empty(1)
    kernels.log(np.array([x]), out)
    np.testing.assert_allclose(out, np.log([x]), rtol=5e-16, atol=5e-17)


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 1000])
def test_sums(size):
    a, b = normal(size), normal(size)
    assert kernels.dot(a, b) == pytest.approx(a @ b, abs=1e-12)
    assert kernels.total(a) == pytest.approx(a.sum(), abs=1e-12)
    assert kernels.distance(a, b) == pytest.approx(np.abs(a - b).sum(), abs=1e-12)


def test_column_ranges(s):
    X = normal(n, p)
    for found, expected in zip(
        kernels.column_ranges(X, s), (X.min(axis=0), X.max(axis=0), s @ X), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", HELD)
def test_column_norms(dtype, s):
    (rows, _), offset = held(n, p, dtype=dtype), normal(p)
    np.testing.assert_allclose(
        kernels.column_norms(rows, offset, s), np.sqrt(s @ (rows.astype(float) - offset) ** 2)
    )


def test_steps():
    whole = np.array([[0, 0, 5, 0, 9], [90, 1, 5, 1, -6], [60, 0, 5, 255, 0], [210, 1, 5, 7, 9]])
    X = whole * np.array([0.1, 3.7, 1.0, 1e-9, 1e9]) + np.array([5.0, 0.0, 0.0, 0.0, 1.0])
    found = kernels.steps(X, X.min(axis=0), np.ptp(X, axis=0))
    np.testing.assert_allclose(found, [3.0, 3.7, 0.0, 1e-9, 3e9])
    X[2, 3] = 256e-9
    assert not kernels.steps(X, X.min(axis=0), np.ptp(X, axis=0)).any()
    X[2, 3] = np.pi * 1e-8
    assert not kernels.steps(X, X.min(axis=0), np.ptp(X, axis=0)).any()


def test_byte_copy_and_the_scores_from_it():
    whole = RNG.integers(0, 256, (69, 13))
    whole[:2] = [[0], [255]]
    X = (whole - 33.3) / 7.7
    low, unit = X.min(axis=0), 255 / np.ptp(X, axis=0)

    def copied(X):
        rows, columns = np.zeros((n, p), np.uint8), np.zeros((p, n), np.uint8)
        levels = np.full((13, 256), np.nan)
        return kernels.byte_copy(X, low, unit, rows, columns, levels), rows, columns, levels

    true, rows, columns, levels = copied(X)
    assert true
    np.testing.assert_array_equal(rows[:69, :13], whole)
    np.testing.assert_array_equal(columns, rows.T)
    np.testing.assert_array_equal(levels[np.arange(13), whole], X)

    W, b = normal(K, 13) * (RNG.random((K, 13)) < 0.4), normal(K)
    sparse = np.append(0, np.cumsum(np.count_nonzero(W, axis=1))), np.nonzero(W)[1], W[W != 0]
    one, other = np.empty((K, n)), np.empty((K, n))
    kernels.scores_of_levels(np.nan_to_num(levels), columns, *sparse, b, one)
    kernels.scores(X, *sparse, b, other)
    np.testing.assert_array_equal(one[:, :69], other[:, :69])

    X[40, 3] = np.nextafter(X[40, 3], 100)
    assert not copied(X)[0]
    X[40, 3] += 0.01
    assert not copied(X)[0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_working_copy(dtype):
    X, centre, unit = normal(69, 13), normal(13), RNG.random(13)
    rows, columns = np.zeros((n, p), dtype), np.zeros((p, n), dtype)
    kernels.working_copy(X, centre, unit, rows, columns)
    np.testing.assert_array_equal(rows[:69, :13], ((X - centre) * unit).astype(dtype))
    np.testing.assert_array_equal(columns, rows.T)
    assert not rows[69:].any()


def test_sums_below():
    e, out = RNG.random((K, n)), np.empty((K, n))
    kernels.sums_below(e, out)
    np.testing.assert_allclose(out, [e[k + 1 :].sum(axis=0) for k in range(K)])


@pytest.mark.parametrize("dtype", DTYPES)
def test_residual_and_weight(dtype, hit, s):
    e, above, below = RNG.random((3, n))
    r, w = np.empty(n), np.empty(n, dtype)
    kernels.residual_and_weight(e, above, below, hit[0], s, r, w)
    P = e / (e + above + below)
    np.testing.assert_allclose(r, s * (P - hit[0]), **close(np.float64))
    np.testing.assert_allclose(w, s * P * (1 - P), **close(dtype))


def test_a_residual_near_zero_keeps_its_digits():
    r, w = np.empty(1), np.empty(1)
    kernels.residual_and_weight(
        np.ones(1), np.array([1e-30]), np.zeros(1), np.ones(1, bool), np.ones(1), r, w
    )
    assert r[0] == pytest.approx(-1e-30)
    assert w[0] == pytest.approx(1e-30)


def test_changed(s):
    r, counted = normal(n), normal(n)
    before, rows, change = counted.copy(), np.empty(n + 8, np.intp), np.empty(n + 8, np.float32)
    count = kernels.changed(r, counted, s, 100.0, rows, change)
    moved = np.flatnonzero(abs(r - before) > 100 * s)
    assert count % 8 == 0
    np.testing.assert_array_equal(rows[: moved.size], moved)
    np.testing.assert_allclose(change[: moved.size], (r - before)[moved], rtol=1e-6)
    assert not change[moved.size : count].any()
    np.testing.assert_array_equal(counted, np.where(abs(r - before) > 100 * s, r, before))


@pytest.mark.parametrize("dtype", HELD)
@pytest.mark.parametrize("height", [n, 3000])
def test_add_rows(dtype, height):
    (packed, real), rows = held(height, p, dtype=dtype), RNG.permutation(height)[: height // 16 * 8]
    change, g = normal(rows.size, dtype=real), normal(m)
    expected = g + change.astype(float) @ packed[rows, :m]
    kernels.add_rows(packed, rows, change, g)
    np.testing.assert_allclose(
        g, expected, rtol=1e-4 if real == np.float32 else 1e-11, atol=close(real)["atol"]
    )


@pytest.mark.parametrize("dtype", HELD)
def test_gradient(dtype):
    (rows, real), out = held(n, p, dtype=dtype), normal(4, p)
    R = normal(4, n, dtype=real)
    expected = out + R.astype(float) @ rows
    kernels.gradient(rows, R, np.empty((4, p), real), out)
    np.testing.assert_allclose(out, expected, **close(real))


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_a_float32_gradient_is_off_by_no_more_than_the_roundings_that_the_certificate_charges(dtype):
    from l1path.solver import ROUNDINGS  # noqa: PLC0415 - the one thing here that is the solver's

    (rows, _), R = held(4000, p, dtype=dtype), normal(2, 4000)
    out = np.zeros((2, p))
    kernels.gradient(rows, R.astype(np.float32), np.empty((2, p), np.float32), out)
    charged = (
        ROUNDINGS * 2.0**-24 * np.linalg.norm(R, axis=1)[:, None] * np.linalg.norm(rows.astype(float), axis=0)
    )
    assert np.all(np.abs(out - R @ rows.astype(float)) <= charged)


@pytest.mark.parametrize("dtype", HELD)
def test_products(dtype):
    (columns, real), out = held(p, n, dtype=dtype), np.zeros((K, p))
    R, chosen = normal(K, n, dtype=real), RNG.random((K, p)) < 0.4
    kernels.products(columns, R, *np.nonzero(chosen), out)
    expected = np.where(chosen, R.astype(float) @ columns.T, 0)
    np.testing.assert_allclose(out, expected, **close(real))


def test_apart(s):
    a, b = normal(2, K, n)
    s[:5] = 0
    expected = np.sqrt((((a - b) ** 2)[:, s > 0] / s[s > 0]).sum(axis=1))
    np.testing.assert_allclose(kernels.apart(a, b, s), expected)


def test_over(s):
    w = RNG.random(n) / n
    rows = kernels.over(w, 1.0, s)
    found = np.flatnonzero(w > s)
    np.testing.assert_array_equal(rows[: found.size], found)
    assert rows.size % 8 == 0
    assert np.all(rows[found.size :] == n - 1)


def test_blend():
    stack, c, out = normal(4, K, n), normal(4), normal(K, n)
    expected = out + np.tensordot(c, stack, 1)
    kernels.blend(c, stack, out)
    np.testing.assert_allclose(out, expected, atol=1e-13)


@pytest.mark.parametrize("height", [n, 1000])
def test_span_model(height):
    stack, eta, e, s = normal(4, K, height), normal(K, height), RNG.random((K, height)), RNG.random(height)
    hit = np.arange(K)[:, None] == RNG.integers(0, K, height)
    g, H = kernels.span_model(stack, eta, e, hit, s)
    D, P = stack - eta, e / e.sum(axis=0)
    mean = (P * D).sum(axis=1)
    np.testing.assert_allclose(g, (s * (P - hit) * D).sum(axis=(1, 2)))
    np.testing.assert_allclose(H, np.einsum("n,kn,akn,bkn", s, P, D, D) - mean * s @ mean.T)


@pytest.mark.parametrize("rows", [n, n - 1, n - 3])
def test_scores(rows):
    X, W, b = normal(rows, p), normal(K, p) * (RNG.random((K, p)) < 0.4), normal(K)
    out = np.zeros((K, n))
    starts = np.append(0, np.cumsum(np.count_nonzero(W, axis=1)))
    kernels.scores(X, starts, np.nonzero(W)[1], W[W != 0], b, out)
    np.testing.assert_allclose(out[:, :rows], W @ X.T + b[:, None], **close(np.float64))


@pytest.mark.parametrize("dtype", HELD)
def test_pack(dtype):
    columns, packed, chosen = held(p, n, dtype=dtype)[0], np.zeros((n, 10), dtype), np.array([3, 0, 7])
    kernels.pack(columns, chosen, 4, packed)
    np.testing.assert_array_equal(packed[:, 4:7], columns[chosen].T)
    assert not np.delete(packed, [4, 5, 6], axis=1).any()


@pytest.mark.parametrize("dtype", HELD)
@pytest.mark.parametrize("old", [0, 4, 8])
def test_gram(dtype, old):
    packed, real = held(n, p, dtype=dtype)
    w, heavy, offset = RNG.random(n).astype(real), np.arange(0, 64, 2), normal(m, dtype=real)
    G = np.full((p, p), np.nan, real)
    G[:old, :old] = 7
    kernels.gram(packed, offset, w, heavy, old, m, G)
    A = packed[:, :m] - offset
    expected = A[heavy].T @ (w[heavy, None] * A[heavy])
    np.fill_diagonal(expected, w @ (A * A))
    expected[:old, :old] = 7
    np.testing.assert_allclose(G[:m, :m], expected, **close(real))


def test_violation():
    g, coef, penalty = normal(m), normal(m) * (RNG.random(m) < 0.5), RNG.random(m)
    penalty[0] = 0
    found = np.where(coef == 0, np.abs(g) - penalty, np.abs(g + penalty * np.sign(coef)))
    expected = max(0, (found / np.where(penalty > 0, penalty, 0.3)).max())
    assert kernels.violation(g, coef, penalty, 0.3) == pytest.approx(expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_descend_ends_where_the_subgradient_is_zero(dtype):
    rng = np.random.default_rng(3)
    A, g, start = rng.normal(size=(40, m)), rng.normal(size=m), rng.normal(size=m)
    G, penalty, coef = (A.T @ A / 40).astype(dtype), np.full(m, 0.8), start.copy()
    assert kernels.descend(G, g, coef, penalty, 0.8, 1e-7, 10_000) < 10_000
    assert kernels.violation(g + G @ (coef - start), coef, penalty, 0.8) < (
        1e-3 if dtype == np.float32 else 1e-6
    )
    assert np.any(coef == 0)


@pytest.mark.parametrize("dtype", HELD)
def test_combine(dtype):
    (columns, real), chosen, weights = held(p, 2000, dtype=dtype), np.array([5, 1, 2, 9, 4]), normal(5)
    weights[1] = 0
    out = np.empty(2000, real)
    kernels.combine(columns, chosen, weights, 0.7, out)
    np.testing.assert_allclose(out, 0.7 + weights @ columns[chosen], **close(real))


@pytest.mark.parametrize("height", [n, 2080])
def test_step_slope(height):
    eta, move, shift = normal(3, height)
    above, below, s = RNG.random((3, height))
    hit, e = RNG.random(height) < 0.3, np.empty(height)
    found = kernels.step_slope(eta, move, 0.7, shift, above, below, hit, s, e)
    np.testing.assert_allclose(e, np.exp(eta + 0.7 * move - shift), rtol=1e-14)
    assert found == pytest.approx((s * (e / (e + above + below) - hit)) @ move, rel=1e-10)


@pytest.mark.parametrize("height", [n, 2080])
def test_exponentials_residuals_and_entropy(height):
    eta, hit = normal(K, height) * 5, np.arange(K)[:, None] == RNG.integers(0, K, height)
    shift, e, loss, R, out = (
        np.empty(height),
        np.empty((K, height)),
        np.empty(height),
        np.empty((K, height)),
        np.empty(height),
    )
    kernels.exponentials(eta, hit, shift, e, loss)
    np.testing.assert_array_equal(shift, eta.max(axis=0))
    np.testing.assert_allclose(e, np.exp(eta - shift), rtol=1e-14)
    np.testing.assert_allclose(
        loss, np.log(e.sum(axis=0)) - (eta - shift)[hit.argmax(axis=0), np.arange(height)], atol=1e-14
    )
    assert kernels.losses(eta, e, hit, shift, np.full(height, 0.5)) == pytest.approx(loss.sum() / 2)
    kernels.residuals(e, hit, R)
    np.testing.assert_allclose(R, e / e.sum(axis=0) - hit, atol=1e-15)
    kernels.entropy(R, hit, 0.9, out)
    Q = hit + 0.9 * R
    np.testing.assert_allclose(out, -(Q * np.log(Q)).sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize("dtype", HELD)
def test_a_class_step_lowers_the_objective_and_keeps_scores_gradient_and_exponentials_true(dtype):
    rng = np.random.default_rng(5)
    height, width, lam = 400, 16, 0.02
    columns, real, steps = rng.normal(size=(width, height)), np.promote_types(dtype, np.float32), 1
    if dtype == np.uint8:
        steps = 4  # to a standard deviation
        columns = np.clip(np.rint(steps * columns + 20), 0, 40)
    columns = columns.astype(dtype)
    columns[-1], columns[:, -1] = 0, 0  # the empty column and row
    columns[11], columns[11, -1] = 1, 0  # the intercept's
    offset = columns.mean(axis=1) if dtype == np.uint8 else np.zeros(width)
    offset[11] = offset[-1] = 0
    s = np.append(np.full(height - 1, 1 / (height - 1)), 0.0)
    hit = (columns[0] - offset[0]) / steps + 0.5 * rng.normal(size=height) > 1
    above, e, eta, shift = np.full(height, 2.0), np.ones(height), np.zeros(height), np.zeros(height)
    chosen, packed = np.arange(12), np.ascontiguousarray(columns.T)
    V, counted, gradient, unit = np.zeros(width), np.zeros(height), np.zeros(width), np.ones(width)
    G, frozen, known = np.zeros((width, width), real), np.zeros(height, real), 0

    def objective():
        return s @ (np.log(e + above) - np.where(hit, eta, np.log(above))) + lam * np.abs(V).sum()

    before, violations = objective(), []
    for _ in range(8):
        below = np.zeros(height)
        violation, known = kernels.class_step(
            hit, s, columns, offset, unit, lam, 1e-9, 0.0, above, below, shift,
            eta, e, counted, V, gradient, chosen, packed, G, known, frozen,
        )  # fmt: skip
        violations.append(violation)
        assert objective() < before or violation < 1e-5 * steps
        before = objective()
        np.testing.assert_array_equal(below, e)
    centred = columns - offset[:, None]
    np.testing.assert_allclose(eta[:-1], (V @ centred)[:-1], atol=1e-4)
    np.testing.assert_allclose(e, np.exp(eta), rtol=1e-12)
    np.testing.assert_allclose(gradient[:12], centred[:12] @ counted, atol=1e-5 * steps)
    assert known == 12
    assert violations[-1] < 1e-2 * violations[0]
    assert not V[12:].any()


def test_a_certain_row_has_no_entropy():
    out = np.empty(8)
    kernels.entropy(np.zeros((2, 8)), np.repeat([[True], [False]], 8, axis=1), 1.0, out)
    assert not out.any()


def test_intercept_curvature(hit, s):
    P = RNG.dirichlet(np.ones(K), n).T
    found = kernels.intercept_curvature(P - hit, hit, s)
    np.testing.assert_allclose(found, np.diag(P @ s) - (P * s) @ P.T, atol=1e-15)


def test_solve():
    A = normal(9, 5)
    H, g = A.T @ A, normal(5)
    expected = np.linalg.solve(H, g)
    np.testing.assert_allclose(kernels.solve(H, g), expected, rtol=1e-9)


PATH = """
import hashlib, sys
import numpy as np
from sparse_digits.solver import multinomial_l1_path
rng = np.random.default_rng(0)
floats = rng.normal(size=(1500, 200))
y = np.argmax(floats[:, :4] + rng.normal(size=(1500, 4)), axis=1)
for X in floats, np.rint(20 * floats) / 20:  # the second is held in bytes
    path = multinomial_l1_path(X, y, [0.01, 0.1], threads=int(sys.argv[1]))
    for found in path.coef, path.intercept, path.duality_gap:
        print(hashlib.sha256(found.tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_the_bits_depend_on_no_processor_no_thread_and_no_blas():
    found = {
        subprocess.run(
            [sys.executable, "-c", PATH, threads],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **changed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads, changed in (
            ("1", {}),
            ("2", {"OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell"}),
            (
                "2",
                {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NPY_DISABLE_CPU_FEATURES": "X86_V4"},
            ),
        )
    }
    assert len(found) == 1
