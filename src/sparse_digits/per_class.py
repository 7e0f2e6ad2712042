"""How well each class is separated from the others: precision, recall, F1, the ROC curve and the calibration.

As scikit-learn defines them, one class against the rest; its import would take longer than the whole stage.
What is not defined, such as the precision of a class that is never predicted, is NaN.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from l1path.kernels import exp
from l1path.objective import Floats, log_softmax
from sparse_digits.figures import DPI
from sparse_digits.runtime.rounding import FLOAT_FORMAT

Flags = npt.NDArray[np.bool_]

DECIMALS = 9  # of a log-probability, so that ties are ties on each processor
BINS = 10  # of the calibration curve, equal in width
MIN_ROWS = 10  # of a bin: fewer say nothing about their share


class Curve(NamedTuple):
    """Points of a curve, x and y from 0 to 1."""

    x: Floats
    y: Floats


class OneAgainstRest(NamedTuple):
    """The test rows as one class sees them, (rows,) each.

    actual, predicted : whether a row is of the class.  log_probability : of the class, in nats.
    """

    actual: Flags
    predicted: Flags
    log_probability: Floats


def one_against_rest(
    labels: npt.NDArray[Any], scores: Floats, classes: npt.NDArray[Any]
) -> list[OneAgainstRest]:
    """Return the test rows for each of the classes (K,).  labels : (rows,).  scores : (rows, K)."""
    predicted = classes[scores.argmax(axis=1)]
    log_probability = log_softmax(scores).round(DECIMALS)
    return [
        OneAgainstRest(labels == label, predicted == label, log_probability[:, k])
        for k, label in enumerate(classes)
    ]


def measure(rows: OneAgainstRest) -> dict[str, float]:
    """Return precision, recall, F1 and the area under the ROC curve of a class."""
    hits = int((rows.actual & rows.predicted).sum())
    actual, predicted = int(rows.actual.sum()), int(rows.predicted.sum())
    return {
        "precision": hits / predicted if predicted else np.nan,
        "recall": hits / actual if actual else np.nan,
        "f1": 2 * hits / (actual + predicted) if actual + predicted else np.nan,
        "roc_auc": area_under(roc_curve(rows)),
    }


def roc_curve(rows: OneAgainstRest) -> Curve:
    """Return the true positive rate, y, against the false positive rate, x, at every threshold."""
    order = np.argsort(-rows.log_probability, kind="stable")
    ascending = np.append(np.diff(rows.log_probability[order]) != 0, True)
    thresholds = np.flatnonzero(ascending)  # the last row of those with one probability
    hits = np.cumsum(rows.actual[order])[thresholds]
    false = thresholds + 1 - hits
    if not hits[-1] or not false[-1]:
        return Curve(np.full(2, np.nan), np.full(2, np.nan))
    return Curve(np.append(0, false / false[-1]), np.append(0, hits / hits[-1]))


def area_under(curve: Curve) -> float:
    """Return the area under a curve."""
    return float(np.trapezoid(curve.y, curve.x))


def calibration_curve(rows: OneAgainstRest) -> Curve:
    """Return the share of the rows that are of the class, y, against their mean probability, x, by bins."""
    probability = np.empty(len(rows.log_probability))
    exp(np.ascontiguousarray(rows.log_probability), probability)
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    count = np.bincount(bins, minlength=BINS)
    known = count >= MIN_ROWS
    x, y = (
        np.bincount(bins, weights=values, minlength=BINS)[known] / count[known]
        for values in (probability, rows.actual)
    )
    return Curve(x, y)


def table_csv(classes: npt.NDArray[Any], of_classes: Sequence[OneAgainstRest]) -> bytes:
    """Return a row for each class: its metrics, empty where undefined, and the number of its test rows."""
    lines: list[str] = []
    for label, rows in zip(classes, of_classes, strict=True):
        values = measure(rows)
        if not lines:
            lines.append(",".join(["class", *values, "rows"]))
        cells = ("" if np.isnan(value) else format(value, FLOAT_FORMAT) for value in values.values())
        lines.append(",".join([str(label), *cells, str(int(rows.actual.sum()))]))
    return "\n".join([*lines, ""]).encode()


def draw_roc(classes: npt.NDArray[Any], of_classes: Sequence[OneAgainstRest]) -> Figure:
    """Draw the ROC curve of each class, with the area under it."""
    figure, ax = _square_figure("ROC curve of each class against the rest")
    for label, rows in zip(classes, of_classes, strict=True):
        curve = roc_curve(rows)
        ax.plot(*curve, label=f"class {label}: area {area_under(curve):.3f}")
    ax.set(xlabel="false positive rate", ylabel="true positive rate (recall)")
    ax.legend(fontsize="small")
    return figure


def draw_calibration(classes: npt.NDArray[Any], of_classes: Sequence[OneAgainstRest]) -> Figure:
    """Draw the calibration curve of each class: on the diagonal a probability is what it says."""
    figure, ax = _square_figure("Calibration of each class against the rest")
    for label, rows in zip(classes, of_classes, strict=True):
        ax.plot(*calibration_curve(rows), marker="o", markersize=3, label=f"class {label}")
    ax.set(xlabel=f"mean probability in each of {BINS} bins", ylabel="share of rows that are of the class")
    ax.legend(fontsize="small")
    return figure


def _square_figure(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.6, 5.2), dpi=DPI, layout="constrained")
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1)
    ax.set(title=title, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    return figure, ax
