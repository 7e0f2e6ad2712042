# ruff: noqa: ANN001, ANN201 - numba infers the types; the docstrings have the shapes

# mypy: allow-untyped-defs, allow-untyped-calls
"""Make the solver's working copy of the data: column ranges, steps, and the copies in bytes or floats."""

import numpy as np

from l1path.kernels.compiler import kernel
from l1path.kernels.elementary import rint
from l1path.kernels.products import TILE

INTEGER_TOL = 2.0**-36  # distance from an integer at which a number of steps counts as exact
STEP_SEARCH_TOL = 1e-6  # the same while the step itself is searched for, from differences that are rounded


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
def column_norms(columns, offset, s):
    """np.sqrt((columns - offset[:, None]) ** 2 @ s), in float64.  columns : (p, n), p a multiple of 4."""
    out = np.zeros(offset.size)
    for j in range(0, offset.size, 4):
        x0, x1, x2, x3 = columns[j], columns[j + 1], columns[j + 2], columns[j + 3]
        c0, c1, c2, c3 = offset[j], offset[j + 1], offset[j + 2], offset[j + 3]
        t0, t1, t2, t3 = 0.0, 0.0, 0.0, 0.0
        for i in range(s.size):
            t0 += s[i] * ((x0[i] - c0) * (x0[i] - c0))
            t1 += s[i] * ((x1[i] - c1) * (x1[i] - c1))
            t2 += s[i] * ((x2[i] - c2) * (x2[i] - c2))
            t3 += s[i] * ((x3[i] - c3) * (x3[i] - c3))
        out[j], out[j + 1], out[j + 2], out[j + 3] = t0, t1, t2, t3
    return np.sqrt(out)


@kernel
def byte_steps(X, low, width):
    """The largest step of each column for which (X - low) / step is an integer; all 0 if one exceeds 255.

    low, width : (p,), the least entry of each column, and the largest less the least.
    """
    step, inverse = width.copy(), np.where(width > 0.0, 1 / width, 0.0)
    for i in range(X.shape[0]):
        x, fractions = X[i], 0
        for j in range(x.size):
            q = (x[j] - low[j]) * inverse[j]
            fractions += abs(q - rint(q)) > STEP_SEARCH_TOL
        if fractions > 0:
            for j in range(x.size):
                a, b = step[j], x[j] - low[j]
                while b > STEP_SEARCH_TOL * width[j]:  # Euclid's algorithm
                    a, b = b, abs(a - b * rint(a / b))
                if width[j] > 255.5 * a:
                    return np.zeros(x.size)
                step[j], inverse[j] = a, 1 / a if a > 0.0 else 0.0
    return np.where(step > 0.0, width / rint(width / step), 0.0)


@kernel
def byte_copy(X, low, unit, rows, columns, levels):
    """rows[:n, :p] = np.rint((X - low) * unit); columns[:] = rows.T; levels[j, rows[i, j]] = X[i, j].

    Returns whether the bytes represent X exactly: (X - low) * unit is an integer within INTEGER_TOL, and all
    entries with one byte are equal to the bit.  levels : (p, 256), filled with NaN by the caller.  rows : of
    height TILE if they are not needed afterwards.
    """
    (n, p), height = X.shape, rows.shape[0]
    for i in range(0, n, TILE):
        size = min(TILE, n - i)
        tile = rows[i % height :][:size]
        for a in range(size):
            x, row, fractions = X[i + a], tile[a], 0
            for j in range(p):
                q = (x[j] - low[j]) * unit[j]
                fractions += abs(q - rint(q)) > INTEGER_TOL
                row[j] = np.int32(rint(q))
            if fractions > 0:
                return False
        for j in range(p):
            column, level = columns[j], levels[j]
            for a in range(size):
                q = tile[a, j]
                column[i + a] = q
                if level[q] != X[i + a, j]:  # NaN is not equal to anything
                    if not np.isnan(level[q]):
                        return False
                    level[q] = X[i + a, j]
    return True


@kernel
def float_copy(X, center, unit, rows, columns):
    """rows[:n, :p] = (X - center) * unit; columns[:] = rows.T.

    rows : of height TILE if they are not needed afterwards.
    """
    (n, p), height = X.shape, rows.shape[0]
    for i in range(0, n, TILE):
        size = min(TILE, n - i)
        tile = rows[i % height :][:size]
        for a in range(size):
            x, row = X[i + a], tile[a]
            for j in range(p):
                row[j] = (x[j] - center[j]) * unit[j]
        for j in range(p):
            column = columns[j]
            for a in range(size):
                column[i + a] = tile[a, j]
