# ruff: noqa: ANN001, ANN201, ANN202 - numba infers the types; the docstrings have the shapes
# ruff: noqa: D403 - a NumPy line begins with a variable
# mypy: allow-untyped-defs, allow-untyped-calls
"""Build and solve the small dense Newton systems: over the intercepts, and over a subspace."""

import numpy as np

from l1path.kernels.compiler import kernel
from l1path.kernels.elementary import dot, total

SUBSPACE_BLOCK = 256  # rows whose directions, one for each class and start, stay in the second-level cache


@kernel
def intercept_hessian(R, in_class, s):
    """P = R + in_class; np.diag(P @ s) - (P * s) @ P.T: the cross-entropy's Hessian in the intercepts."""
    K, n = R.shape
    H = np.zeros((K, K))
    P, sp = np.empty((K, n)), np.empty(n)
    for k in range(K):
        for i in range(n):
            P[k, i] = R[k, i] + (1.0 if in_class[k, i] else 0.0)
            sp[i] = s[i] * P[k, i]
        for a in range(k + 1):
            H[k, a] = -dot(sp, P[a])
            H[a, k] = H[k, a]
        H[k, k] += total(sp)
    return H


@kernel
def _probabilities(e, start, stop, P):
    """P = e / e.sum(axis=0), of the rows start to stop."""
    row_sum = np.zeros(stop - start)
    for k in range(e.shape[0]):
        exponential = e[k, start:stop]
        for i in range(row_sum.size):
            row_sum[i] += exponential[i]
    for k in range(e.shape[0]):
        exponential, share = e[k, start:stop], P[k]
        for i in range(row_sum.size):
            share[i] = exponential[i] / row_sum[i]


@kernel
def _centered_direction(direction, in_class, P, start, stop, D, slope):
    """D = direction - (P * direction).sum(axis=0); slope = -D[in_class], of the rows start to stop."""
    mean = np.zeros(stop - start)
    slope[:] = 0.0
    for k in range(direction.shape[0]):
        along, share, d = direction[k, start:stop], P[k], D[k]
        for i in range(stop - start):
            d[i] = along[i]
            mean[i] += share[i] * d[i]
    for k in range(direction.shape[0]):
        own, d = in_class[k, start:stop], D[k]
        for i in range(stop - start):
            d[i] -= mean[i]
            slope[i] -= d[i] if own[i] else 0.0


@kernel
def subspace_model(stack, e, in_class, s):
    """The slope g of the cross-entropy at e = exp(eta) along each of D = stack, and the Hessian H.

    With P = e / e.sum(axis=0), and D less its mean (P * D).sum(axis=1):
    g = -(s * in_class * D).sum(axis=(1, 2)), H[a, b] = (s * P * D[a] * D[b]).sum().  stack : (m, K, n).
    """
    m, K, n = stack.shape
    g, H = np.zeros(m), np.zeros((m, m))
    P, D, part = np.empty((K, SUBSPACE_BLOCK)), np.empty((m, K, SUBSPACE_BLOCK)), np.empty(SUBSPACE_BLOCK)
    for start in range(0, n, SUBSPACE_BLOCK):
        stop = min(start + SUBSPACE_BLOCK, n)
        size, weight = stop - start, s[start:stop]
        _probabilities(e, start, stop, P)
        for a in range(m):
            _centered_direction(stack[a], in_class, P, start, stop, D[a], part)
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
def add_combination(c, stack, out):
    """out += np.tensordot(c, stack, 1).  stack : (m, K, n)."""
    for k in range(stack.shape[1]):
        target = out[k]
        for q in range(c.size):
            x = stack[q, k]
            for i in range(target.size):
                target[i] += c[q] * x[i]


@kernel
def solve_linear(H, g):
    """np.linalg.solve(H, g) for a positive definite H, by Gaussian elimination; both are overwritten."""
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
