# ruff: noqa: ANN001, ANN201 - numba infers the types; the docstrings have the shapes
# ruff: noqa: D403 - a NumPy line begins with a variable
# mypy: allow-untyped-defs, allow-untyped-calls
"""Multiply the data with residuals (gradients) and with coefficients (scores)."""

import numpy as np

from l1path.kernels.compiler import kernel
from l1path.kernels.elementary import total

ROW_BLOCK = 1024  # rows, combined or read from columns, that stay in the first-level cache
MAX_CHANGED_FRACTION = 0.15  # of the rows: if more have changed, all are multiplied
TILE = 16  # rows transposed at a time: as many cache lines are written side by side


@kernel
def read_rows(columns, chosen, numbers, rows):
    """rows[: numbers.size, : chosen.size] = columns[chosen][:, numbers].T.  chosen : (m,), 4 divides m."""
    for start in range(0, numbers.size, TILE):
        stop = min(start + TILE, numbers.size)
        for j in range(0, chosen.size, 4):
            x0, x1, x2, x3 = (
                columns[chosen[j]],
                columns[chosen[j + 1]],
                columns[chosen[j + 2]],
                columns[chosen[j + 3]],
            )
            for i in range(start, stop):
                row, number = rows[i], numbers[i]
                row[j], row[j + 1], row[j + 2], row[j + 3] = x0[number], x1[number], x2[number], x3[number]


@kernel
def full_gradient(rows, R, part, out):
    """out += R @ rows.  rows : (n, p), n a multiple of 8.  R : (K, n), K even.  part : (K, p), scratch.

    Sums of 32 rows have the precision of `part`; they are added up in float64.
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
            block_sum, gradient = part[k], out[k]
            for j in range(p):
                gradient[j] += block_sum[j]


@kernel
def gradient_entries(columns, R, classes, chosen, out):
    """out[classes, chosen] = (R[classes] * columns[chosen]).sum(axis=1).  columns : (p, 8 m).

    Sums of 8 products, an eighth of the rows apart, have the precision of R; they are added up in float64.
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
def add_changed_rows(packed, rows, change, g):
    """G += change @ packed[rows, : g.size].  rows : (m,), m a multiple of 8."""
    m = g.size
    part = np.empty(m, change.dtype)
    for start in range(0, rows.size, ROW_BLOCK):
        part[:] = 0
        for q in range(start, min(start + ROW_BLOCK, rows.size), 8):
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
def add_changed_rows_by_columns(columns, chosen, numbers, change, g):
    """`add_changed_rows` of the rows of columns[chosen].T, which need not be packed."""
    if numbers.size > MAX_CHANGED_FRACTION * columns.shape[1]:
        R, out = np.zeros((1, columns.shape[1]), change.dtype), np.empty((1, columns.shape[0]))
        for q in range(numbers.size):
            R[0, numbers[q]] += change[q]
        gradient_entries(columns, R, np.zeros(chosen.size, np.intp), chosen, out)
        for j in range(chosen.size):
            g[j] += out[0, chosen[j]]
        return
    rows, own = np.empty((ROW_BLOCK, chosen.size), columns.dtype), np.arange(ROW_BLOCK)
    for start in range(0, numbers.size, ROW_BLOCK):
        part = numbers[start : start + ROW_BLOCK]
        read_rows(columns, chosen, part, rows)
        add_changed_rows(rows, own[: part.size], change[start : start + ROW_BLOCK], g)


@kernel
def weighted_norm(r, s):
    """np.sqrt(((r**2)[s > 0] / s[s > 0]).sum())."""
    lanes = np.empty(s.size)
    for i in range(s.size):
        x = np.float64(r[i])
        lanes[i] = x * x / s[i] if s[i] > 0.0 else 0.0
    return np.sqrt(total(lanes))


@kernel
def scores(X, starts, columns, weights, b, out):
    """out[:, : len(X)] = W @ X.T + b[:, None].

    Row k of W has weights[a:z] in columns[a:z], a, z = starts[k : k + 2].
    out : (K, a multiple of 4); the rows beyond X repeat its last one.
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
def scores_from_bytes(levels, codes, starts, columns, weights, b, out):
    """`scores` of X[:, j] = levels[j, codes[j]], bit for bit.  levels : (p, 256).  codes : (p, n) uint8."""
    table = np.empty(256)
    for start in range(0, out.shape[1], ROW_BLOCK):
        stop = min(start + ROW_BLOCK, out.shape[1])
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
def combine_columns(columns, chosen, weights, start, out):
    """out[:] = start + weights @ columns[chosen], in the precision of `out`; a weight of 0 costs no time."""
    used, factor, m = np.zeros(chosen.size + 4, np.intp), np.zeros(chosen.size + 4, out.dtype), 0
    for q in range(chosen.size):
        if weights[q] != 0.0:
            used[m], factor[m] = chosen[q], weights[q]
            m += 1
    for a in range(0, out.size, ROW_BLOCK):
        z = min(a + ROW_BLOCK, out.size)
        part = out[a:z]
        part[:] = start
        for q in range(0, m, 4):
            x0, x1 = columns[used[q], a:z], columns[used[q + 1], a:z]
            x2, x3 = columns[used[q + 2], a:z], columns[used[q + 3], a:z]
            w0, w1, w2, w3 = factor[q], factor[q + 1], factor[q + 2], factor[q + 3]
            for i in range(z - a):
                part[i] += (w0 * x0[i] + w1 * x1[i]) + (w2 * x2[i] + w3 * x3[i])
