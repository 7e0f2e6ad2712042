"""The step for one class, and the kernels that it is made of."""

import numpy as np
import pytest

from kernel_arrays import DTYPES, RNG, STORED_DTYPES, K, close, m, n, normal
from l1path import kernels


def test_sums_of_later_classes():
    e, out = RNG.random((K, n)), np.empty((K, n))
    kernels.sums_of_later_classes(e, out)
    np.testing.assert_allclose(out, [e[k + 1 :].sum(axis=0) for k in range(K)])


@pytest.mark.parametrize("dtype", DTYPES)
def test_residual_and_weight(dtype, in_class, s):
    e, above, below = RNG.random((3, n))
    r, w = np.empty(n), np.empty(n, dtype)
    kernels.residual_and_weight(e, above, below, in_class[0], s, r, w)
    P = e / (e + above + below)
    np.testing.assert_allclose(r, s * (P - in_class[0]), **close(np.float64))
    np.testing.assert_allclose(w, s * P * (1 - P), **close(dtype))


def test_a_residual_near_zero_keeps_its_digits():
    r, w = np.empty(1), np.empty(1)
    kernels.residual_and_weight(
        np.ones(1), np.array([1e-30]), np.zeros(1), np.ones(1, bool), np.ones(1), r, w
    )
    assert r[0] == pytest.approx(-1e-30)
    assert w[0] == pytest.approx(1e-30)


def test_changed_residuals(s):
    r, gradient_residual = normal(n), normal(n)
    before, rows, change = gradient_residual.copy(), np.empty(n + 8, np.intp), np.empty(n + 8, np.float32)
    count = kernels.changed_residuals(r, gradient_residual, s, 100.0, rows, change)
    moved = np.flatnonzero(abs(r - before) > 100 * s)
    assert count % 8 == 0
    np.testing.assert_array_equal(rows[: moved.size], moved)
    np.testing.assert_allclose(change[: moved.size], (r - before)[moved], rtol=1e-6)
    assert not change[moved.size : count].any()
    np.testing.assert_array_equal(gradient_residual, np.where(abs(r - before) > 100 * s, r, before))


def test_violation():
    g, coef, penalty = normal(m), normal(m) * (RNG.random(m) < 0.5), RNG.random(m)
    penalty[0] = 0
    found = np.where(coef == 0, np.abs(g) - penalty, np.abs(g + penalty * np.sign(coef)))
    expected = max(0, (found / np.where(penalty > 0, penalty, 0.3)).max())
    assert kernels.violation(g, coef, penalty, 0.3) == pytest.approx(expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ridge", [np.zeros(m), np.linspace(0, 3, m)])
def test_coordinate_descent_ends_where_the_subgradient_is_zero(dtype, ridge):
    rng = np.random.default_rng(3)
    A, g, start = rng.normal(size=(40, m)), rng.normal(size=m), rng.normal(size=m)
    G, penalty, coef = (A.T @ A / 40).astype(dtype), np.full(m, 0.8), start.copy()
    assert kernels.coordinate_descent(G, g, coef, penalty, ridge, 0.8, 1e-7, 10_000) < 10_000
    assert kernels.violation(g + (G + np.diag(ridge)) @ (coef - start), coef, penalty, 0.8) < (
        1e-3 if dtype == np.float32 else 1e-6
    )
    assert np.any(coef == 0)


@pytest.mark.parametrize("height", [n, 2080])
def test_line_search_slope(height):
    eta, move, shift = normal(3, height)
    above, below, s = RNG.random((3, height))
    in_class, e = RNG.random(height) < 0.3, np.empty(height)
    found = kernels.line_search_slope(eta, move, 0.7, shift, above, below, in_class, s, e)
    np.testing.assert_allclose(e, np.exp(eta + 0.7 * move - shift), rtol=1e-14)
    assert found == pytest.approx((s * (e / (e + above + below) - in_class)) @ move, rel=1e-10)


@pytest.mark.parametrize("dtype", STORED_DTYPES)
@pytest.mark.parametrize("ridge_ratio", [0.0, 0.5])
def test_a_class_step_lowers_the_objective_and_keeps_scores_gradient_and_exponentials_consistent(
    dtype, ridge_ratio
):
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
    in_class = (columns[0] - offset[0]) / steps + 0.5 * rng.normal(size=height) > 1
    above, e, eta, shift = np.full(height, 2.0), np.ones(height), np.zeros(height), np.zeros(height)
    chosen, packed = np.arange(12), np.ascontiguousarray(columns.T)
    V, gradient_residual, gradient, unit = np.zeros(width), np.zeros(height), np.zeros(width), np.ones(width)
    ridge = ridge_ratio * unit * (np.arange(width) != 11)
    G, frozen, known = np.zeros((width, width), real), np.zeros(height, real), 0
    move = np.zeros(height, real)

    def objective():
        penalty = lam * (np.abs(V).sum() + ridge @ V**2 / 2)
        return s @ (np.log(e + above) - np.where(in_class, eta, np.log(above))) + penalty

    before, violations = objective(), []
    for _ in range(8):
        below, start, done = np.zeros(height), eta.copy(), False
        while not done:
            violation, known, done = kernels.class_step(
                in_class, s, columns, offset, unit, ridge, lam, lam, 1e-9, 0.0, above, below, shift,
                eta, e, gradient_residual, V, gradient, chosen, packed, G, known, frozen,
                move,
            )  # fmt: skip
            if not done:
                assert not below.any()
                rows = packed[:, :12] - offset[:12]
                G[:12, :12], known = rows.T @ (frozen[:, None] * rows), 12
        np.testing.assert_allclose(move, eta - start, rtol=1e-6, atol=1e-12)
        violations.append(violation)
        assert objective() < before or violation < 1e-5 * steps
        before = objective()
        np.testing.assert_array_equal(below, e)
    centered = columns - offset[:, None]
    np.testing.assert_allclose(eta[:-1], (V @ centered)[:-1], atol=1e-4)
    np.testing.assert_allclose(e, np.exp(eta), rtol=1e-12)
    np.testing.assert_allclose(gradient[:12], centered[:12] @ gradient_residual, atol=1e-5 * steps)
    assert known == 12
    assert violations[-1] < 1e-2 * violations[0]
    assert not V[12:].any()


def test_first_step_length():
    assert kernels.first_step_length(np.array([1.0, -29.0])) == 1
    assert kernels.first_step_length(np.array([1.0, -60.0, 40.0])) == 0.5
