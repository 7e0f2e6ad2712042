"""The picture of a prediction: the prepared digit, and what each pixel adds to the scores of two classes."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from dvc_mlflow.errors import printable
from sparse_digits.figures import DPI, draw_image, square_images, weight_colors, weight_label
from sparse_digits.model import Model
from sparse_digits.predict.answer import Answer

MAX_ROWS = 20  # digits in one picture
VOTE = "vote: weight times standardized pixel"


def draw_votes(model: Model, answers: list[Answer]) -> Figure:
    """Draw a row for each image: its pixels, and their votes for the two likeliest classes, in its outline.

    A vote is a weight times a standardized pixel; the votes and the intercept of a class add up to its score.
    """
    shown = answers[:MAX_ROWS]
    ranked = [np.argsort(-answer.probabilities, kind="stable")[:2] for answer in shown]
    votes = [
        model.coef[pair] * model.standardize(answer.pixels[None])
        for answer, pair in zip(shown, ranked, strict=True)
    ]
    colors = weight_colors(max((float(np.abs(vote).max()) for vote in votes), default=0) or 1.0)
    figure = Figure(figsize=(7.2, 2.4 * len(shown) + 0.5), dpi=DPI, layout="constrained")
    axes = figure.subplots(len(shown), 3, squeeze=False)
    for row, answer, pair, vote in zip(axes, shown, ranked, votes, strict=True):
        (digit,) = square_images(answer.pixels[None])
        row[0].imshow(digit, cmap="gray_r", interpolation="nearest")
        row[0].set(xticks=(), yticks=())
        name = printable(answer.file.rpartition("/")[2])[-28:]
        row[0].set_title(name, parse_math=False)
        for ax, k, image in zip(row[1:], pair, square_images(vote), strict=True):
            draw_image(ax, image, colors)
            if digit.any():
                ax.contour(digit, levels=[digit.max() / 2], colors="0.6", linewidths=0.8)
            ax.set_title(_title(model.classes, k, answer.probabilities[k]))
    figure.colorbar(colors, ax=axes, shrink=max(0.3, 0.9 / len(shown)), pad=0.02)
    figure.supxlabel(weight_label(model.classes, VOTE), fontsize="medium")
    return figure


def _title(classes: npt.NDArray[Any], k: int, probability: float) -> str:
    return f"votes for {classes[k]} ({100 * probability:.1f} %)"
