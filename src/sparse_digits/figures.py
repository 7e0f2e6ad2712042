"""Figures of coefficients, without a window or global state. The color map and its limits stand here."""

import math
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from l1path.objective import Floats

DPI = 150
COLOR_MAP = "RdBu"  # of weights: negative red, zero white, positive blue
PATH_QUANTILE = 0.99  # of the non-zero weights of a path lie within its color limits


def largest_weight(coef: Floats) -> float:
    """Return the color limit of one model: the largest |weight|, 1 if all are zero."""
    return float(np.abs(coef).max()) or 1.0


def path_limit(coef: Floats) -> float:
    """Return the color limit of all models of a sweep: the quantile PATH_QUANTILE of their non-zero |weight|.

    A few large weights at the largest C would leave all others white.  coef : (points, K, p).
    """
    return float(np.quantile(np.abs(coef[coef != 0]), PATH_QUANTILE)) if coef.any() else 1.0


def weight_colors(limit: float) -> ScalarMappable:
    """Return the symmetric color scale of weights, from -limit to limit."""
    return ScalarMappable(Normalize(-limit, limit), COLOR_MAP)


def weight_label(classes: npt.NDArray[Any], weight: str = "weight") -> str:
    """Return what the colors of weights, or of what is made of them, say.  classes : (K,)."""
    label = "class" if classes.dtype.kind == "U" else "digit"
    return f"{weight}: blue speaks for the {label}, red against it"


def square_images(coef: Floats) -> Floats:
    """Return weights (K, p) of square images as (K, side, side)."""
    side = math.isqrt(coef.shape[1])
    return coef.reshape(-1, side, side)


def draw_image(ax: Axes, image: Floats, colors: ScalarMappable) -> None:
    """Draw one image without ticks; every value is one square."""
    low, high = colors.get_clim()
    ax.imshow(image, interpolation="nearest", cmap=colors.cmap, vmin=low, vmax=high)
    ax.set(xticks=(), yticks=())


def class_grid(
    values: Floats, classes: npt.NDArray[Any], colors: ScalarMappable, bar_label: str, title: str
) -> Figure:
    """Draw an image for each class, in two rows, with one color bar.

    values : (K, p) with p a square number.  classes : (K,).
    """
    columns = math.ceil(len(values) / 2)
    figure = Figure(figsize=(2 * columns + 0.8, 4.7), dpi=DPI, layout="constrained")
    axes = figure.subplots(2, columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, image, label in zip(axes.flat, square_images(values), classes, strict=False):
        draw_image(ax, image, colors)
        ax.set_axis_on()
        ax.set_xlabel(f"Class {label}")
    bar = figure.colorbar(colors, ax=axes, shrink=0.8, pad=0.02)
    bar.set_label(bar_label)
    figure.suptitle(title)
    return figure


def coefficients(coef: Floats, classes: npt.NDArray[Any], title: str) -> Figure:
    """Draw the example's figure: each class's weights as an image, all on one symmetric color scale.

    coef : (K, p) with p a square number.  classes : (K,).
    """
    return class_grid(coef, classes, weight_colors(largest_weight(coef)), weight_label(classes), title)


def png(figure: Figure) -> bytes:
    """Return a figure as PNG; the same figure gives the same bytes."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def class_images(coef: Floats, pixels: int = 224, limit: float | None = None) -> npt.NDArray[np.uint8]:
    """Return each class's weights as an RGB image, all on one color scale.

    coef : (K, p).  limit : of the color scale, by default the largest |weight|.
    Returns (K, side, side, 3): each weight is a square, as large as fits into `pixels` per side.
    """
    images = square_images(coef)
    scale = max(pixels // images.shape[1], 1)
    magnified = images.repeat(scale, axis=1).repeat(scale, axis=2)
    limit = limit or largest_weight(coef)
    return np.asarray(
        colormaps[COLOR_MAP](Normalize(-limit, limit)(magnified), bytes=True)[..., :3], np.uint8
    )


def tile(
    coef: Floats, lines: Sequence[str], pixels: int = 512, limit: float | None = None
) -> npt.NDArray[np.uint8]:
    """Return all classes' weights in one square RGB image, with text that is legible in a thumbnail.

    coef : (K, p).  lines : the text, from top to bottom.  limit : of the color scale, by default the largest
    |weight|.  Returns (pixels, pixels, 3).
    """
    # the fewest columns whose square grid has room for every class and a row of text
    columns = next(n for n in range(2, len(coef) + 3) if n * (n - 1) >= len(coef) + 1)
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
    text_rows = np.frombuffer(buffer.getvalue(), np.uint8).reshape(-1, pixels, 4)[..., :3]
    image[-len(text_rows) :] = text_rows
    return image
