"""Arrays to pictures, without a window or global state."""

import math
from collections.abc import Sequence
from io import BytesIO

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from l1path.objective import Floats

DPI = 150


def images_of(coef: Floats) -> Floats:
    """Return weights (K, p) of square images as (K, side, side)."""
    side = math.isqrt(coef.shape[1])
    return coef.reshape(-1, side, side)


def limit_of(coef: Floats) -> float:
    """Return the one symmetric colour limit of all classes: the largest |weight|, 1 if there is none."""
    return float(np.abs(coef).max()) or 1.0


def coefficients(coef: Floats, classes: npt.NDArray[np.integer], title: str) -> Figure:
    """Draw the seed's picture: each class's weights as an image, all at one symmetric colour scale.

    coef : (K, p) with p a square number.
    """
    columns = math.ceil(len(coef) / 2)
    figure = Figure(figsize=(2 * columns + 0.8, 4.7), dpi=DPI, layout="constrained")
    axes = figure.subplots(2, columns, squeeze=False)
    limit = limit_of(coef)
    colours = ScalarMappable(Normalize(-limit, limit), "RdBu")
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, image, label in zip(axes.flat, images_of(coef), classes, strict=False):
        ax.imshow(image, interpolation="nearest", cmap=colours.cmap, norm=colours.norm)
        ax.set_axis_on()
        ax.set(xticks=(), yticks=(), xlabel=f"Class {label}")
    bar = figure.colorbar(colours, ax=axes, shrink=0.8, pad=0.02)
    bar.set_label("weight: blue speaks for the digit, red against it")
    figure.suptitle(title)
    return figure


def png(figure: Figure) -> bytes:
    """Return the figure as PNG: the same bytes each time."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def class_images(coef: Floats, pixels: int = 224, limit: float | None = None) -> npt.NDArray[np.uint8]:
    """Return each class's weights as an RGB image, all at one colour scale.

    coef : (K, p).  limit : of the colour scale, by default these weights' own.
    Returns (K, side, side, 3): a weight is a square, as large as `pixels` a side allow.
    """
    limit = limit or limit_of(coef)
    images = images_of(coef)
    times = max(pixels // images.shape[1], 1)
    magnified = images.repeat(times, axis=1).repeat(times, axis=2)
    return np.asarray(colormaps["RdBu"](Normalize(-limit, limit)(magnified), bytes=True)[..., :3], np.uint8)


def tile(
    coef: Floats, lines: Sequence[str], pixels: int = 512, limit: float | None = None
) -> npt.NDArray[np.uint8]:
    """Return all classes' weights in one square RGB image, with a few words large enough for a thumbnail.

    coef : (K, p).  lines : from top to bottom.  limit : of the colour scale, by default these weights' own.
    Returns (pixels, pixels, 3).
    """
    columns = next(n for n in range(2, len(coef) + 3) if n * (n - 1) >= len(coef) + 1)  # a row is for words
    cell = pixels // columns
    image = np.full((pixels, pixels, 3), 255, np.uint8)
    for i, weights in enumerate(class_images(coef, cell, limit)):
        y, x = i // columns * cell, i % columns * cell
        image[y : y + len(weights), x : x + len(weights)] = weights
    figure = Figure(figsize=(4, 4 * cell / pixels), dpi=pixels / 4)
    for i, line in enumerate(lines):
        y_text, size = 1 - (i + 0.5) / len(lines), 250 / columns / len(lines)
        figure.text(0.5, y_text, line, ha="center", va="center", fontsize=size)
    buffer = BytesIO()
    figure.savefig(buffer, format="rgba")
    words = np.frombuffer(buffer.getvalue(), np.uint8).reshape(-1, pixels, 4)[..., :3]
    image[-len(words) :] = words
    return image
