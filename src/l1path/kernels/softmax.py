# ruff: noqa: ANN001, ANN201 - numba infers the types; the docstrings have the shapes
# ruff: noqa: D403 - a NumPy line begins with a variable
# mypy: allow-untyped-defs, allow-untyped-calls
"""Exponentials of the scores and what follows from them: losses, residuals and the entropy of the dual."""

import numpy as np

from l1path.kernels.compiler import kernel
from l1path.kernels.elementary import dot, exp_scalar, log_scalar

ROW_BLOCK = 1024  # rows whose intermediate results stay in the first-level cache


@kernel
def exponentials(eta, in_class, shift, e, loss):
    """shift[:] = eta.max(axis=0); e[:] = np.exp(eta - shift); loss[:] = np.log(e.sum(axis=0) / e[in_class]).

    eta, in_class, e : (K, n).  shift, loss : (n,); the loss of an empty row is log K, and its weight is 0.
    """
    K, n = eta.shape
    row_sum = np.empty(ROW_BLOCK)
    for start in range(0, n, ROW_BLOCK):
        size = min(ROW_BLOCK, n - start)
        row_max, row_loss = shift[start : start + size], loss[start : start + size]
        row_max[:] = eta[0, start : start + size]
        for k in range(1, K):
            score = eta[k, start : start + size]
            for i in range(size):
                row_max[i] = max(row_max[i], score[i])
        row_sum[:] = 0.0
        row_loss[:] = 0.0
        for k in range(K):
            score, exponential, own = (
                eta[k, start : start + size],
                e[k, start : start + size],
                in_class[k, start : start + size],
            )
            for i in range(size):
                z = score[i] - row_max[i]
                exponential[i] = exp_scalar(z)
                row_sum[i] += exponential[i]
                row_loss[i] -= z if own[i] else 0.0
        for i in range(size):
            row_loss[i] += log_scalar(row_sum[i])


@kernel
def cross_entropy(eta, e, in_class, shift, s):
    """s @ (np.log(e.sum(axis=0)) - (eta - shift)[in_class]), where e = np.exp(eta - shift)."""
    K, n = eta.shape
    out, sums = np.zeros(n), np.zeros(n)
    for k in range(K):
        for i in range(n):
            sums[i] += e[k, i]
            out[i] -= eta[k, i] - shift[i] if in_class[k, i] else 0.0
    for i in range(n):
        out[i] += log_scalar(sums[i])
    return dot(out, s)


@kernel
def residuals(e, in_class, R):
    """R[:] = e / e.sum(axis=0) - in_class, without cancellation where in_class."""
    K, n = e.shape
    rest, inverse = np.empty(ROW_BLOCK), np.empty(ROW_BLOCK)
    for start in range(0, n, ROW_BLOCK):
        size = min(ROW_BLOCK, n - start)
        rest[:] = 0.0
        inverse[:] = 0.0
        for k in range(K):
            exponential, own = e[k, start : start + size], in_class[k, start : start + size]
            for i in range(size):
                rest[i] += 0.0 if own[i] else exponential[i]
                inverse[i] += exponential[i]
        for i in range(size):
            inverse[i] = 1.0 / inverse[i]
        for k in range(K):
            exponential, own, out = (
                e[k, start : start + size],
                in_class[k, start : start + size],
                R[k, start : start + size],
            )
            for i in range(size):
                out[i] = (-rest[i] if own[i] else exponential[i]) * inverse[i]


@kernel
def entropy(R, in_class, t, out):
    """Q = in_class + t R; out[:] = -(Q * np.log(Q)).sum(axis=0), with 0 log 0 = 0."""
    out[:] = 0.0
    for k in range(R.shape[0]):
        for i in range(out.size):
            q = (1.0 if in_class[k, i] else 0.0) + t * R[k, i]
            out[i] -= q * log_scalar(max(q, 1e-300))
