# ruff: noqa: ANN001, ANN201, ANN202 - numba infers the types; the docstrings have the shapes
# ruff: noqa: FBT003 - numba takes a flag by position

# mypy: allow-untyped-defs, allow-untyped-calls
"""The Newton model over all classes: its Hessian, its Cholesky factor, its minimum with the penalty."""

import numpy as np

from l1path.kernels.class_step import _descent_pass
from l1path.kernels.compiler import kernel
from l1path.kernels.elementary import dot

ROW_BLOCK = 64  # rows of the working columns that stay in the second-level cache
PIVOTS = 8  # rows of a Cholesky factor that are subtracted from the rest together
RIDGE = 1e-10  # of its own size, added to each diagonal entry that is factorized
SUPPORT_STEPS = 20  # Newton steps, each on the support that the last one left, before others may come back;
# each time twice as many: those that come back too early are removed again, without end
MIN_SUPPORT_STEPS = 12  # in all, and
SUPPORT_WORK = 2e10  # d**3 in all: a joint step is a step on the way, and not worth more
DESCENT_PASSES = 4  # of coordinate descent between two Newton steps on the support


@kernel
def joint_hessian(columns, offset, P, s, chosen, starts, H):  # noqa: C901 - loops over blocks
    """Add to H the sum over i of s_i z_i z_i' with the softmax's Hessian diag(p) - p p' between classes.

    H[q, r] += (s * P[k] * ((k == l) - P[l]) * x[q] * x[r]).sum(), x = columns[chosen] - offset[chosen, None],
    for q of class k and r of class l; class k has the places starts[k] to starts[k + 1].  P : (K, n), n a
    multiple of 8.
    """
    d, n, K = chosen.size, s.size, P.shape[0]
    x, px = np.zeros((ROW_BLOCK, d)), np.zeros((ROW_BLOCK, d))
    for start in range(0, n, ROW_BLOCK):
        rows = min(ROW_BLOCK, n - start)
        for k in range(K):
            for q in range(starts[k], starts[k + 1]):
                column, mean, share = columns[chosen[q]], offset[chosen[q]], P[k]
                for i in range(rows):
                    entry = column[start + i] - mean
                    x[i, q] = entry
                    px[i, q] = share[start + i] * entry
        for k in range(K):
            low = starts[k]
            share = P[k]
            for a in range(low, starts[k + 1]):
                others, own = H[a, :low], H[a, low : a + 1]
                for i in range(0, rows, 8):
                    r = start + i
                    u0, u1 = s[r] * px[i, a], s[r + 1] * px[i + 1, a]
                    u2, u3 = s[r + 2] * px[i + 2, a], s[r + 3] * px[i + 3, a]
                    u4, u5 = s[r + 4] * px[i + 4, a], s[r + 5] * px[i + 5, a]
                    u6, u7 = s[r + 6] * px[i + 6, a], s[r + 7] * px[i + 7, a]
                    x0, x1, x2, x3 = px[i, :low], px[i + 1, :low], px[i + 2, :low], px[i + 3, :low]
                    x4, x5, x6, x7 = px[i + 4, :low], px[i + 5, :low], px[i + 6, :low], px[i + 7, :low]
                    for j in range(low):
                        others[j] -= ((u0 * x0[j] + u1 * x1[j]) + (u2 * x2[j] + u3 * x3[j])) + (
                            (u4 * x4[j] + u5 * x5[j]) + (u6 * x6[j] + u7 * x7[j])
                        )
                    z = a + 1
                    u0, u1 = u0 * (1.0 - share[r]), u1 * (1.0 - share[r + 1])
                    u2, u3 = u2 * (1.0 - share[r + 2]), u3 * (1.0 - share[r + 3])
                    u4, u5 = u4 * (1.0 - share[r + 4]), u5 * (1.0 - share[r + 5])
                    u6, u7 = u6 * (1.0 - share[r + 6]), u7 * (1.0 - share[r + 7])
                    x0, x1, x2, x3 = x[i, low:z], x[i + 1, low:z], x[i + 2, low:z], x[i + 3, low:z]
                    x4, x5, x6, x7 = x[i + 4, low:z], x[i + 5, low:z], x[i + 6, low:z], x[i + 7, low:z]
                    for j in range(z - low):
                        own[j] += ((u0 * x0[j] + u1 * x1[j]) + (u2 * x2[j] + u3 * x3[j])) + (
                            (u4 * x4[j] + u5 * x5[j]) + (u6 * x6[j] + u7 * x7[j])
                        )
    for a in range(d):
        for j in range(a):
            H[j, a] = H[a, j]


@kernel
def cholesky(A):
    """np.linalg.cholesky(A).T in the upper triangle of A; returns whether A is positive definite."""
    n = A.shape[0]
    for start in range(0, n, PIVOTS):
        stop = min(start + PIVOTS, n)
        for a in range(start, stop):
            row = A[a]
            for b in range(start, a):
                factor, above = A[b, a], A[b]
                for j in range(a, n):
                    row[j] -= factor * above[j]
            if not row[a] > 0.0:
                return False
            inverse = 1.0 / np.sqrt(row[a])
            for j in range(a, n):
                row[j] *= inverse
        if stop - start < PIVOTS:
            break
        for i in range(stop, n):
            row = A[i, i:]
            x0, x1, x2, x3 = A[start, i:], A[start + 1, i:], A[start + 2, i:], A[start + 3, i:]
            x4, x5, x6, x7 = A[start + 4, i:], A[start + 5, i:], A[start + 6, i:], A[start + 7, i:]
            u0, u1, u2, u3, u4, u5, u6, u7 = x0[0], x1[0], x2[0], x3[0], x4[0], x5[0], x6[0], x7[0]
            for j in range(n - i):
                row[j] -= ((u0 * x0[j] + u1 * x1[j]) + (u2 * x2[j] + u3 * x3[j])) + (
                    (u4 * x4[j] + u5 * x5[j]) + (u6 * x6[j] + u7 * x7[j])
                )
    return True


@kernel
def cholesky_solve(U, b):
    """b[:] = np.linalg.solve(U.T @ U, b) for the upper triangle of U."""
    n = b.size
    for a in range(n):
        b[a] /= U[a, a]
        row, value = U[a], b[a]
        for j in range(a + 1, n):
            b[j] -= row[j] * value
    for a in range(n - 1, -1, -1):
        b[a] = (b[a] - dot(U[a, a + 1 :], b[a + 1 :])) / U[a, a]


@kernel
def _line_minimum(along, q, v, b, penalty):
    """The t >= 0 of least q t b + t**2 b along / 2 + penalty |v + t b|, and the value less that at 0."""
    turns = np.where((b * v < 0.0) & (penalty > 0.0), -v / b, np.inf)
    order = np.argsort(turns)
    slope, curvature = dot(q, b), dot(b, along)
    for a in range(b.size):
        slope += penalty[a] * (b[a] if v[a] > 0.0 or (v[a] == 0.0 and b[a] > 0.0) else -b[a])
    t = 0.0
    for a in order:
        if turns[a] == np.inf or slope + curvature * turns[a] >= 0.0:
            break
        t = turns[a]
        slope += 2.0 * penalty[a] * abs(b[a])
    if slope + curvature * t < 0.0:
        t = -slope / curvature
    value = t * dot(q, b) + 0.5 * t * t * curvature
    for a in range(b.size):
        value += penalty[a] * (abs(v[a] + t * b[a]) - abs(v[a]))
    return t, value


@kernel
def _support_step(H, q, v, penalty):  # noqa: C901, PLR0912 - one algorithm, in loops
    """Move v by a Newton step on its support; update the gradient q of the smooth part.

    Of two ends the lower is taken: the full step with 0 for each weight whose sign it would change, and the
    minimum along the step. Returns whether the support is solved: no sign would change, or nothing moved.
    """
    d = v.size
    support, m = np.empty(d, np.intp), 0
    for j in range(d):
        if H[j, j] > 0.0 and (v[j] != 0.0 or penalty[j] == 0.0):
            support[m] = j
            m += 1
    support = support[:m]
    A, b = np.empty((m, m)), np.empty(m)
    for a in range(m):
        row, target = H[support[a]], A[a]
        for c in range(a, m):
            target[c] = row[support[c]]
        target[a] *= 1.0 + RIDGE
        b[a] = -q[support[a]] - penalty[support[a]] * np.sign(v[support[a]])
    if m == 0 or not cholesky(A):
        return True
    cholesky_solve(A, b)
    along, change, move = np.zeros(d), np.zeros(d), np.empty(m)
    model, solved = 0.0, True
    for a in range(m):
        j = support[a]
        move[a] = b[a]
        if penalty[j] > 0.0 and (v[j] + b[a]) * v[j] <= 0.0:
            move[a] = -v[j]
            solved = False
        model += q[j] * move[a] + penalty[j] * (abs(v[j] + move[a]) - abs(v[j]))
        row, full, kept = H[j], b[a], move[a]
        for i in range(d):
            along[i] += full * row[i]
            change[i] += kept * row[i]
    for a in range(m):
        model += 0.5 * move[a] * change[support[a]]
    for a in range(m):  # in a direction without curvature, rounding must not make it negative
        j = support[a]
        model += 0.5 * RIDGE * H[j, j] * move[a] * move[a]
        along[j] += RIDGE * H[j, j] * b[a]
    t, best = _line_minimum(along[support], q[support], v[support], b, penalty[support])
    if best < model:
        for a in range(m):
            new = v[support[a]] + t * b[a]
            at_zero = penalty[support[a]] > 0.0 and abs(new) <= 1e-14 * abs(t * b[a])
            v[support[a]] = 0.0 if at_zero else new
        for a in range(m):
            along[support[a]] -= RIDGE * H[support[a], support[a]] * b[a]
        for i in range(d):
            q[i] += t * along[i]
    elif model < 0.0:
        for a in range(m):
            v[support[a]] += move[a]
        for i in range(d):
            q[i] += change[i]
    else:
        return True
    return solved


@kernel
def penalized_minimum(H, g, v, penalty, free_unit, tol, rounds):
    """v[:] = argmin over u of g (u - v) + (u - v)' H (u - v) / 2 + penalty |u|; returns the rounds taken.

    `tol` is relative to the penalty, as in `violation`. Coordinate descent finds the support; where it is
    slow, a Newton step on the support ends what coordinate descent would take thousands of passes for.
    """
    q, ridge, remaining = g.copy(), np.zeros(g.size), max(MIN_SUPPORT_STEPS, int(SUPPORT_WORK / g.size**3))
    for done in range(rounds):
        if _descent_pass(H, q, v, penalty, ridge, free_unit, False) <= tol:
            return done
        for _ in range(DESCENT_PASSES):
            if _descent_pass(H, q, v, penalty, ridge, free_unit, True) <= tol:
                break
        for _ in range(min(SUPPORT_STEPS << done, remaining)):
            remaining -= 1
            if _support_step(H, q, v, penalty):
                break
    return rounds
