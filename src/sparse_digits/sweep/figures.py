"""Figures of a sweep: arrays to matplotlib Figures, without a window or global state."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, NullLocator

from l1path.objective import Floats
from sparse_digits.figures import (
    DPI,
    class_grid,
    draw_image,
    largest_weight,
    path_limit,
    square_images,
    weight_colors,
    weight_label,
)
from sparse_digits.sweep.csv_table import Table, filter_rows
from sparse_digits.sweep.selection_display import TITLES

MARKERS = {"best": "*", "one_standard_error": "D", "example": "s"}
COLORS = {"best": "tab:green", "one_standard_error": "tab:orange", "example": "tab:red"}
BASELINE_MARKERS = {"L2": "^", "MLP": "P"}
BASELINE_TITLES = {"L2": "L2 at the example's C", "MLP": "network of 100 hidden units"}
CURVE_COLOR = "tab:blue"
VALIDATION_COLOR = "tab:purple"
SELECTION_COLOR_MAP = "magma_r"
ACCURACY_RANGE = 0.1  # below the best accuracy: the part that an enlarged axis shows

Selection = Mapping[str, Any]  # of one train size, as in chosen.json


def over_seeds(table: Table, column: str) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the C's, and a column's mean, smallest and largest value over the split seeds at each C."""
    Cs = np.unique(table["C"])
    values = [table[column][table["C"] == C] for C in Cs]
    mean, low, high = (np.array([reduce(v) for v in values]) for reduce in (np.mean, np.min, np.max))
    return Cs, mean, low, high


def accuracy_against_sparsity(table: Table, selection: Selection) -> Figure:
    """Draw test accuracy against sparsity: a point for each C of one train size; the best ones enlarged."""
    figure = Figure(figsize=(13, 6), dpi=DPI, layout="constrained")
    whole, enlarged = figure.subplots(1, 2)
    Cs, sparsity, *_ = over_seeds(table, "sparsity")
    _, accuracy, low, high = over_seeds(table, "accuracy")
    n_seeds = len(np.unique(table["split_seed"]))
    inside = accuracy >= accuracy.max() - ACCURACY_RANGE
    for ax in (whole, enlarged):
        if n_seeds > 1:
            label = f"each of {n_seeds} split seeds (line: their mean)"
            ax.fill_between(sparsity, low, high, color=CURVE_COLOR, alpha=0.15, lw=0)
            ax.plot(
                table["sparsity"], table["accuracy"], ".", ms=3, color=CURVE_COLOR, alpha=0.5, label=label
            )
        ax.plot(sparsity, accuracy, "o-", color=CURVE_COLOR, ms=4, lw=1)
        for name, entry in _marked(selection):
            values = f"C = {entry['C']:g}, {entry['sparsity']:.1f} % zero, accuracy {entry['accuracy']:.3f}"
            label = f"{TITLES[name]}:\n{values}"
            ax.plot(
                entry["sparsity"], entry["accuracy"], MARKERS[name], ms=11, color=COLORS[name], label=label
            )
        ax.set(xlabel="percent of the weights that are exactly zero", ylabel="accuracy on the test rows")
        ax.grid(alpha=0.3)
    x, y = sparsity[inside], accuracy[inside]
    width = max(float(np.ptp(x)), 1.0)
    enlarged.set(
        xlim=(x.min() - 0.05 * width, x.max() + 0.1 * width),
        ylim=(y.max() - 1.1 * ACCURACY_RANGE, y.max() + 0.15 * ACCURACY_RANGE),
    )
    _label_points(whole, sparsity[~inside], accuracy[~inside], Cs[~inside], steep=(-8, "right"))
    _label_points(enlarged, x, y, Cs[inside], steep=(9, "left"))
    whole.indicate_inset_zoom(enlarged, edgecolor="0.4")
    whole.set_title("every C of the sweep")
    enlarged.set_title(f"enlarged: accuracy within {ACCURACY_RANGE:g} of the best (numbers: C)")
    whole.legend(loc="lower left", fontsize=9)
    figure.suptitle(f"What sparsity costs: {_description(table)}")
    return figure


def _label_points(ax: Axes, x: Floats, y: Floats, Cs: Floats, steep: tuple[int, str]) -> None:
    """Write its C at each point: alternately above and below, or beside it where the curve falls steeply.

    steep : the horizontal offset, in points, and the alignment of a text beside its point.
    """
    labels_at: dict[tuple[float, float], list[str]] = {}  # points at one position share a label
    for position, C in zip(zip(x.tolist(), y.tolist(), strict=True), Cs, strict=True):
        labels_at.setdefault(position, []).append(f"{C:g}")
    if not labels_at:
        return
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    # a single point has no gradient: it is taken twice
    positions = np.array([*labels_at, *labels_at][: max(len(labels_at), 2)]) / (right - left, high - low)
    dx, dy = np.gradient(positions, axis=0).T
    falls = (dx * dy < 0) & (np.abs(dy) > np.abs(dx) / 2)
    for i, (position, labels) in enumerate(labels_at.items()):
        beside = falls[i]
        ax.annotate(
            ", ".join(labels),
            position,
            xytext=(steep[0], 0) if beside else (0, 9) if i % 2 else (0, -16),
            textcoords="offset points",
            ha=steep[1] if beside else "center",
            va="center" if beside else "baseline",
            fontsize=8,
            color="0.3",
        )


def along_C(table: Table, selection: Selection) -> Figure:
    """Draw accuracy and sparsity against C for one train size, with the selected C's marked in both."""
    figure = Figure(figsize=(10, 7), dpi=DPI, layout="constrained")
    top, bottom = figure.subplots(2, sharex=True, subplot_kw={"xscale": "log"})
    bottom.set_xlim(table["C"].min() / 1.2, table["C"].max() * 1.2)
    n_seeds = len(np.unique(table["split_seed"]))
    band = f" (band: all {n_seeds} split seeds)" if n_seeds > 1 else ""
    for ax, column, color, label in (
        (top, "accuracy", CURVE_COLOR, f"test rows{band}"),
        (top, "validation_accuracy", VALIDATION_COLOR, "validation rows"),
        (bottom, "sparsity", CURVE_COLOR, f"percent of weights that are zero{band}"),
    ):
        Cs, mean, low, high = over_seeds(table, column)
        ax.plot(Cs, mean, "o-", color=color, ms=3.5, lw=1.2, label=label)
        if n_seeds > 1:
            ax.fill_between(Cs, low, high, color=color, alpha=0.15, lw=0)
            ax.plot(table["C"], table[column], ".", ms=3, color=color, alpha=0.5)
    best, error = selection["best"]["validation_accuracy"], selection["standard_error"]
    label = "one standard error below the best on validation rows"
    top.axhspan(best - error, best, color="tab:green", alpha=0.15, lw=0, label=label)
    for name, entry in _marked(selection):
        title = f"{TITLES[name]}: C = {entry['C']:g}"
        top.axvline(entry["C"], color=COLORS[name], ls="--", lw=1.2)
        bottom.axvline(entry["C"], color=COLORS[name], ls="--", lw=1.2, label=title)
        bottom.plot(entry["C"], entry["sparsity"], MARKERS[name], ms=9, color=COLORS[name])
        top.plot(entry["C"], entry["accuracy"], MARKERS[name], ms=9, color=COLORS[name])
    # lower accuracies are omitted: at their scale the differences near the best would not show
    top.set_ylim(best - 1.5 * ACCURACY_RANGE, best + 0.25 * ACCURACY_RANGE)
    top.set(ylabel="accuracy", title=f"Accuracy and sparsity against C: {_description(table)}")
    bottom.set(ylabel="sparsity in percent", xlabel="C, the inverse strength of the penalty")
    bottom.xaxis.set_major_formatter(FuncFormatter(lambda C, _: f"{C:g}"))
    top.legend(loc="lower right")
    bottom.legend(loc="lower left")
    for ax in (top, bottom):
        ax.grid(alpha=0.3)
    return figure


def weights_along_C(
    Cs: Floats, coef: Floats, classes: npt.NDArray[Any], selection: Selection, title: str
) -> Figure:
    """Draw the regularization path: every weight against C, a panel for each class.

    Cs : (points,) ascending.  coef : (points, K, p).
    """
    columns = -(-len(classes) // 2)
    figure = Figure(figsize=(2.7 * columns + 0.6, 6.2), dpi=100, layout="constrained")
    axes = figure.subplots(2, columns, sharex=True, sharey=True, squeeze=False, subplot_kw={"xscale": "log"})
    axes[0, 0].set_xlim(Cs[0] / 1.2, Cs[-1] * 1.2)
    colors = weight_colors(largest_weight(coef[-1]) / 2)  # half: most lines would be nearly white otherwise
    for k, (ax, label) in enumerate(zip(axes.flat, classes, strict=False)):
        used = np.flatnonzero(coef[:, k].any(axis=0))
        order = used[np.argsort(np.abs(coef[-1, k, used]), kind="stable")]
        lines = [np.column_stack([Cs, coef[:, k, j]]) for j in order]  # of one artist: one each would be slow
        ax.add_collection(LineCollection(lines, lw=0.6, colors=colors.to_rgba(coef[-1, k, order])))
        if len(Cs) == 1:
            ax.scatter(np.repeat(Cs, len(order)), coef[0, k, order], 3, colors.to_rgba(coef[0, k, order]))
        for name, entry in _marked(selection):
            text = f"{TITLES[name]}: C = {entry['C']:g}"
            ax.axvline(entry["C"], color=COLORS[name], ls="--", lw=1, label=text)
        ax.axhline(0, color="0.4", lw=0.6)
        ax.set_title(f"Class {label}: {len(used)} of {coef.shape[2]} pixels enter", fontsize=9)
    for ax in axes[1]:
        ax.set_xlabel("C", fontsize=9)
    axes[0, 0].xaxis.set_major_formatter(FuncFormatter(lambda C, _: f"{C:g}"))
    axes[0, 0].xaxis.set_minor_locator(NullLocator())  # 80 ticks and more would be laid out
    figure.supylabel("weight of a pixel, colored by its value at the largest C", fontsize=10)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9)
    figure.suptitle(title)
    return figure


def images_along_C(coef: Floats, classes: npt.NDArray[Any], labels: list[str], title: str) -> Figure:
    """Draw every class's weights as images, a row for each point, all on one symmetric color scale.

    coef : (points, K, p) with p a square number.  labels : the text beside each row.
    """
    points, K, _ = coef.shape
    figure = Figure(figsize=(0.95 * K + 2.4, 0.95 * points + 0.9), dpi=DPI, layout="constrained")
    ax = figure.subplots()  # one for all images: laying out an Axes for each takes seconds
    images = square_images(coef.reshape(points * K, -1))
    side = images.shape[1]
    gap = max(side // 9, 1)
    step = side + gap
    padded = np.pad(images, ((0, 0), (0, gap), (0, gap)), constant_values=np.nan)
    whole = padded.reshape(points, K, step, step).swapaxes(1, 2).reshape(points * step, K * step)
    colors = weight_colors(path_limit(coef))
    draw_image(ax, whole, colors)
    corners = [(x * step - 0.5, y * step - 0.5) for y in range(points) for x in range(K)]
    frames = [Rectangle(corner, side, side) for corner in corners]
    ax.add_collection(PatchCollection(frames, facecolor="none", edgecolor="black", lw=0.8))
    centers = np.arange(max(points, K)) * step + (side - 1) / 2
    ax.set_xticks(centers[:K], [f"Class {label}" for label in classes], fontsize=9)
    ax.set_yticks(centers[:points], labels, ha="right", fontsize=9)
    ax.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    ax.set(xlim=(-1, K * step - gap), ylim=(points * step - gap, -1))
    ax.spines[:].set_visible(False)
    bar = figure.colorbar(colors, ax=ax, shrink=0.5, pad=0.02, extend="both")
    bar.set_label(weight_label(classes))
    figure.suptitle(title)
    return figure


def three_models(table: Table, baselines: Table, selection: Selection) -> Figure:
    """Draw test accuracy against the number of weights of the L1 path, the L2 model and the network."""
    figure = Figure(figsize=(10, 5.6), dpi=DPI, layout="constrained")
    ax = figure.subplots()
    _, weights, *_ = over_seeds(table, "nonzero_weights")
    _, accuracy, *_ = over_seeds(table, "accuracy")
    drawable = weights > 0  # on the logarithmic axis
    ax.plot(
        weights[drawable],
        accuracy[drawable],
        "o-",
        color=CURVE_COLOR,
        ms=3.5,
        lw=1.2,
        label="L1, each point one C",
    )
    for name, entry in _marked(selection):
        x, y = entry["nonzero_weights"], entry["accuracy"]
        text = f"L1, {TITLES[name]}: {x:,.0f} weights, accuracy {y:.3f}"
        ax.plot(x, y, MARKERS[name], ms=11, color=COLORS[name], label=text)
    for name, title in BASELINE_TITLES.items():
        of_model = filter_rows(baselines, baselines["model"] == name)
        x, y = of_model["nonzero_weights"].mean(), of_model["accuracy"].mean()
        text = f"{title}: {x:,.0f} weights, accuracy {y:.3f}"
        ax.plot(x, y, BASELINE_MARKERS[name], ms=11, color="0.2", label=text)
    ax.set(
        xscale="log",
        xlabel="weights that are not zero",
        ylabel="accuracy on the test rows",
        title=f"L1, L2 and a network on the same rows: {_description(table)}",
    )
    ax.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    ax.legend(loc="lower right")
    ax.grid(alpha=0.3)
    return figure


def selection_frequency(coef: Floats, classes: npt.NDArray[Any], title: str) -> Figure:
    """Draw how often each pixel is selected in each class, in percent of the split seeds.

    coef : (split seeds, K, p) at one C.
    """
    colors = ScalarMappable(Normalize(0, 100), SELECTION_COLOR_MAP)
    label = (
        f"percent of {len(coef)} split seeds in which the weight is not zero"
        if len(coef) > 1
        else "100: the weight is not zero (one split seed)"
    )
    return class_grid((coef != 0).mean(axis=0) * 100, classes, colors, label, title)


def _marked(selection: Selection) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, selection[name]) for name in MARKERS if name in selection]


def _description(table: Table) -> str:
    """Return the rows, split seeds and largest duality gap of a table of one train size."""
    n_seeds = len(np.unique(table["split_seed"]))
    seeds = f"mean of {n_seeds} split seeds" if n_seeds > 1 else f"split seed {table['split_seed'][0]}"
    gap = table["duality_gap"].max()
    return f"{table['train_size'][0]:,} training rows, {seeds}, duality gap at most {gap:.1g}"
