# ruff: noqa: ANN001, ANN201, ANN202 - numba finds the types; the docstrings have the shapes
# ruff: noqa: FBT003 - numba is called by position
# ruff: noqa: D403 - a NumPy line begins with a variable
# mypy: allow-untyped-defs, allow-untyped-calls
"""The loops of the path solver, compiled; each docstring has the NumPy line that its kernel equals.

No kernel adds up across vector lanes in an order of the compiler's choosing (no fastmath), none calls BLAS
or the C library's exp and log: so the same data give the same bits on every processor. They are fast because
the innermost loop runs over outputs, or over lanes fixed here, and never along a sum.

Shapes: n rows (a multiple of 8 in the solver's own copy), p columns, K classes, m working columns. The copy
may be bytes: a working column is then its bytes less an `offset`, which is taken off sums where it can be.
"""

from __future__ import annotations

import numpy as np

from l1path.compiled import kernel

LANES = 32
TILE = 16
BLOCK = 1024  # rows of a combination that stay in the first-level cache
SPAN = 256  # and of a model over several directions
WHOLE = 2.0**-36  # what is so near to a whole number is one
NOISE = 1e-6  # and so near while the step is looked for

SKIP = 0.3  # a class whose violation is below this part of the target waits
INNER = 0.1  # coordinate descent stops at this part of the violation it began with
PASSES = 200  # and after so many passes over the working columns
MOVED = 0.2  # a Gram matrix is made afresh when its weights have moved by this part
LIGHT = 0.1  # rows with less than this part of the mean weight are left out of it
TINY = 1e-6  # the shortest part of a step


@kernel
def _rint(x):
    """np.rint(x), for |x| < 2**51; the compiler makes vectors of it on every processor."""
    return (x + 6755399441055744.0) - 6755399441055744.0


@kernel
def _exp(x):
    """exp(x) by Cody and Waite's reduction to |r| < 0.35 and Taylor's series, 1 ulp; |x| is held to 708."""
    x = min(max(x, -708.0), 708.0)
    k = _rint(x * 1.4426950408889634)
    r = (x - k * 0.6931471803691238) - k * 1.9082149292705877e-10
    s = 1 / 6227020800.0
    s = s * r + 1 / 479001600.0
    s = s * r + 1 / 39916800.0
    s = s * r + 1 / 3628800.0
    s = s * r + 1 / 362880.0
    s = s * r + 1 / 40320.0
    s = s * r + 1 / 5040.0
    s = s * r + 1 / 720.0
    s = s * r + 1 / 120.0
    s = s * r + 1 / 24.0
    s = s * r + 1 / 6.0
    s = s * r + 0.5
    s = s * r + 1.0
    s = s * r + 1.0
    return s * np.int64((np.int64(k) + np.int64(1023)) << np.int64(52)).view(np.float64)


@kernel
def _log(x):
    """log(x) of a normal x > 0 by the series of 2 artanh((m - 1) / (m + 1)), 2 ulp."""
    bits = np.float64(x).view(np.int64) - np.int64(0x3FE6A09E667F3BCD)  # so that m is in [sqrt(1/2), sqrt(2))
    k = bits >> np.int64(52)
    m = np.int64(np.float64(x).view(np.int64) - (k << np.int64(52))).view(np.float64)
    f = (m - 1.0) / (m + 1.0)
    q = f * f
    s = 1 / 21.0
    s = s * q + 1 / 19.0
    s = s * q + 1 / 17.0
    s = s * q + 1 / 15.0
    s = s * q + 1 / 13.0
    s = s * q + 1 / 11.0
    s = s * q + 1 / 9.0
    s = s * q + 1 / 7.0
    s = s * q + 1 / 5.0
    s = s * q + 1 / 3.0
    return k * 0.6931471803691238 + (k * 1.9082149292705877e-10 + (2.0 * f + 2.0 * f * (s * q)))


@kernel
def exp(x, out):
    """out[:] = np.exp(x)."""
    for i in range(x.size):
        out[i] = _exp(x[i])


@kernel
def log(x, out):
    """out[:] = np.log(x), for normal x > 0."""
    for i in range(x.size):
        out[i] = _log(x[i])


@kernel
def _folded(lanes):
    """lanes.sum(), from the first to the last."""
    out = 0.0
    for j in range(LANES):
        out += lanes[j]
    return out


@kernel
def dot(a, b):
    """A @ b, in float64 and in a fixed order."""
    lanes = np.zeros(LANES)
    whole = a.size - a.size % LANES
    for i in range(0, whole, LANES):
        u, v = a[i : i + LANES], b[i : i + LANES]
        for j in range(LANES):
            lanes[j] += u[j] * v[j]
    total = _folded(lanes)
    for i in range(whole, a.size):
        total += a[i] * b[i]
    return total


@kernel
def total(a):
    """a.sum(), in float64 and in a fixed order."""
    lanes = np.zeros(LANES)
    whole = a.size - a.size % LANES
    for i in range(0, whole, LANES):
        u = a[i : i + LANES]
        for j in range(LANES):
            lanes[j] += u[j]
    out = _folded(lanes)
    for i in range(whole, a.size):
        out += a[i]
    return out


@kernel
def distance(a, b):
    """np.abs(a - b).sum(), in float64 and in a fixed order."""
    lanes = np.zeros(LANES)
    whole = a.size - a.size % LANES
    for i in range(0, whole, LANES):
        u, v = a[i : i + LANES], b[i : i + LANES]
        for j in range(LANES):
            lanes[j] += abs(np.float64(u[j]) - np.float64(v[j]))
    out = _folded(lanes)
    for i in range(whole, a.size):
        out += abs(np.float64(a[i]) - np.float64(b[i]))
    return out


@kernel
def column_ranges(X, s):
    """X.min(axis=0), X.max(axis=0), s @ X."""
    low, high, mean = X[0].copy(), X[0].copy(), np.zeros(X.shape[1])
    for i in range(X.shape[0]):
        x = X[i]
        for j in range(X.shape[1]):
            low[j] = min(low[j], x[j])
            high[j] = max(high[j], x[j])
            mean[j] += s[i] * x[j]
    return low, high, mean


@kernel
def column_norms(rows, offset, s):
    """np.sqrt(s @ (rows - offset) ** 2), in float64."""
    out = np.zeros(rows.shape[1])
    for i in range(rows.shape[0]):
        x = rows[i]
        for j in range(rows.shape[1]):
            out[j] += s[i] * ((x[j] - offset[j]) * (x[j] - offset[j]))
    return np.sqrt(out)


@kernel
def steps(X, low, width):
    """The largest step of each column for which (X - low) / step is whole; all 0 if a column has over 255.

    low, width : (p,), the least entry of each column, and how far the largest is above it.
    """
    step, inverse = width.copy(), np.where(width > 0.0, 1 / width, 0.0)
    for i in range(X.shape[0]):
        x, between = X[i], 0
        for j in range(x.size):
            q = (x[j] - low[j]) * inverse[j]
            between += abs(q - _rint(q)) > NOISE
        if between > 0:
            for j in range(x.size):
                a, b = step[j], x[j] - low[j]
                while b > NOISE * width[j]:  # Euclid's algorithm
                    a, b = b, abs(a - b * _rint(a / b))
                if width[j] > 255.5 * a:
                    return np.zeros(x.size)
                step[j], inverse[j] = a, 1 / a if a > 0.0 else 0.0
    return np.where(step > 0.0, width / _rint(width / step), 0.0)


@kernel
def byte_copy(X, low, unit, rows, columns, levels):
    """rows[:n, :p] = np.rint((X - low) * unit); columns[:] = rows.T; levels[j, rows[i, j]] = X[i, j].

    Returns whether the bytes are the data: whole to WHOLE before rounding, and X the levels to the bit.
    levels : (p, 256), NaN at first.
    """
    n, p = X.shape
    for i in range(0, n, TILE):
        top = min(i + TILE, n)
        for a in range(i, top):
            x, row, between = X[a], rows[a], 0
            for j in range(p):
                q = (x[j] - low[j]) * unit[j]
                between += abs(q - _rint(q)) > WHOLE
                row[j] = np.int32(_rint(q))
            if between > 0:
                return False
        for j in range(p):
            column, level = columns[j], levels[j]
            for a in range(i, top):
                q = rows[a, j]
                column[a] = q
                if np.isnan(level[q]):
                    level[q] = X[a, j]
                if level[q] != X[a, j]:
                    return False
    return True


@kernel
def working_copy(X, centre, unit, rows, columns):
    """rows[:n, :p] = (X - centre) * unit; columns[:] = rows.T."""
    n, p = X.shape
    for i in range(0, n, TILE):
        top = min(i + TILE, n)
        for a in range(i, top):
            x, row = X[a], rows[a]
            for j in range(p):
                row[j] = (x[j] - centre[j]) * unit[j]
        for j in range(p):
            column = columns[j]
            for a in range(i, top):
                column[a] = rows[a, j]


@kernel
def sums_below(e, out):
    """out[k] = e[k + 1 :].sum(axis=0): what comes after a class, so that no rest is made by subtraction."""
    out[-1] = 0.0
    for k in range(e.shape[0] - 2, -1, -1):
        for i in range(e.shape[1]):
            out[k, i] = out[k + 1, i] + e[k + 1, i]


@kernel
def residual_and_weight(e, above, below, hit, s, r, w):
    """P = e / (e + above + below); r[:] = s * (p - hit); w[:] = s * p * (1 - p), neither by cancellation."""
    for i in range(e.size):
        rest = above[i] + below[i]
        inverse = s[i] / (e[i] + rest)
        r[i] = -rest * inverse if hit[i] else e[i] * inverse
        w[i] = e[i] * inverse * (rest / (e[i] + rest))


@kernel
def changed(r, counted, s, tau, rows, change):
    """rows = np.flatnonzero(abs(r - counted) > tau * s); change = (r - counted)[rows].

    These count then: counted[rows] = r[rows]. Returns how many; up to the next multiple of 8 they are filled
    up with the last row, which is empty.
    """
    m = 0
    for i in range(r.size):  # without a branch, which would be guessed wrong
        rows[m] = i
        change[m] = r[i] - counted[i]
        m += abs(r[i] - counted[i]) > tau * s[i]
    for q in range(m):
        counted[rows[q]] = r[rows[q]]
    while m % 8:
        rows[m] = r.size - 1
        change[m] = 0
        m += 1
    return m


@kernel
def add_rows(packed, rows, change, g):
    """G += change @ packed[rows, : g.size].  rows : (m,), m a multiple of 8."""
    m = g.size
    part = np.empty(m, change.dtype)
    for start in range(0, rows.size, BLOCK):
        part[:] = 0
        for q in range(start, min(start + BLOCK, rows.size), 8):
            x0, x1, x2, x3 = packed[rows[q]], packed[rows[q + 1]], packed[rows[q + 2]], packed[rows[q + 3]]
            x4, x5, x6, x7 = (
                packed[rows[q + 4]],
                packed[rows[q + 5]],
                packed[rows[q + 6]],
                packed[rows[q + 7]],
            )
            r0, r1, r2, r3 = change[q], change[q + 1], change[q + 2], change[q + 3]
            r4, r5, r6, r7 = change[q + 4], change[q + 5], change[q + 6], change[q + 7]
            for j in range(m):
                part[j] += ((r0 * x0[j] + r1 * x1[j]) + (r2 * x2[j] + r3 * x3[j])) + (
                    (r4 * x4[j] + r5 * x5[j]) + (r6 * x6[j] + r7 * x7[j])
                )
        for j in range(m):
            g[j] += part[j]


@kernel
def gradient(rows, R, part, out):
    """out += R @ rows.  rows : (n, p), n a multiple of 8.  R : (K, n), K even.  part : (K, p), for the sums.

    32 rows are summed in the precision of `rows`, and these sums in float64.
    """
    n, p = rows.shape
    for start in range(0, n, 32):
        part[:] = 0
        for i in range(start, min(start + 32, n), 4):
            x0, x1, x2, x3 = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
            for k in range(0, R.shape[0], 2):
                r0, r1, r2, r3 = R[k, i], R[k, i + 1], R[k, i + 2], R[k, i + 3]
                s0, s1, s2, s3 = R[k + 1, i], R[k + 1, i + 1], R[k + 1, i + 2], R[k + 1, i + 3]
                g, h = part[k], part[k + 1]
                for j in range(p):
                    g[j] += (r0 * x0[j] + r1 * x1[j]) + (r2 * x2[j] + r3 * x3[j])
                    h[j] += (s0 * x0[j] + s1 * x1[j]) + (s2 * x2[j] + s3 * x3[j])
        for k in range(R.shape[0]):
            g, total = part[k], out[k]
            for j in range(p):
                total[j] += g[j]


@kernel
def products(columns, R, classes, chosen, out):
    """out[classes, chosen] = (R[classes] * columns[chosen]).sum(axis=1).  columns : (p, 8 m).

    8 products, an eighth of the rows apart, are summed in the precision of R, and these in float64.
    """
    n = R.shape[1] // 8
    part = np.empty(n, R.dtype)
    for q in range(chosen.size):
        x, r = columns[chosen[q]], R[classes[q]]
        x0, x1, x2, x3 = x[:n], x[n : 2 * n], x[2 * n : 3 * n], x[3 * n : 4 * n]
        x4, x5, x6, x7 = x[4 * n : 5 * n], x[5 * n : 6 * n], x[6 * n : 7 * n], x[7 * n :]
        r0, r1, r2, r3 = r[:n], r[n : 2 * n], r[2 * n : 3 * n], r[3 * n : 4 * n]
        r4, r5, r6, r7 = r[4 * n : 5 * n], r[5 * n : 6 * n], r[6 * n : 7 * n], r[7 * n :]
        for i in range(n):
            part[i] = ((x0[i] * r0[i] + x1[i] * r1[i]) + (x2[i] * r2[i] + x3[i] * r3[i])) + (
                (x4[i] * r4[i] + x5[i] * r5[i]) + (x6[i] * r6[i] + x7[i] * r7[i])
            )
        out[classes[q], chosen[q]] = total(part)


@kernel
def apart(a, b, s):
    """np.sqrt((((a - b) ** 2)[:, s > 0] / s[s > 0]).sum(axis=1))."""
    out, lanes = np.empty(a.shape[0]), np.empty(a.shape[1])
    for k in range(a.shape[0]):
        for i in range(s.size):
            lanes[i] = (a[k, i] - b[k, i]) * (a[k, i] - b[k, i]) / s[i] if s[i] > 0.0 else 0.0
        out[k] = total(lanes)
    return np.sqrt(out)


@kernel
def scores(X, starts, columns, weights, b, out):
    """out[:, : len(X)] = W @ X.T + b[:, None].

    Row k of W has weights[a:z] in columns[a:z], a, z = starts[k : k + 2].
    out : (K, a multiple of 4); behind the rows that there are it repeats the last one.
    """
    last = X.shape[0] - 1
    for i in range(0, X.shape[0], 4):
        x0, x1, x2, x3 = X[i], X[min(i + 1, last)], X[min(i + 2, last)], X[min(i + 3, last)]
        for k in range(b.size):
            t0, t1, t2, t3 = b[k], b[k], b[k], b[k]
            for q in range(starts[k], starts[k + 1]):
                j, w = columns[q], weights[q]
                t0 += w * x0[j]
                t1 += w * x1[j]
                t2 += w * x2[j]
                t3 += w * x3[j]
            out[k, i], out[k, i + 1], out[k, i + 2], out[k, i + 3] = t0, t1, t2, t3


@kernel
def scores_of_levels(levels, codes, starts, columns, weights, b, out):
    """`scores` of X[:, j] = levels[j, codes[j]], bit for bit.  levels : (p, 256).  codes : (p, n) uint8."""
    table = np.empty(256)
    for start in range(0, out.shape[1], BLOCK):
        stop = min(start + BLOCK, out.shape[1])
        for k in range(b.size):
            part = out[k, start:stop]
            part[:] = b[k]
            for q in range(starts[k], starts[k + 1]):
                level, code = levels[columns[q]], codes[columns[q], start:stop]
                for v in range(256):
                    table[v] = weights[q] * level[v]
                for i in range(stop - start):
                    part[i] += table[code[i]]


@kernel
def over(w, tau, s):
    """np.flatnonzero(w > tau * s), filled up with the last row, which is empty, to a multiple of 8."""
    rows, m = np.empty(w.size + 8, np.intp), 0
    for i in range(w.size):
        rows[m] = i
        m += w[i] > tau * s[i]
    rows[m:] = w.size - 1
    return rows[: -(-m // 8) * 8]


@kernel
def pack(columns, chosen, at, packed):
    """packed[:, at : at + m] = columns[chosen].T."""
    for i in range(0, packed.shape[0], TILE):
        top = min(i + TILE, packed.shape[0])
        for j in range(chosen.size):
            column = columns[chosen[j]]
            for a in range(i, top):
                packed[a, at + j] = column[a]


@kernel
def gram(packed, offset, w, heavy, old, m, G):
    """G[old:m, :m] = A[heavy, old:].T @ (w[heavy, None] * A[heavy]), A = packed[:, :m] - offset; mirrored.

    heavy : the rows that count, a multiple of 8.  old and m even.  The diagonal counts all rows.
    """
    G[old:m, :m] = 0
    x, v, diagonal = np.zeros((8, G.shape[1]), G.dtype), np.empty(8, G.dtype), np.zeros(m, G.dtype)
    for q in range(0, heavy.size, 8):
        for i in range(8):
            source, target = packed[heavy[q + i]], x[i]
            v[i] = w[heavy[q + i]]
            for j in range(m):
                target[j] = source[j] - offset[j]
        x0, x1, x2, x3, x4, x5, x6, x7 = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
        for a in range(old, m, 2):
            g, h = G[a], G[a + 1]
            a0, a1, a2, a3 = v[0] * x0[a], v[1] * x1[a], v[2] * x2[a], v[3] * x3[a]
            a4, a5, a6, a7 = v[4] * x4[a], v[5] * x5[a], v[6] * x6[a], v[7] * x7[a]
            b0, b1, b2, b3 = v[0] * x0[a + 1], v[1] * x1[a + 1], v[2] * x2[a + 1], v[3] * x3[a + 1]
            b4, b5, b6, b7 = v[4] * x4[a + 1], v[5] * x5[a + 1], v[6] * x6[a + 1], v[7] * x7[a + 1]
            for j in range(min(a + 2 + -(a + 2) % TILE, G.shape[1])):  # whole vectors
                g[j] += ((a0 * x0[j] + a1 * x1[j]) + (a2 * x2[j] + a3 * x3[j])) + (
                    (a4 * x4[j] + a5 * x5[j]) + (a6 * x6[j] + a7 * x7[j])
                )
                h[j] += ((b0 * x0[j] + b1 * x1[j]) + (b2 * x2[j] + b3 * x3[j])) + (
                    (b4 * x4[j] + b5 * x5[j]) + (b6 * x6[j] + b7 * x7[j])
                )
    for i in range(packed.shape[0]):
        source, weight = packed[i], w[i]
        for j in range(old, m):
            diagonal[j] += weight * ((source[j] - offset[j]) * (source[j] - offset[j]))
    for a in range(old, m):
        for j in range(a):
            G[j, a] = G[a, j]
        G[a, a] = diagonal[a]


@kernel
def violation(g, coef, penalty, lam):
    """How far g is from the subgradient, as a part of the penalty (of lam where there is none).

    max of |g + penalty sign(coef)|, or of |g| - penalty where coef is 0.
    """
    worst = 0.0
    for j in range(g.size):
        if coef[j] == 0.0:
            v = abs(g[j]) - penalty[j]
        else:
            v = abs(g[j] + (penalty[j] if coef[j] > 0.0 else -penalty[j]))
        worst = max(worst, v / (penalty[j] if penalty[j] > 0.0 else lam))
    return worst


@kernel
def _descend_once(G, q, coef, penalty, lam, nonzero_only):
    """One pass of coordinate descent; the largest step times its curvature, as a part of the penalty."""
    m = q.size
    worst = 0.0
    for j in range(m):
        h = G[j, j]
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
            worst = max(worst, abs(step) * h / (penalty[j] if penalty[j] > 0.0 else lam))
    return worst


@kernel
def descend(G, g, coef, penalty, lam, tol, passes):
    """coef[:] = argmin over v of g (v - coef) + (v - coef)' G (v - coef) / 2 + penalty |v|.

    To `tol` as `violation` counts: a full pass, then passes over what is not zero until they stand still, and
    again.
    """
    q = g.astype(G.dtype)
    left = passes
    while left > 0:
        left -= 1
        if _descend_once(G, q, coef, penalty, lam, False) <= tol:
            break
        while left > 0:
            left -= 1
            if _descend_once(G, q, coef, penalty, lam, True) <= tol:
                break
    return passes - left


@kernel
def combine(columns, chosen, weights, start, out):
    """out[:] = start + weights @ columns[chosen], in the precision of `out`; a weight of 0 costs nothing."""
    used, factor, m = np.zeros(chosen.size + 4, np.intp), np.zeros(chosen.size + 4, out.dtype), 0
    for q in range(chosen.size):
        if weights[q] != 0.0:
            used[m], factor[m] = chosen[q], weights[q]
            m += 1
    for a in range(0, out.size, BLOCK):
        z = min(a + BLOCK, out.size)
        part = out[a:z]
        part[:] = start
        for q in range(0, m, 4):
            x0, x1 = columns[used[q], a:z], columns[used[q + 1], a:z]
            x2, x3 = columns[used[q + 2], a:z], columns[used[q + 3], a:z]
            w0, w1, w2, w3 = factor[q], factor[q + 1], factor[q + 2], factor[q + 3]
            for i in range(z - a):
                part[i] += (w0 * x0[i] + w1 * x1[i]) + (w2 * x2[i] + w3 * x3[i])


@kernel
def step_slope(eta, move, t, shift, above, below, hit, s, e):
    """e[:] = exp(eta + t move - shift); p = e / (e + above + below); return (s * (p - hit)) @ move."""
    lanes, product = np.zeros(LANES), np.empty(BLOCK)
    for a in range(0, eta.size, BLOCK):
        z = min(a + BLOCK, eta.size)
        score, add, top, power, mine, weight = eta[a:z], move[a:z], shift[a:z], e[a:z], hit[a:z], s[a:z]
        rest = product[: z - a]
        # several loops: with all these arrays in one the compiler makes no vectors
        for i in range(z - a):
            power[i] = _exp(score[i] + t * add[i] - top[i])
        for i in range(z - a):
            rest[i] = above[a + i] + below[a + i]
        for i in range(z - a):
            rest[i] = (-rest[i] if mine[i] else power[i]) / (power[i] + rest[i])
        for i in range(z - a):
            rest[i] *= weight[i] * add[i]
        product[z - a :] = 0.0
        for first in range(0, z - a, LANES):
            for i in range(LANES):
                lanes[i] += product[first + i]
    return _folded(lanes)


@kernel
def _model(w, s, packed, offset, known, m, frozen, G):
    """Make the Gram matrix of m columns where it is not known; afresh if w is far from the frozen weights."""
    if distance(w, frozen) > MOVED * total(w):
        frozen[:] = w
        known = 0
    if known < m:
        gram(packed, offset, frozen, over(frozen, LIGHT * total(frozen), s), known, m, G)
    return m


@kernel
def class_step(
    hit, s, columns, offset, unit, lam, target, still, above, below, shift,
    eta, e, counted, V, gradient, chosen, packed, G, known, frozen,
):  # fmt: skip
    """Minimise over one class by Newton's quadratic model; return the violation met, and the new `known`.

    Against the rest: p = e / (e + above + below), and p (1 - p) for the weights of the model. These bound
    the curvature at the start only, so the slope at the end of the step decides whether it is taken whole.
    The gradient counts only rows whose residual has moved by more than `still`. G is the Gram matrix of the
    working columns under the weights `frozen`, as far as it is `known`. below += e.
    """
    r, w, move = np.empty(e.size), np.empty(e.size, G.dtype), np.empty(e.size, G.dtype)
    rows, change = np.empty(e.size, np.intp), np.empty(e.size, G.dtype)
    residual_and_weight(e, above, below, hit, s, r, w)
    count = changed(r, counted, s, still, rows, change)
    m = chosen.size
    g, coef, penalty, mean = np.empty(m), np.empty(m), np.empty(m), offset[chosen]
    for q in range(m):
        g[q], coef[q], penalty[q] = gradient[chosen[q]], V[chosen[q]], lam * unit[chosen[q]]
    add_rows(packed, rows[:count], change[:count], g)
    moved = total(change[:count])
    for q in range(m):
        g[q] -= mean[q] * moved
        gradient[chosen[q]] = g[q]
    worst = violation(g, coef, penalty, lam)
    if worst > SKIP * target:
        known = _model(w, s, packed, mean.astype(G.dtype), known, m, frozen, G)
        new = coef.copy()
        descend(G, g, new, penalty, lam, INNER * worst, PASSES)
        step = new - coef
        combine(columns, chosen, step, -dot(step, mean), move)
        growth = dot(penalty, np.abs(new) - np.abs(coef))
        start = dot(g, step) + growth
        t, slope = 1.0, np.inf
        while start < 0.0 and slope > -start and t > TINY:
            t *= start / (start - slope) if slope < np.inf else 1.0
            slope = growth + step_slope(eta, move, t, shift, above, below, hit, s, e)
        if start < 0.0:
            for q in range(m):
                V[chosen[q]] = new[q] if t == 1.0 else coef[q] + t * step[q]
            for i in range(e.size):
                eta[i] += t * move[i]
    for i in range(e.size):
        below[i] += e[i]
    return worst, known


@kernel
def exponentials(eta, hit, shift, e, loss):
    """shift[:] = eta.max(axis=0); e[:] = np.exp(eta - shift); loss[:] = np.log(e.sum(axis=0) / e[hit]).

    eta, hit, e : (K, n).  shift, loss : (n,); a row of no class loses nothing by it.
    """
    K, n = eta.shape
    total = np.empty(BLOCK)
    for start in range(0, n, BLOCK):
        size = min(BLOCK, n - start)
        top, lost = shift[start : start + size], loss[start : start + size]
        top[:] = eta[0, start : start + size]
        for k in range(1, K):
            score = eta[k, start : start + size]
            for i in range(size):
                top[i] = max(top[i], score[i])
        total[:] = 0.0
        lost[:] = 0.0
        for k in range(K):
            score, power, mine = (
                eta[k, start : start + size],
                e[k, start : start + size],
                hit[k, start : start + size],
            )
            for i in range(size):
                z = score[i] - top[i]
                power[i] = _exp(z)
                total[i] += power[i]
                lost[i] -= z if mine[i] else 0.0
        for i in range(size):
            lost[i] += _log(total[i])


@kernel
def _shares(e, start, stop, P):
    """P = e / e.sum(axis=0), of these rows."""
    sum_ = np.zeros(stop - start)
    for k in range(e.shape[0]):
        power = e[k, start:stop]
        for i in range(sum_.size):
            sum_[i] += power[i]
    for k in range(e.shape[0]):
        power, share = e[k, start:stop], P[k]
        for i in range(sum_.size):
            share[i] = power[i] / sum_[i]


@kernel
def _direction(there, eta, hit, P, start, stop, D, slope):
    """D = there - eta; D -= (P * D).sum(axis=0); slope = -D[hit], of these rows."""
    mean = np.zeros(stop - start)
    slope[:] = 0.0
    for k in range(eta.shape[0]):
        to, score, share, d = there[k, start:stop], eta[k, start:stop], P[k], D[k]
        for i in range(stop - start):
            d[i] = to[i] - score[i]
            mean[i] += share[i] * d[i]
    for k in range(eta.shape[0]):
        mine, d = hit[k, start:stop], D[k]
        for i in range(stop - start):
            d[i] -= mean[i]
            slope[i] -= d[i] if mine[i] else 0.0


@kernel
def span_model(stack, eta, e, hit, s):
    """The slope g of the cross-entropy at `eta` along each of D = stack - eta, and its Hessian H there.

    With P = e / e.sum(axis=0), and D less its mean (P * D).sum(axis=1): g = -(s * hit * D).sum(axis=(1, 2)),
    H[a, b] = (s * P * D[a] * D[b]).sum().  stack : (m, K, n).
    """
    m, K, n = stack.shape
    g, H = np.zeros(m), np.zeros((m, m))
    P, D, part = np.empty((K, SPAN)), np.empty((m, K, SPAN)), np.empty(SPAN)
    for start in range(0, n, SPAN):
        stop = min(start + SPAN, n)
        size, weight = stop - start, s[start:stop]
        _shares(e, start, stop, P)
        for a in range(m):
            _direction(stack[a], eta, hit, P, start, stop, D[a], part)
            g[a] += dot(part[:size], weight)
            for b in range(a + 1):
                part[:] = 0.0
                for k in range(K):
                    c, d, share = D[a, k], D[b, k], P[k]
                    for i in range(size):
                        part[i] += share[i] * (c[i] * d[i])
                H[a, b] += dot(part[:size], weight)
                H[b, a] = H[a, b]
    return g, H


@kernel
def losses(eta, e, hit, shift, s):
    """s @ (np.log(e.sum(axis=0)) - (eta - shift)[hit]), where e = np.exp(eta - shift)."""
    K, n = eta.shape
    out, all_ = np.zeros(n), np.zeros(n)
    for k in range(K):
        for i in range(n):
            all_[i] += e[k, i]
            out[i] -= eta[k, i] - shift[i] if hit[k, i] else 0.0
    for i in range(n):
        out[i] += _log(all_[i])
    return dot(out, s)


@kernel
def blend(c, stack, out):
    """out += np.tensordot(c, stack, 1).  stack : (m, K, n)."""
    for k in range(stack.shape[1]):
        total = out[k]
        for q in range(c.size):
            x = stack[q, k]
            for i in range(total.size):
                total[i] += c[q] * x[i]


@kernel
def residuals(e, hit, R):
    """R[:] = e / e.sum(axis=0) - hit, where hit without cancellation."""
    K, n = e.shape
    rest, inverse = np.empty(BLOCK), np.empty(BLOCK)
    for start in range(0, n, BLOCK):
        size = min(BLOCK, n - start)
        rest[:] = 0.0
        inverse[:] = 0.0
        for k in range(K):
            power, mine = e[k, start : start + size], hit[k, start : start + size]
            for i in range(size):
                rest[i] += 0.0 if mine[i] else power[i]
                inverse[i] += power[i]
        for i in range(size):
            inverse[i] = 1.0 / inverse[i]
        for k in range(K):
            power, mine, out = (
                e[k, start : start + size],
                hit[k, start : start + size],
                R[k, start : start + size],
            )
            for i in range(size):
                out[i] = (-rest[i] if mine[i] else power[i]) * inverse[i]


@kernel
def entropy(R, hit, t, out):
    """Q = hit + t R; out[:] = -(Q * np.log(Q)).sum(axis=0), with 0 log 0 = 0."""
    out[:] = 0.0
    for k in range(R.shape[0]):
        for i in range(out.size):
            q = (1.0 if hit[k, i] else 0.0) + t * R[k, i]
            out[i] -= q * _log(max(q, 1e-300))


@kernel
def intercept_curvature(R, hit, s):
    """P = R + hit; np.diag(P @ s) - (P * s) @ P.T, the Hessian of the cross-entropy in the intercepts."""
    K, n = R.shape
    H = np.zeros((K, K))
    P, sp = np.empty((K, n)), np.empty(n)
    for k in range(K):
        for i in range(n):
            P[k, i] = R[k, i] + (1.0 if hit[k, i] else 0.0)
            sp[i] = s[i] * P[k, i]
        for a in range(k + 1):
            H[k, a] = -dot(sp, P[a])
            H[a, k] = H[k, a]
        H[k, k] += total(sp)
    return H


@kernel
def solve(H, g):
    """np.linalg.solve(H, g) for a positive definite H, by Gauss's elimination; both are overwritten."""
    n = g.size
    for a in range(n):
        for i in range(a + 1, n):
            f = H[i, a] / H[a, a]
            g[i] -= f * g[a]
            for j in range(a, n):
                H[i, j] -= f * H[a, j]
    for a in range(n - 1, -1, -1):
        for j in range(a + 1, n):
            g[a] -= H[a, j] * g[j]
        g[a] /= H[a, a]
    return g
