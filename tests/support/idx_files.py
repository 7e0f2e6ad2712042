"""Small IDX files in the layout of MNIST's, for tests of folders and mirrors."""

import gzip
import hashlib

import numpy as np

from sparse_digits.datasets.catalogue import MNIST, PinnedFile


def encode_idx(values: np.ndarray) -> bytes:
    """Return the gzipped IDX file of a uint8 array."""
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
    return gzip.compress(header + values.tobytes(), mtime=0)


IMAGES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
LABELS = np.array([5, 0, 4, 7, 2], dtype=np.uint8)
CONTENTS = {
    file.name: encode_idx(values)
    for file, values in zip(MNIST.idx_files, (IMAGES[:3], LABELS[:3], IMAGES[3:], LABELS[3:]), strict=True)
}
FILES = tuple(
    PinnedFile(name, len(content), hashlib.sha256(content).hexdigest()) for name, content in CONTENTS.items()
)
