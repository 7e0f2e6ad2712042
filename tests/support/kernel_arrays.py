"""Random arrays for the kernels, of the kinds and shapes that the solver gives them."""

import numpy as np

RNG = np.random.default_rng(0)
DTYPES = [np.float32, np.float64]
STORED_DTYPES = [*DTYPES, np.uint8]  # of a working copy; sums over bytes are float32
n, p, K, m = 72, 16, 3, 12  # rows, columns, classes, working columns


def normal(*shape, dtype=np.float64):
    """Return normal random numbers."""
    return RNG.normal(size=shape).astype(dtype)


def stored(*shape, dtype):
    """Return random numbers of a working copy, and the type of sums over them."""
    copy = RNG.integers(0, 8, shape) if dtype == np.uint8 else RNG.normal(size=shape)
    return copy.astype(dtype), np.promote_types(dtype, np.float32)


def close(dtype):
    """Return the tolerances of sums of this type."""
    return {"rtol": 1e-12, "atol": 1e-12} if dtype == np.float64 else {"rtol": 2e-5, "atol": 2e-5}
