# ruff: noqa: ANN001, ANN201, ANN202 - numba infers the types; the docstrings have the shapes

# mypy: allow-untyped-defs, allow-untyped-calls
"""Sparse columns: products, the weighted Gram matrix and the class step.

A is a CSC matrix (n, p) as `data`, `indices`, `indptr`, row numbers ascending. Column number p is the
intercept's, all ones if there is one (`fit_intercept`); the numbers after it are empty columns. Centering is
implicit: a column's `offset` is subtracted from sums, so that nothing is densified.
"""

import numpy as np

from l1path.kernels.class_step import (
    CLASS_SKIP_FRACTION,
    DESCENT_TOL_FRACTION,
    GRAM_REFRESH_THRESHOLD,
    MAX_DESCENT_PASSES,
    coordinate_descent,
    residual_and_weight,
    take_step,
    violation,
)
from l1path.kernels.compiler import kernel
from l1path.kernels.elementary import dot, l1_distance, total

MIN_VARIANCE = 1e-14  # of a column's mean square: what the subtraction of the offset leaves at least


@kernel
def sparse_column_sums(data, indices, indptr, s):
    """A.min(axis=0), A.max(axis=0), s @ A, s @ A**2, s @ abs(A), with the zeros that are not stored."""
    p = indptr.size - 1
    low, high, sums = np.zeros(p), np.zeros(p), np.zeros((3, p))
    for j in range(p):
        first, last = indptr[j], indptr[j + 1]
        if last - first == np.count_nonzero(s):
            low[j], high[j] = np.inf, -np.inf
        for t in range(first, last):
            x, w = data[t], s[indices[t]]
            low[j], high[j] = min(low[j], x), max(high[j], x)
            sums[0, j] += w * x
            sums[1, j] += w * (x * x)
            sums[2, j] += w * abs(x)
    return low, high, sums[0], sums[1], sums[2]


@kernel
def sparse_full_gradient(data, indices, indptr, R, out):
    """out[:, : A.shape[1]] = R.T @ A.  R : (n, K), so that the classes of a row are side by side."""
    K = R.shape[1]
    part = np.empty(K)
    for j in range(indptr.size - 1):
        part[:] = 0.0
        for t in range(indptr[j], indptr[j + 1]):
            x, row = data[t], R[indices[t]]
            for k in range(K):
                part[k] += x * row[k]
        for k in range(K):
            out[k, j] = part[k]


@kernel
def sparse_gradient_entries(data, indices, indptr, fit_intercept, R, classes, chosen, out):
    """out[classes, chosen] = (R[classes] * A.T[chosen]).sum(axis=1).  R : (K, n)."""
    p = indptr.size - 1
    for q in range(chosen.size):
        j, r, value = chosen[q], R[classes[q]], 0.0
        if j < p:
            for t in range(indptr[j], indptr[j + 1]):
                value += data[t] * r[indices[t]]
        elif j == p and fit_intercept:
            value = total(r)
        out[classes[q], j] = value


@kernel
def sparse_combine(data, indices, indptr, fit_intercept, chosen, weights, start, out):
    """out[:] = start + weights @ A.T[chosen]."""
    p, common = indptr.size - 1, start
    for q in range(chosen.size):
        if chosen[q] == p and fit_intercept:
            common += weights[q]
    out[:] = common
    for q in range(chosen.size):
        j, weight = chosen[q], weights[q]
        if j < p and weight != 0.0:
            for t in range(indptr[j], indptr[j + 1]):
                out[indices[t]] += weight * data[t]


@kernel
def _entries_by_row(data, indices, indptr, chosen, n):
    """Return ends, place, value: row i of A[:, chosen] has value[a:z] in the columns place[a:z] of it.

    a, z = ends[i : i + 2].  Columns from p on have no entries.
    """
    p, ends = indptr.size - 1, np.zeros(n + 1, np.int64)
    for q in range(chosen.size):
        if chosen[q] < p:
            for t in range(indptr[chosen[q]], indptr[chosen[q] + 1]):
                ends[indices[t] + 1] += 1
    for i in range(n):
        ends[i + 1] += ends[i]
    place, value, free = np.empty(ends[n], np.int32), np.empty(ends[n]), ends.copy()
    for q in range(chosen.size):
        if chosen[q] < p:
            for t in range(indptr[chosen[q]], indptr[chosen[q] + 1]):
                i = indices[t]
                place[free[i]], value[free[i]] = q, data[t]
                free[i] += 1
    return ends, place, value


@kernel
def sparse_gram_matrix(data, indices, indptr, fit_intercept, offset, chosen, w, G):  # noqa: C901 - loops
    """G[:m, :m] = B.T @ (w[:, None] * B), B = A[:, chosen] - offset; symmetric.  offset : (m,).

    The products are summed over each row's entries in the chosen columns, which are gathered first: for text
    a few in a row. The offsets are subtracted from the sums.
    """
    m, p, n = chosen.size, indptr.size - 1, w.size
    ends, place, value = _entries_by_row(data, indices, indptr, chosen, n)
    sums, size = np.zeros(m), total(w)
    for q in range(m):
        if chosen[q] < p:
            for t in range(indptr[chosen[q]], indptr[chosen[q] + 1]):
                sums[q] += w[indices[t]] * data[t]
    G[:m, :m] = 0.0
    for i in range(n):
        for t in range(ends[i], ends[i + 1]):
            row, x = G[place[t]], w[i] * value[t]
            for u in range(ends[i], t + 1):
                row[place[u]] += x * value[u]
    for a in range(m):
        if chosen[a] == p and fit_intercept:
            sums[a] = size
            for b in range(m):
                G[max(a, b), min(a, b)] = sums[b]
            G[a, a] = size
    for a in range(m):
        least = MIN_VARIANCE * G[a, a]
        for b in range(a + 1):
            G[a, b] += offset[a] * offset[b] * size - offset[a] * sums[b] - offset[b] * sums[a]
            G[b, a] = G[a, b]
        G[a, a] = max(G[a, a], least)


@kernel
def sparse_joint_hessian(data, indices, indptr, fit_intercept, offset, chosen, starts, P, s, H):  # noqa: C901, PLR0912 - loops
    """`joint_hessian` for sparse columns, which sets H.

    As in `sparse_gram_matrix`, products are summed over each row's entries in the chosen columns, and offsets
    are subtracted from the sums.
    """
    d, p, n, K = chosen.size, indptr.size - 1, s.size, P.shape[0]
    of, sums, size = np.empty(d, np.int64), np.zeros((d, K)), np.zeros((K, K))
    ends, place, value = _entries_by_row(data, indices, indptr, chosen, n)
    share = np.empty(K)
    for k in range(K):
        of[starts[k] : starts[k + 1]] = k
    H[:] = 0.0
    for i in range(n):
        for k in range(K):
            share[k] = P[k, i]
        for k in range(K):
            u = s[i] * share[k]
            for c in range(k):
                size[k, c] -= u * share[c]
            size[k, k] += u * (1.0 - share[k])
        for t in range(ends[i], ends[i + 1]):
            a = place[t]
            row, low, total_of = H[a], starts[of[a]], sums[a]
            u = s[i] * share[of[a]] * value[t]
            for c in range(K):
                total_of[c] -= u * share[c]
            total_of[of[a]] += u
            own = u * (1.0 - share[of[a]])
            for q in range(ends[i], t + 1):
                b = place[q]
                row[b] += (own if b >= low else -u * share[of[b]]) * value[q]
    for a in range(d):
        k = of[a]
        least = MIN_VARIANCE * H[a, a]
        for b in range(a + 1):
            c = of[b]
            x, y, z = offset[chosen[a]], offset[chosen[b]], size[k, c]
            if chosen[a] < p and chosen[b] < p:
                H[a, b] += x * y * z - y * sums[a, c] - x * sums[b, k]
            elif not fit_intercept:
                H[a, b] = 0.0
            elif chosen[a] < p:
                H[a, b] = sums[a, c] - x * z
            elif chosen[b] < p:
                H[a, b] = sums[b, k] - y * z
            else:
                H[a, b] = z
            H[b, a] = H[a, b]
        H[a, a] = max(H[a, a], least)


@kernel
def sparse_class_step(
    in_class, s, data, indices, indptr, fit_intercept, offset, penalty_factor, ridge_factor, lam, free_unit,
    target, above, below, shift, eta, e, gradient_residual, V, gradient, chosen, G, gram_size, gram_weights,
    move,
):  # fmt: skip
    """`class_step` for sparse columns: the gradient is computed of all rows, and a stale Gram matrix anew."""
    n, m, p = e.size, chosen.size, indptr.size - 1
    w = np.empty(n)
    residual_and_weight(e, above, below, in_class, s, gradient_residual, w)
    mean, residual_sum = offset[chosen], total(gradient_residual)
    coef, penalty, ridge, g = V[chosen], lam * penalty_factor[chosen], lam * ridge_factor[chosen], np.zeros(m)
    for q in range(m):
        j = chosen[q]
        if j < p:
            for t in range(indptr[j], indptr[j + 1]):
                g[q] += data[t] * gradient_residual[indices[t]]
        elif j == p and fit_intercept:
            g[q] = residual_sum
        g[q] -= mean[q] * residual_sum
        gradient[j] = g[q]  # of the cross-entropy alone
        g[q] += ridge[q] * coef[q]
    worst = violation(g, coef, penalty, free_unit)
    if worst > CLASS_SKIP_FRACTION * target:
        if gram_size < m or l1_distance(w, gram_weights) > GRAM_REFRESH_THRESHOLD * total(w):
            gram_weights[:] = w
            sparse_gram_matrix(data, indices, indptr, fit_intercept, mean, chosen, w, G)
            gram_size = m
        new = coef.copy()
        tol = DESCENT_TOL_FRACTION * worst
        coordinate_descent(G, g, new, penalty, ridge, free_unit, tol, MAX_DESCENT_PASSES)
        step = new - coef
        sparse_combine(data, indices, indptr, fit_intercept, chosen, step, -dot(step, mean), move)
        take_step(
            coef, new, step, move, g, penalty, ridge, chosen, shift, above, below, in_class, s, V, eta, e,
        )  # fmt: skip
    else:
        move[:] = 0
    for i in range(n):
        below[i] += e[i]
    return worst, gram_size
