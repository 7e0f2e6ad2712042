# ruff: noqa: ANN001, ANN201, ANN202 - numba infers the types; the docstrings have the shapes

# mypy: allow-untyped-defs, allow-untyped-calls
"""Pack the working columns of a class and compute their weighted Gram matrix."""

import numpy as np

from l1path.kernels.compiler import kernel
from l1path.kernels.elementary import SUM_LANES, sum_lanes
from l1path.kernels.products import ROW_BLOCK, TILE

VECTOR = 16  # float32 numbers in the widest vector


@kernel
def pack_columns(columns, chosen, at, packed):
    """packed[:, at : at + m] = columns[chosen].T."""
    for i in range(0, packed.shape[0], TILE):
        stop = min(i + TILE, packed.shape[0])
        for j in range(chosen.size):
            column = columns[chosen[j]]
            for a in range(i, stop):
                packed[a, at + j] = column[a]


@kernel
def select_heavy_rows(w, tau, s):
    """np.flatnonzero(w > tau * s), padded to a multiple of 8 with the last row, which is empty."""
    rows, m = np.empty(w.size + 8, np.intp), 0
    for i in range(w.size):
        rows[m] = i
        m += w[i] > tau * s[i]
    rows[m:] = w.size - 1
    return rows[: -(-m // 8) * 8]


@kernel
def gram_rows(packed, offset, w, heavy, start, stop, G):
    """The rows start to stop of the lower triangle of A[heavy].T @ (w[heavy, None] * A[heavy]) in G.

    A = packed - offset.  heavy : the row numbers of the products off the diagonal, a multiple of 8; the
    diagonal has all rows.  start and stop even.  Entries above the diagonal are left undefined.
    """
    x, v = np.zeros((8, G.shape[1]), G.dtype), np.empty(8, G.dtype)
    G[start:stop] = 0
    for q in range(0, heavy.size, 8):
        for i in range(8):
            source, target = packed[heavy[q + i]], x[i]
            v[i] = w[heavy[q + i]]
            for j in range(stop):
                target[j] = source[j] - offset[j]
        x0, x1, x2, x3, x4, x5, x6, x7 = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
        for a in range(start, stop, 2):
            g, h = G[a], G[a + 1]
            a0, a1, a2, a3 = v[0] * x0[a], v[1] * x1[a], v[2] * x2[a], v[3] * x3[a]
            a4, a5, a6, a7 = v[4] * x4[a], v[5] * x5[a], v[6] * x6[a], v[7] * x7[a]
            b0, b1, b2, b3 = v[0] * x0[a + 1], v[1] * x1[a + 1], v[2] * x2[a + 1], v[3] * x3[a + 1]
            b4, b5, b6, b7 = v[4] * x4[a + 1], v[5] * x5[a + 1], v[6] * x6[a + 1], v[7] * x7[a + 1]
            for j in range(min(a + 2 + -(a + 2) % VECTOR, G.shape[1])):  # whole vectors only
                g[j] += ((a0 * x0[j] + a1 * x1[j]) + (a2 * x2[j] + a3 * x3[j])) + (
                    (a4 * x4[j] + a5 * x5[j]) + (a6 * x6[j] + a7 * x7[j])
                )
                h[j] += ((b0 * x0[j] + b1 * x1[j]) + (b2 * x2[j] + b3 * x3[j])) + (
                    (b4 * x4[j] + b5 * x5[j]) + (b6 * x6[j] + b7 * x7[j])
                )
    diagonal = np.zeros(stop, G.dtype)
    for i in range(w.size):
        source, weight = packed[i], w[i]
        for j in range(start, stop):
            diagonal[j] += weight * ((source[j] - offset[j]) * (source[j] - offset[j]))
    for a in range(start, stop):
        G[a, a] = diagonal[a]


@kernel
def mirror(start, stop, G):
    """Copy the rows start to stop of the lower triangle of G to the upper one."""
    for a in range(start, stop):
        for j in range(a):
            G[j, a] = G[a, j]


@kernel
def _add_dot_products(x, m, y, part, out):
    """out[:m] += x[:m] @ y.  x : (at least m, ROW_BLOCK).  part : an eighth of that, scratch."""
    n = part.size
    for j in range(m):
        u, q = x[j], n // 2
        for i in range(n):
            part[i] = (
                (u[i] * y[i] + u[i + n] * y[i + n])
                + (u[i + 2 * n] * y[i + 2 * n] + u[i + 3 * n] * y[i + 3 * n])
            ) + (
                (u[i + 4 * n] * y[i + 4 * n] + u[i + 5 * n] * y[i + 5 * n])
                + (u[i + 6 * n] * y[i + 6 * n] + u[i + 7 * n] * y[i + 7 * n])
            )
        while q >= SUM_LANES:
            for i in range(q):
                part[i] += part[i + q]
            q //= 2
        out[j] += sum_lanes(part)


@kernel
def gram_rows_by_columns(columns, chosen, offset, w, start, stop, G):
    """`gram_rows` of all rows of columns[chosen].T, which need not be packed."""
    x, y = np.zeros((stop, ROW_BLOCK), G.dtype), np.zeros(ROW_BLOCK, G.dtype)
    part, sums = np.empty(ROW_BLOCK // 8, G.dtype), np.zeros((stop, stop))
    for first in range(0, w.size, ROW_BLOCK):
        size = min(ROW_BLOCK, w.size - first)
        y[size:] = 0.0
        for j in range(stop):
            column, mean, block = columns[chosen[j], first : first + size], offset[j], x[j]
            for i in range(size):
                block[i] = column[i] - mean
        for a in range(start, stop):
            block, weight = x[a], w[first : first + size]
            for i in range(size):
                y[i] = weight[i] * block[i]
            _add_dot_products(x, a + 1, y, part, sums[a])
    for a in range(start, stop):
        for j in range(a + 1):
            G[a, j] = sums[a, j]
