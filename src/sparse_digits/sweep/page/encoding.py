"""Numbers as the page holds them: rounded on an absolute scale, arrays as base64 of little-endian bytes.

The last bits of a sum differ between processors. Rounded on an absolute scale they differ no more, so that
the page has the same bytes on each.
"""

import base64
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from l1path.objective import Floats

DECIMALS = 9  # of metrics and probabilities
VALUE_BITS = 31  # of a weight: the error of a score stays below 1e-6


def rounded(value: Any) -> Any:
    """Return a number, or nested lists of them, as JSON holds it: floats to DECIMALS."""
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, DECIMALS) if isinstance(value, float) else value


def base64_of(array: npt.NDArray[Any], dtype: str) -> str:
    """Return the little-endian bytes of an array as base64.  dtype : as numpy names it, "<f8" for example."""
    return base64.b64encode(np.ascontiguousarray(array, dtype=dtype).tobytes()).decode("ascii")


def encode_scaler(mean: Floats, scale: Floats, n: int) -> dict[str, str]:
    """Return mean and scale, (p,) each, of n images of integers, as the integers that they are made from.

    The sum of a pixel is n mean, and (n scale)^2 is n times its sum of squares less the square of its sum.
    """
    return {
        "sums": base64_of(np.rint(mean * n), "<f8"),
        "squares": base64_of(np.rint((scale * n) ** 2), "<f8"),
    }


def encode_coef(coef: Floats) -> dict[str, Any]:
    """Return the non-zero weights of coef, (K, p), as their flat indices and as integers.

    An integer times `step` is the weight; `step` is a power of two, so that the product is exact.
    """
    flat = coef.ravel()
    if flat.size > np.iinfo(np.uint16).max + 1:
        raise ValueError(f"coef: expected at most 65,536 weights, got {flat.size:,}")
    indices = np.flatnonzero(flat)
    largest = float(np.abs(flat).max(initial=0)) or 1.0
    step = 2.0 ** (math.frexp(largest)[1] + 1 - VALUE_BITS)
    return {
        "indices": base64_of(indices, "<u2"),
        "values": base64_of(np.rint(flat[indices] / step), "<i4"),
        "step": step,
    }
