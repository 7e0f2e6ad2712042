"""IDX files in a local folder that no digest is known of: read with every length checked."""

import gzip
import io
import math
import stat
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sparse_digits.datasets.arrays import Arrays
from sparse_digits.datasets.download import SourceError

MAX_BYTES = 2_000_000_000  # of one file's values: a header of a few bytes may announce any number
IMAGES, LABELS = "-images-idx3-ubyte", "-labels-idx1-ubyte"  # how the published names end


class FolderError(SourceError):
    """A folder lacks files or has wrong ones; `faults` lists all of them."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def load_any(folder: Path) -> Arrays:
    """Return the data of IDX files that no digest is known of, gzipped or not.

    Each file `NAME-images-idx3-ubyte` has a `NAME-labels-idx1-ubyte` beside it. Their rows are joined by
    name, the last first: `train` comes before `t10k`. Raises FolderError with all faults at once.
    """
    pairs, faults = [], []
    for path in image_files(folder):
        other = path.with_name(path.name.replace(IMAGES, LABELS))
        read: list[npt.NDArray[np.uint8]] = []
        for file, n_axes in ((path, 3), (other, 1)):
            try:
                read.append(read_idx(file, n_axes))
            except SourceError as error:
                faults.append(str(error))
        if len(read) == 2:  # noqa: PLR2004 - the images and their labels
            pairs.append(read)
            if len(read[0]) != len(read[1]):
                faults.append(
                    f"{other.name}: expected {len(read[0])} labels, as many as images, got {len(read[1])}"
                )
    if len({images.shape[1:] for images, _ in pairs}) > 1:
        sizes = " and ".join(f"{images.shape[1]} x {images.shape[2]}" for images, _ in pairs)
        faults.append(f"expected images of one size, got {sizes}")
    if not pairs and not faults:
        faults.append(f"expected files *{IMAGES}.gz and *{LABELS}.gz, got none")
    if faults:
        raise FolderError(faults)
    images, labels = (np.concatenate(arrays) for arrays in zip(*pairs, strict=True))
    return images.reshape(len(images), -1), labels


def image_files(folder: Path) -> list[Path]:
    """Return the files of a folder that are named as IDX files of images, the last name first."""
    return sorted((path for path in folder.glob(f"*{IMAGES}*") if path.suffix in {"", ".gz"}), reverse=True)


def read_idx(path: Path, n_axes: int) -> npt.NDArray[np.uint8]:
    """Return the array of an IDX file of bytes with so many axes, gzipped or not. Raises SourceError."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SourceError("expected a regular file, got another kind")  # noqa: TRY301 - named below
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return decode_idx(file, n_axes)
    except SourceError as error:
        raise SourceError(f"{path.name}: {error}") from None
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"{path.name}: expected a whole IDX file, but: {reason}") from None


def decode_idx(file: io.BufferedIOBase, n_axes: int) -> npt.NDArray[np.uint8]:
    """Decode IDX: two zero bytes, type (8: uint8), number of axes, lengths of the axes (>u4), values.

    Raises SourceError, before more is read than the header says.
    """
    header = file.read(4 + 4 * n_axes)
    if header[:4] != bytes([0, 0, 8, n_axes]) or len(header) < 4 + 4 * n_axes:
        raise SourceError(f"expected IDX of bytes with {n_axes} axes, got something else")
    shape = tuple(np.frombuffer(header, ">u4", offset=4).tolist())
    size = math.prod(shape)
    if not 0 < size <= MAX_BYTES:
        raise SourceError(f"expected 1 to {MAX_BYTES:,} values, its header says {size:,}")
    values = file.read(size + 1)
    if len(values) != size:
        found = f"only {len(values):,}" if len(values) < size else "more"
        raise SourceError(f"expected {size:,} values, as its header says, got {found}")
    return np.frombuffer(values, np.uint8).reshape(shape)
