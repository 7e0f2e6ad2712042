"""The arrays of a data set, and the digest that identifies them."""

import hashlib

import numpy as np
import numpy.typing as npt

Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
"""Images (n, p) and labels (n,), both uint8."""


def digest(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> str:
    """Return the SHA-256 of a data set: the shape as text, the pixels row by row, the labels.

    images : uint8 (n, p).  labels : uint8 (n,).
    """
    n, p = images.shape
    sha256 = hashlib.sha256(b"%d %d\n" % (n, p))
    sha256.update(np.ascontiguousarray(images).data)
    sha256.update(np.ascontiguousarray(labels).data)
    return sha256.hexdigest()
