# ruff: noqa: ANN001, ANN201, ANN202 - numba infers the types; the docstrings have the shapes
# ruff: noqa: FBT003 - numba takes a flag by position
# ruff: noqa: D403 - a NumPy line begins with a variable
# mypy: allow-untyped-defs, allow-untyped-calls
"""Minimize over the coefficients of one class: a Newton model, coordinate descent on it, a line search."""

import numpy as np

from l1path.kernels.compiler import kernel
from l1path.kernels.elementary import SUM_LANES, dot, exp_scalar, l1_distance, sum_lanes, total
from l1path.kernels.products import add_changed_rows, add_changed_rows_by_columns, combine_columns

ROW_BLOCK = 1024  # rows of a line search that stay in the first-level cache
CLASS_SKIP_FRACTION = 0.3  # of the target: a class with a smaller violation is skipped in this pass
DESCENT_TOL_FRACTION = (
    0.1  # of the class's violation: coordinate descent stops there (measured: decision 0010)
)
MAX_DESCENT_PASSES = 200  # over the working columns, in one coordinate descent
GRAM_REFRESH_THRESHOLD = 0.2  # relative change of the weights in the L1 norm beyond which the matrix is stale
MAX_SCORE_CHANGE = 30.0  # by one step: the quadratic model knows nothing of what is farther away
MIN_STEP_LENGTH = 1e-6  # of the full step: the line search gives up below it


@kernel
def sums_of_later_classes(e, out):
    """out[k] = e[k + 1 :].sum(axis=0): a running sum, since a difference would cancel."""
    out[-1] = 0.0
    for k in range(e.shape[0] - 2, -1, -1):
        for i in range(e.shape[1]):
            out[k, i] = out[k + 1, i] + e[k + 1, i]


@kernel
def residual_and_weight(e, above, below, in_class, s, r, w):
    """P = e / (e + above + below); r[:] = s * (P - in_class); w[:] = s * P * (1 - P); no cancellation."""
    for i in range(e.size):
        rest = above[i] + below[i]
        inverse = s[i] / (e[i] + rest)
        r[i] = -rest * inverse if in_class[i] else e[i] * inverse
        w[i] = e[i] * inverse * (rest / (e[i] + rest))


@kernel
def changed_residuals(r, gradient_residual, s, tau, rows, change):
    """rows = np.flatnonzero(abs(r - gradient_residual) > tau * s); change = (r - gradient_residual)[rows].

    Then gradient_residual[rows] = r[rows]. Returns the number of rows, padded to a multiple of 8 with the
    last row, which is empty.
    """
    m = 0
    for i in range(r.size):  # without a branch, which would be mispredicted
        rows[m] = i
        change[m] = r[i] - gradient_residual[i]
        m += abs(r[i] - gradient_residual[i]) > tau * s[i]
    for q in range(m):
        gradient_residual[rows[q]] = r[rows[q]]
    while m % 8:
        rows[m] = r.size - 1
        change[m] = 0
        m += 1
    return m


@kernel
def violation(g, coef, penalty, free_unit):
    """The largest distance of -g from the subdifferential of the penalty, relative to the penalty.

    |g + penalty sign(coef)|, or |g| - penalty where coef is 0; relative to `free_unit` where there is no
    penalty.
    """
    worst = 0.0
    for j in range(g.size):
        if coef[j] == 0.0:
            v = abs(g[j]) - penalty[j]
        else:
            v = abs(g[j] + (penalty[j] if coef[j] > 0.0 else -penalty[j]))
        worst = max(worst, v / (penalty[j] if penalty[j] > 0.0 else free_unit))
    return worst


@kernel
def _descent_pass(G, q, coef, penalty, ridge, free_unit, nonzero_only):
    """One pass of coordinate descent; returns the largest step times curvature, relative to the penalty."""
    m = q.size
    worst = 0.0
    for j in range(m):
        h = G[j, j] + ridge[j]
        if h <= 0.0 or (nonzero_only and coef[j] == 0.0):
            continue
        z = coef[j] * h - q[j]
        new = 0.0
        if z > penalty[j]:
            new = (z - penalty[j]) / h
        elif z < -penalty[j]:
            new = (z + penalty[j]) / h
        step = new - coef[j]
        if step != 0.0:
            coef[j] = new
            move = q.dtype.type(step)
            row = G[j]
            for i in range(m):
                q[i] += move * row[i]
            q[j] += step * ridge[j]
            worst = max(worst, abs(step) * h / (penalty[j] if penalty[j] > 0.0 else free_unit))
    return worst


@kernel
def coordinate_descent(G, g, coef, penalty, ridge, free_unit, tol, passes):
    """coef[:] = argmin over v of g (v - coef) + (v - coef)' (G + diag(ridge)) (v - coef) / 2 + penalty |v|.

    `tol` is relative to the penalty, as in `violation`. A pass over all columns alternates with passes over
    the nonzero coefficients until they converge. Returns the number of passes.
    """
    q = g.astype(G.dtype)
    remaining = passes
    while remaining > 0:
        remaining -= 1
        if _descent_pass(G, q, coef, penalty, ridge, free_unit, False) <= tol:
            break
        while remaining > 0:
            remaining -= 1
            if _descent_pass(G, q, coef, penalty, ridge, free_unit, True) <= tol:
                break
    return passes - remaining


@kernel
def line_search_slope(eta, move, t, shift, above, below, in_class, s, e):
    """e[:] = exp(eta + t move - shift); P = e / (e + above + below); returns (s * (P - in_class)) @ move."""
    lanes, product = np.zeros(SUM_LANES), np.empty(ROW_BLOCK)
    for a in range(0, eta.size, ROW_BLOCK):
        z = min(a + ROW_BLOCK, eta.size)
        score, step, row_max, exponential, own, weight = (
            eta[a:z],
            move[a:z],
            shift[a:z],
            e[a:z],
            in_class[a:z],
            s[a:z],
        )
        rest = product[: z - a]
        # several loops: one loop over all these arrays would not be vectorized
        for i in range(z - a):
            exponential[i] = exp_scalar(score[i] + t * step[i] - row_max[i])
        for i in range(z - a):
            rest[i] = above[a + i] + below[a + i]
        for i in range(z - a):
            rest[i] = (-rest[i] if own[i] else exponential[i]) / (exponential[i] + rest[i])
        for i in range(z - a):
            rest[i] *= weight[i] * step[i]
        product[z - a :] = 0.0
        for first in range(0, z - a, SUM_LANES):
            for i in range(SUM_LANES):
                lanes[i] += product[first + i]
    return sum_lanes(lanes)


@kernel
def first_step_length(move):
    """min(1, MAX_SCORE_CHANGE / abs(move).max())."""
    t = 1.0
    for i in range(move.size):
        if abs(move[i]) * t > MAX_SCORE_CHANGE:
            t = MAX_SCORE_CHANGE / abs(move[i])
    return t


@kernel
def line_search(
    eta, move, gradient_slope, penalty_change, ridge_slope, ridge_curvature,
    shift, above, below, in_class, s, e,
):  # fmt: skip
    """Return the step length along `move` at whose end the objective no longer rises steeply; 0 if uphill.

    The L1 part of the slope is at most `penalty_change`, the penalty's difference over the full step; that of
    the ridge is ``ridge_slope + t ridge_curvature``.  Sets e = exp(eta + t move - shift).
    """
    initial_slope = gradient_slope + penalty_change
    t, slope = first_step_length(move), np.inf
    while initial_slope < 0.0 and slope > -initial_slope and t > MIN_STEP_LENGTH:
        t *= initial_slope / (initial_slope - slope) if slope < np.inf else 1.0
        slope = penalty_change + line_search_slope(eta, move, t, shift, above, below, in_class, s, e)
        slope += ridge_slope + t * ridge_curvature
    return t if initial_slope < 0.0 else 0.0


@kernel
def take_step(
    coef, new, step, move, g, penalty, ridge, chosen, shift, above, below, in_class, s, V, eta, e,
):  # fmt: skip
    """Go from `coef` to `new`, or as far as the line search allows: sets V, eta and e.

    move : what the whole `step`, new - coef, adds to eta; in the end what has been added.  g, penalty,
    ridge : of the columns `chosen`.
    """
    t = line_search(
        eta, move, dot(g, step), dot(penalty, np.abs(new) - np.abs(coef)), dot(ridge * coef, step),
        dot(ridge * step, step), shift, above, below, in_class, s, e,
    )  # fmt: skip
    if t > 0.0:
        for q in range(chosen.size):
            V[chosen[q]] = new[q] if t == 1.0 else coef[q] + t * step[q]
        for i in range(e.size):
            eta[i] += t * move[i]
    for i in range(e.size):
        move[i] *= t


@kernel
def class_step(
    in_class, s, columns, offset, penalty_factor, ridge_factor, lam, free_unit, target, update_threshold,
    above, below, shift, eta, e, gradient_residual, V, gradient, chosen, packed, G, gram_size, gram_weights,
    move,
):  # fmt: skip
    """Minimize over one class by a quadratic model; return its violation before, `gram_size`, if it is done.

    With the other classes fixed p = e / (e + above + below), and the model's row weights are p (1 - p). They
    are the curvature at the start only, so a line search on the slope at the end of the step shortens it if
    needed. The gradient is updated for rows whose residual has changed by more than `update_threshold`. G is
    the Gram matrix of the first `gram_size` working columns under the row weights `gram_weights`. Where it
    lacks columns, or is of weights too far from the present ones, the step stops and wants the whole matrix
    under `gram_weights`; then it is called again. When done, below += e and `move` is what has been added to
    eta.
    """
    r, w = np.empty(e.size), np.empty(e.size, G.dtype)
    rows, change = np.empty(e.size, np.intp), np.empty(e.size, G.dtype)
    residual_and_weight(e, above, below, in_class, s, r, w)
    count = changed_residuals(r, gradient_residual, s, update_threshold, rows, change)
    m = chosen.size
    g, coef, penalty, mean = np.empty(m), np.empty(m), np.empty(m), offset[chosen]
    ridge = lam * ridge_factor[chosen]
    for q in range(m):
        g[q], coef[q], penalty[q] = gradient[chosen[q]], V[chosen[q]], lam * penalty_factor[chosen[q]]
    if packed.size > 0:
        add_changed_rows(packed, rows[:count], change[:count], g)
    else:
        add_changed_rows_by_columns(columns, chosen, rows[:count], change[:count], g)
    change_sum = total(change[:count])
    for q in range(m):
        g[q] -= mean[q] * change_sum
        gradient[chosen[q]] = g[q]  # of the cross-entropy alone
        g[q] += ridge[q] * coef[q]
    worst = violation(g, coef, penalty, free_unit)
    if worst > CLASS_SKIP_FRACTION * target:
        if l1_distance(w, gram_weights) > GRAM_REFRESH_THRESHOLD * total(w):
            gram_weights[:] = w
            gram_size = 0
        if gram_size < m:
            return worst, gram_size, False
        new = coef.copy()
        tol = DESCENT_TOL_FRACTION * worst
        coordinate_descent(G, g, new, penalty, ridge, free_unit, tol, MAX_DESCENT_PASSES)
        step = new - coef
        combine_columns(columns, chosen, step, -dot(step, mean), move)
        take_step(
            coef, new, step, move, g, penalty, ridge, chosen, shift, above, below, in_class, s, V, eta, e,
        )  # fmt: skip
    else:
        move[:] = 0
    for i in range(e.size):
        below[i] += e[i]
    return worst, gram_size, True
