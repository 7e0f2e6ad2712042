"""How the pixels of an image are made of a drawing, as MNIST was made.

The same on the page of the sweep: sweep/page/scripts/prepare.js.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from l1path.objective import Floats


@dataclass(frozen=True)
class Preparation:
    """The form of the images of a data set.

    side : of the image, in pixels.  full : the value of full ink.
    box : the side of the square that the ink is scaled into, with its proportions kept.
    center : the pixel number that the center of mass of the ink is put on.
    """

    side: int
    full: int
    box: int
    center: float

    @classmethod
    def of(cls, n_pixels: int, dataset: str | None = None) -> "Preparation":
        """Return the form of square images of so many pixels.

        dataset : its name, if known: one of the user's own with images as small as scikit-learn's digits has
        values up to 255.
        """
        side = math.isqrt(n_pixels)
        like_mnist = cls(side, full=255, box=side * 5 // 7, center=side / 2)
        if side == DIGITS.side and dataset in {None, "digits"}:
            return DIGITS
        return MNIST if side == MNIST.side else like_mnist

    def pixels(self, ink: Floats) -> npt.NDArray[np.uint8]:
        """Return the pixels (side * side,) of a drawing; all are zero where there is no ink.

        ink : (height, width), the share of ink in each pixel, 0 to 1.
        """
        image = np.zeros((self.side, self.side), np.uint8)
        if not ink.any():
            return image.ravel()
        rows, columns = np.nonzero(ink.any(axis=1))[0], np.nonzero(ink.any(axis=0))[0]
        drawn = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        ratio = self.box / max(drawn.shape)
        down, across = (self._shares(length, ratio) for length in drawn.shape)
        scaled = down @ drawn @ across.T * ratio**2
        top, left = (self._shift(scaled.sum(axis=1 - axis)) for axis in (0, 1))
        values = np.floor(scaled / scaled.max() * self.full + 0.5)  # rounded as JavaScript does
        image[top : top + len(scaled), left : left + scaled.shape[1]] = values
        return image.ravel()

    def _shares(self, length: int, ratio: float) -> Floats:
        """Return (pixels, length): which share of each pixel of a drawing lies in each pixel of the box."""
        n_pixels = max(1, min(self.box, math.ceil(length * ratio - 1e-9)))
        edges = np.arange(n_pixels + 1) / ratio
        start, end = (
            np.maximum.outer(edges[:-1], np.arange(length)),
            np.minimum.outer(edges[1:], np.arange(1, length + 1)),
        )
        return np.asarray(np.maximum(end - start, 0))

    def _shift(self, mass: Floats) -> int:
        """Return by how many pixels to shift ink whose center of mass is to be in the center.

        mass : of the ink in each row, or each column, of the box.
        """
        shift = math.floor(self.center - float(mass @ np.arange(len(mass)) / mass.sum()) + 0.5)
        return max(0, min(self.side - len(mass), shift))


MNIST = Preparation(28, full=255, box=20, center=14)  # LeCun et al. 1998, and their page on MNIST
DIGITS = Preparation(8, full=16, box=8, center=3.5)  # of scikit-learn: they fill all rows
