# ruff: noqa: ANN001, ANN201 - numba infers the types; the docstrings have the shapes

# mypy: allow-untyped-defs, allow-untyped-calls
"""Compute exp and log and add up arrays, each in one fixed order of operations.

`exp_scalar` and `log_scalar` are the ones that the other kernels call in their loops.
"""

import numpy as np

from l1path.kernels.compiler import kernel

SUM_LANES = 32  # partial sums side by side: four AVX-512 vectors of float64


@kernel
def rint(x):
    """np.rint(x), for |x| < 2**51, in a form that vectorizes on every processor."""
    return (x + 6755399441055744.0) - 6755399441055744.0


@kernel
def exp_scalar(x):
    """exp(x) for x clipped to [-708, 708], 1 ulp: Cody and Waite's reduction to |r| < 0.35, Taylor series."""
    x = min(max(x, -708.0), 708.0)
    k = rint(x * 1.4426950408889634)
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
def log_scalar(x):
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
        out[i] = exp_scalar(x[i])


@kernel
def log(x, out):
    """out[:] = np.log(x), for normal x > 0."""
    for i in range(x.size):
        out[i] = log_scalar(x[i])


@kernel
def sum_lanes(lanes):
    """lanes.sum(), from the first to the last."""
    out = 0.0
    for j in range(SUM_LANES):
        out += lanes[j]
    return out


@kernel
def dot(a, b):
    """A @ b, in float64 and in a fixed order."""
    lanes = np.zeros(SUM_LANES)
    full_lanes = a.size - a.size % SUM_LANES
    for i in range(0, full_lanes, SUM_LANES):
        u, v = a[i : i + SUM_LANES], b[i : i + SUM_LANES]
        for j in range(SUM_LANES):
            lanes[j] += u[j] * v[j]
    total = sum_lanes(lanes)
    for i in range(full_lanes, a.size):
        total += a[i] * b[i]
    return total


@kernel
def total(a):
    """a.sum(), in float64 and in a fixed order."""
    lanes = np.zeros(SUM_LANES)
    full_lanes = a.size - a.size % SUM_LANES
    for i in range(0, full_lanes, SUM_LANES):
        u = a[i : i + SUM_LANES]
        for j in range(SUM_LANES):
            lanes[j] += u[j]
    out = sum_lanes(lanes)
    for i in range(full_lanes, a.size):
        out += a[i]
    return out


@kernel
def l1_distance(a, b):
    """np.abs(a - b).sum(), in float64 and in a fixed order."""
    lanes = np.zeros(SUM_LANES)
    full_lanes = a.size - a.size % SUM_LANES
    for i in range(0, full_lanes, SUM_LANES):
        u, v = a[i : i + SUM_LANES], b[i : i + SUM_LANES]
        for j in range(SUM_LANES):
            lanes[j] += abs(np.float64(u[j]) - np.float64(v[j]))
    out = sum_lanes(lanes)
    for i in range(full_lanes, a.size):
        out += abs(np.float64(a[i]) - np.float64(b[i]))
    return out
