"""IDX, the file format in which MNIST is published: decoded from a local folder or from a public mirror."""

import gzip
import io
import stat
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sparse_digits.datasets.arrays import Arrays
from sparse_digits.datasets.catalogue import PinnedFile
from sparse_digits.datasets.download import SourceError, Timeouts, check_file, download
from sparse_digits.datasets.idx_folder import FolderError, decode_idx


def load_folder(folder: Path, files: Sequence[PinnedFile]) -> Arrays:
    """Return the data of the IDX files in a folder: training images, their labels, test images, their labels.

    Raises FolderError with all faults of the folder at once.
    """
    contents, faults = [], []
    try:
        obstacle = None if stat.S_ISDIR(folder.stat().st_mode) else "Not a directory"
    except OSError as error:
        obstacle = error.strerror
    if obstacle:
        names = ", ".join(file.name for file in files)
        raise FolderError([f"expected a folder with {names}, got: {obstacle}"])
    for file in files:
        try:
            contents.append(_read(folder / file.name, file))
        except OSError as error:
            faults.append(f"{file.name}: expected a file of {file.size} bytes, got: {error.strerror}")
        except SourceError as error:
            faults.append(str(error))
    if faults:
        raise FolderError(faults)
    return decode(contents)


def _read(path: Path, file: PinnedFile) -> bytes:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # reading a pipe would block forever
        raise SourceError(f"{file.name}: expected a regular file, got another kind")
    if status.st_size != file.size:
        raise SourceError(f"{file.name}: expected {file.size} bytes, got {status.st_size}")
    content = path.read_bytes()
    check_file(content, file)
    return content


def load_mirror(url: str, files: Sequence[PinnedFile], timeouts: Timeouts) -> Arrays:
    """Return the data of the IDX files under an address; `files` as in `load_folder`. Raises SourceError."""
    deadline = time.monotonic() + timeouts.total
    return decode([download(url, file, timeouts, deadline) for file in files])


def decode(contents: Sequence[bytes]) -> Arrays:
    """Return the data of four gzipped IDX files whose digests were checked; the training rows come first."""
    train_images, train_labels, test_images, test_labels = (
        decode_idx(io.BytesIO(gzip.decompress(content)), n_axes)
        for content, n_axes in zip(contents, (3, 1, 3, 1), strict=True)
    )
    images = np.concatenate([train_images, test_images])
    return images.reshape(len(images), -1), np.concatenate([train_labels, test_labels])
