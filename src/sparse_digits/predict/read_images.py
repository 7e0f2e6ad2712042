"""Images from files, folders and standard input: pixels of the data set, or ink that is made into them."""

import io
import sys
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dvc_mlflow.errors import UserError
from l1path.objective import Floats
from sparse_digits.predict.preparation import Preparation
from sparse_digits.runtime.image_file import border_of, gray_image, pixels_as_they_are, read_bounded

SUFFIXES = {".png", ".jpg", ".jpeg", ".npy"}
MIN_CONTRAST = 16  # gray values of 255 between paper and ink; less is an empty page
NOISE = 1.5  # ink differs from the paper by more than this times the differences along the border
MAX_NOISE = 0.6  # a higher threshold leaves specks of the ink
JPEG_NOISE = 1 / 8  # of the full contrast at least: JPEG leaves traces around each line


def images_of(names: Sequence[str], preparation: Preparation) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Yield each image that the names mean, with its name: pixels (side * side,) as in the data set.

    names : of files, of folders, whose PNG, JPEG and .npy files are taken by name, or "-" for standard input.
    Raises UserError.
    """
    for name in names:
        if name == "-":
            yield from _images_in("standard input", _standard_input(), preparation)
            continue
        path = Path(name)
        files = [path]
        if path.is_dir():
            known = (file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
            files = sorted(file for file in known if not file.is_dir())
            if not files:
                raise UserError(f"{name}: expected PNG, JPEG or .npy files in this folder, got none")
        for file in files:
            with file.open("rb") as opened:
                yield from _images_in(str(file), read_bounded(str(file), opened), preparation)


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise UserError("standard input: expected an image, but it is closed")
    return read_bounded("standard input", sys.stdin.buffer)


def _images_in(name: str, content: bytes, preparation: Preparation) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    if content.startswith(b"\x93NUMPY"):
        rows = _rows_of_npy(name, content, preparation)
        for i, row in enumerate(rows):
            yield (f"{name}[{i}]" if len(rows) > 1 else name), row
    else:
        yield name, _pixels_of_image(name, content, preparation)


def _rows_of_npy(name: str, content: bytes, preparation: Preparation) -> npt.NDArray[Any]:
    """Return the images of an .npy file, (n, side * side), which hold pixels of the data set as they are."""
    side, full = preparation.side, preparation.full
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError, OverflowError, tokenize.TokenError) as error:
        reason = str(error) or type(error).__name__
        raise UserError(f"{name}: expected a whole .npy file of numbers, but {reason}") from None
    if array.shape[-2:] == (side, side):
        array = array.reshape(-1, side * side)
    if array.ndim not in {1, 2} or array.shape[-1] != side * side or not array.size:
        raise UserError(
            f"{name}: expected an array of shape (n, {side * side}) or (n, {side}, {side}), got {array.shape}"
        )
    if array.dtype.kind not in "uif" or not (array.min() >= 0 and array.max() <= full):
        raise UserError(f"{name}: expected numbers from 0 to {full}, got {_range_of(array)}")
    return np.asarray(array.reshape(-1, side * side))


def _range_of(array: npt.NDArray[Any]) -> str:
    return f"{array.min()} to {array.max()}" if array.dtype.kind in "uif" else f"values of type {array.dtype}"


def _pixels_of_image(name: str, content: bytes, preparation: Preparation) -> npt.NDArray[np.uint8]:
    """Return the pixels of a PNG or JPEG image; one of the data set's own size has them already."""
    gray, lossy = gray_image(name, content)
    if np.ptp(gray) < MIN_CONTRAST:
        raise UserError(
            f"{name}: expected a digit, dark on light or light on dark, got an image of one color"
        )
    if gray.shape == (preparation.side, preparation.side):
        return pixels_as_they_are(gray, preparation.full)
    ink = ink_of(gray, JPEG_NOISE if lossy else 0)
    if ink is None:
        raise UserError(
            f"{name}: expected paper of one color around the digit, got paper that differs almost as much "
            "as the ink does. Cut the image closer to the digit, or take it in even light"
        )
    return preparation.pixels(ink)


def ink_of(gray: Floats, noise: float) -> Floats | None:
    """Return the share of ink, 0 to 1, in each pixel; None if ink and paper cannot be separated.

    The median along the border is the color of the paper. Ink is what differs from it by more than the border
    does: the paper of a photograph is not of one color.
    gray : (height, width), 0 to 255, not all the same.
    noise : the least share of the full contrast that is ink.
    """
    border = border_of(gray)
    paper = float(np.median(border))
    contrast = np.abs(gray - paper)
    full = float(contrast.max())
    most, all_but_few = NOISE * np.quantile(np.abs(border - paper), (0.75, 0.95)) / full
    # where the drawing itself reaches the border, its contrast is no noise
    threshold = max(noise, float(all_but_few if all_but_few < 1 else most))
    if threshold > MAX_NOISE:
        return None
    return np.asarray(np.clip((contrast / full - threshold) / (1 - threshold), 0, 1))
