"""A data set of the user's own: a folder with IDX files, or with a folder of PNG images for each class."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dvc_mlflow.errors import UserError
from sparse_digits.datasets.idx_folder import FolderError, image_files, load_any
from sparse_digits.runtime.errors import FaultyFolderError
from sparse_digits.runtime.image_file import gray_image, pixels_as_they_are, read_bounded

FULL = 255  # the value of the lightest pixel
MIN_CLASSES = 3  # as the model needs
MAX_FAULTS = 20  # in one message
CLASS_NAME = re.compile(r"[\w .+()'&-]+")  # it stands in CSV, markdown and HTML without quotes

Labels = npt.NDArray[np.uint8] | npt.NDArray[np.str_]


def load_own(folder: Path) -> tuple[npt.NDArray[np.uint8], Labels]:
    """Return the images (n, p) and labels (n,): of IDX files their numbers, else the names of the folders.

    Images are square, all of one size. Those of folders are in the order of the names of folders and files,
    and are read as `predict` reads an image of their size. Raises FaultyFolderError with all faults.
    """
    try:
        return _load(folder)
    except FolderError as error:
        raise FaultyFolderError(folder, error.faults) from None


def _load(folder: Path) -> tuple[npt.NDArray[np.uint8], Labels]:
    images, labels = load_any(folder) if image_files(folder) else _load_classes(folder)
    n_pixels = images.shape[1]
    if math.isqrt(n_pixels) ** 2 != n_pixels:
        raise FolderError([f"expected square images, got images of {n_pixels} pixels"])
    if len(classes := np.unique(labels)) < MIN_CLASSES:
        names = " and ".join(map(str, classes))
        raise FolderError([f"expected images of {MIN_CLASSES} classes or more, got only {names}"])
    return images, labels


def _load_classes(folder: Path) -> tuple[npt.NDArray[np.uint8], Labels]:
    folders = [path for path in _visible(folder) if path.is_dir()]
    if not folders:
        raise FolderError(["expected IDX files, or a folder of PNG images for each class, got neither"])
    faults: list[str] = []
    images: list[npt.NDArray[np.uint8]] = []
    labels: list[str] = []
    first: tuple[str, tuple[int, ...]] | None = None  # the image whose size all others have
    for of_class in folders:
        if not CLASS_NAME.fullmatch(of_class.name):
            faults.append(
                f"expected letters, digits and . + - ( ) ' & in a class's name, got {of_class.name!r}"
            )
        files = list(_visible(of_class))
        if not files:
            faults.append(f"{of_class.name}: expected PNG images of this class, got none")
        for path in files:
            name = f"{of_class.name}/{path.name}"
            try:
                pixels, shape = _pixels(name, path)
            except (OSError, UserError) as error:
                faults.append(f"{name}: {error.strerror}" if isinstance(error, OSError) else str(error))
                continue
            first = first or (name, shape)
            if shape[0] != shape[1]:
                faults.append(f"{name}: expected a square image, got {shape[1]} x {shape[0]} pixels")
            elif shape != first[1]:
                expected = f"{first[1][1]} x {first[1][0]} pixels, as {first[0]} has"
                faults.append(f"{name}: expected {expected}, got {shape[1]} x {shape[0]}")
            images.append(pixels)
            labels.append(of_class.name)
    if faults:
        more = [f"and {len(faults) - MAX_FAULTS} more"] if len(faults) > MAX_FAULTS else []
        raise FolderError(faults[:MAX_FAULTS] + more)
    return np.stack(images), np.array(labels)


def _visible(folder: Path) -> Iterator[Path]:
    """Yield the entries of a folder by name, without those that a file manager hides."""
    yield from sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _pixels(name: str, path: Path) -> tuple[npt.NDArray[np.uint8], tuple[int, ...]]:
    """Return the pixels of an image, and its height and width."""
    if path.suffix.lower() != ".png" or not path.is_file():
        raise UserError(f"{name}: expected PNG images alone in the folder of a class")
    with path.open("rb") as file:
        gray, _ = gray_image(name, read_bounded(name, file))
    return pixels_as_they_are(gray, FULL), gray.shape
