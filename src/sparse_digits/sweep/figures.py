"""The sweep in pictures: arrays to matplotlib Figures, without a window or global state."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from l1path.objective import Floats
from sparse_digits.figures import DPI, images_of, limit_of
from sparse_digits.sweep.csv_table import Table, filter_rows
from sparse_digits.sweep.selection_display import TITLES

MARKERS = {"best": "*", "one_standard_error": "D", "example": "s"}
COLOURS = {"best": "tab:green", "one_standard_error": "tab:orange", "example": "tab:red"}
CURVE = "tab:blue"
NEAR = 0.1  # of accuracy below the best is what a closer look shows

Chosen = Mapping[str, Any]  # of one train size, as choice.choose has it


def over_seeds(table: Table, column: str) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the C's and the mean, smallest and largest value of a column at each, over the split seeds."""
    Cs = np.unique(table["C"])
    values = [table[column][table["C"] == C] for C in Cs]
    mean, low, high = (np.array([reduce(v) for v in values]) for reduce in (np.mean, np.min, np.max))
    return Cs, mean, low, high


def accuracy_against_sparsity(table: Table, chosen: Chosen) -> Figure:
    """Draw what sparsity costs: a point for each C of one train size; on the right the best of them."""
    figure = Figure(figsize=(13, 6), dpi=DPI, layout="constrained")
    whole, near = figure.subplots(1, 2)
    Cs, sparsity, *_ = over_seeds(table, "sparsity")
    _, accuracy, low, high = over_seeds(table, "accuracy")
    several = len(np.unique(table["split_seed"]))
    inside = accuracy >= accuracy.max() - NEAR
    for ax in (whole, near):
        if several > 1:
            label = f"all {several} split seeds"
            ax.fill_between(sparsity, low, high, color=CURVE, alpha=0.15, lw=0)
            ax.plot(table["sparsity"], table["accuracy"], ".", ms=3, color=CURVE, alpha=0.5, label=label)
        ax.plot(sparsity, accuracy, "o-", color=CURVE, ms=4, lw=1)
        for name, at in _marked(chosen):
            text = f"C = {at['C']:g}, {at['sparsity']:.1f} % zero, accuracy {at['accuracy']:.3f}"
            label = f"{TITLES[name]}:\n{text}"
            ax.plot(at["sparsity"], at["accuracy"], MARKERS[name], ms=11, color=COLOURS[name], label=label)
        ax.set(xlabel="percent of the weights that are exactly zero", ylabel="accuracy on the test rows")
        ax.grid(alpha=0.3)
    x, y = sparsity[inside], accuracy[inside]
    width = max(float(np.ptp(x)), 1.0)
    near.set(
        xlim=(x.min() - 0.05 * width, x.max() + 0.1 * width),
        ylim=(y.max() - 1.1 * NEAR, y.max() + 0.15 * NEAR),
    )
    _label_points(whole, sparsity[~inside], accuracy[~inside], Cs[~inside], steep=(-8, "right"))
    _label_points(near, x, y, Cs[inside], steep=(9, "left"))
    whole.indicate_inset_zoom(near, edgecolor="0.4")
    whole.set_title("all of the sweep, labelled by C")
    near.set_title(f"the part within {NEAR:g} of the best, labelled by C")
    whole.legend(loc="lower left", fontsize=9)
    figure.suptitle(f"What sparsity costs: {_rows(table)}")
    return figure


def _label_points(ax: Axes, x: Floats, y: Floats, Cs: Floats, steep: tuple[int, str]) -> None:
    """Write its C at each point: above and below in turn, or beside it where the curve falls steeply.

    steep : points to the right, and on which side of its place the text ends there.
    """
    texts: dict[tuple[float, float], list[str]] = {}  # points at one place share a label
    for place, C in zip(zip(x.tolist(), y.tolist(), strict=True), Cs, strict=True):
        texts.setdefault(place, []).append(f"{C:g}")
    if not texts:
        return
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    places = np.array([*texts, *texts][: max(len(texts), 2)]) / (right - left, high - low)
    along, up = np.gradient(places, axis=0).T
    falls = (along * up < 0) & (np.abs(up) > np.abs(along) / 2)
    for i, (place, labels) in enumerate(texts.items()):
        beside = falls[i]
        ax.annotate(
            ", ".join(labels),
            place,
            xytext=(steep[0], 0) if beside else (0, 9) if i % 2 else (0, -16),
            textcoords="offset points",
            ha=steep[1] if beside else "center",
            va="center" if beside else "baseline",
            fontsize=8,
            color="0.3",
        )


def along_C(table: Table, chosen: Chosen) -> Figure:
    """Draw accuracy and sparsity against C for one train size, what was chosen marked in both."""
    figure = Figure(figsize=(10, 7), dpi=DPI, layout="constrained")
    top, bottom = figure.subplots(2, sharex=True, subplot_kw={"xscale": "log"})
    bottom.set_xlim(table["C"].min() / 1.2, table["C"].max() * 1.2)
    several = len(np.unique(table["split_seed"]))
    band = f" (band: all {several} split seeds)" if several > 1 else ""
    for ax, column, colour, label in (
        (top, "accuracy", CURVE, f"test rows{band}"),
        (top, "validation_accuracy", "tab:purple", "validation rows"),
        (bottom, "sparsity", CURVE, f"percent of weights that are zero{band}"),
    ):
        Cs, mean, low, high = over_seeds(table, column)
        ax.plot(Cs, mean, "o-", color=colour, ms=3.5, lw=1.2, label=label)
        if several > 1:
            ax.fill_between(Cs, low, high, color=colour, alpha=0.15, lw=0)
            ax.plot(table["C"], table[column], ".", ms=3, color=colour, alpha=0.5)
    best, error = chosen["best"]["validation_accuracy"], chosen["standard_error"]
    top.axhspan(
        best - error, best, color="tab:green", alpha=0.15, lw=0, label="one standard error below the best"
    )
    for name, at in _marked(chosen):
        title = f"{TITLES[name]}: C = {at['C']:g}"
        top.axvline(at["C"], color=COLOURS[name], ls="--", lw=1.2)
        bottom.axvline(at["C"], color=COLOURS[name], ls="--", lw=1.2, label=title)
        bottom.plot(at["C"], at["sparsity"], MARKERS[name], ms=9, color=COLOURS[name])
        top.plot(at["C"], at["accuracy"], MARKERS[name], ms=9, color=COLOURS[name])
    top.set_ylim(best - 1.5 * NEAR, best + 0.25 * NEAR)  # the rest is near chance, and would hide the choice
    top.set(ylabel="accuracy", title=f"What C buys and what it costs, {_rows(table)}")
    bottom.set(ylabel="sparsity in percent", xlabel="C, the inverse strength of the penalty")
    bottom.xaxis.set_major_formatter(FuncFormatter(lambda C, _: f"{C:g}"))
    top.legend(loc="lower right")
    bottom.legend(loc="lower left")
    for ax in (top, bottom):
        ax.grid(alpha=0.3)
    return figure


def weights_along_C(
    Cs: Floats, coef: Floats, classes: npt.NDArray[np.integer], chosen: Chosen, title: str
) -> Figure:
    """Draw the regularisation path: every weight against C, a panel for each class.

    Cs : (points,) ascending.  coef : (points, K, p).
    """
    columns = -(-len(classes) // 2)
    figure = Figure(figsize=(2.7 * columns + 0.6, 6.2), dpi=100, layout="constrained")
    axes = figure.subplots(2, columns, sharex=True, sharey=True, squeeze=False, subplot_kw={"xscale": "log"})
    axes[0, 0].set_xlim(Cs[0] / 1.2, Cs[-1] * 1.2)
    colours = ScalarMappable(Normalize(-limit_of(coef[-1]) / 2, limit_of(coef[-1]) / 2), "RdBu")
    for k, (ax, label) in enumerate(zip(axes.flat, classes, strict=False)):
        used = np.flatnonzero(coef[:, k].any(axis=0))
        for j in used[np.argsort(np.abs(coef[-1, k, used]))]:
            ax.plot(
                Cs,
                coef[:, k, j],
                "." if len(Cs) == 1 else "-",
                ms=3,
                lw=0.6,
                color=colours.to_rgba(coef[-1, k, j]),
            )
        for name, at in _marked(chosen):
            ax.axvline(at["C"], color=COLOURS[name], ls="--", lw=1, label=f"{TITLES[name]}: C = {at['C']:g}")
        ax.axhline(0, color="0.4", lw=0.6)
        ax.set_title(f"Class {label}: {len(used)} weights ever not zero", fontsize=9)
    for ax in axes[1]:
        ax.set_xlabel("C", fontsize=9)
    axes[0, 0].xaxis.set_major_formatter(FuncFormatter(lambda C, _: f"{C:g}"))
    figure.supylabel("weight of a pixel, coloured by where it ends", fontsize=10)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9)
    figure.suptitle(title)
    return figure


def colour_limit(coef: Floats) -> float:
    """Return where the one colour scale of a sweep ends: 99 % of its weights that are not zero lie within.

    A few large ones at the largest C would leave all others white.  coef : (points, K, p).
    """
    return float(np.quantile(np.abs(coef[coef != 0]), 0.99)) if coef.any() else 1.0


def images_along_C(coef: Floats, classes: npt.NDArray[np.integer], labels: list[str], title: str) -> Figure:
    """Draw every class's weights as images, a row for each point, all at one symmetric colour scale.

    coef : (points, K, p) with p a square number.  labels : what stands before each row.
    """
    points, K, _ = coef.shape
    figure = Figure(figsize=(0.95 * K + 2.4, 0.95 * points + 1.4), dpi=DPI, layout="constrained")
    axes = figure.subplots(points, K, squeeze=False)
    limit = colour_limit(coef)
    colours = ScalarMappable(Normalize(-limit, limit), "RdBu")
    for row, weights, text in zip(axes, coef, labels, strict=True):
        for ax, image in zip(row, images_of(weights), strict=True):
            _image(ax, image, colours)
        row[0].set_ylabel(text, rotation=0, ha="right", va="center", fontsize=9)
    for ax, label in zip(axes[0], classes, strict=True):
        ax.set_title(f"Class {label}", fontsize=9)
    bar = figure.colorbar(colours, ax=axes, shrink=0.5, pad=0.02, extend="both")
    bar.set_label("weight: blue speaks for the digit, red against it")
    figure.suptitle(title)
    return figure


def three_models(table: Table, baselines: Table, chosen: Chosen) -> Figure:
    """Draw the accuracy of the L1 path, the L2 model and the network against how many weights they use."""
    figure = Figure(figsize=(10, 5.6), dpi=DPI, layout="constrained")
    ax = figure.subplots()
    _, weights, *_ = over_seeds(table, "nonzero_weights")
    _, accuracy, *_ = over_seeds(table, "accuracy")
    some = weights > 0
    ax.plot(weights[some], accuracy[some], "o-", color=CURVE, ms=3.5, lw=1.2, label="L1, each point one C")
    for name, at in _marked(chosen):
        ax.plot(
            at["nonzero_weights"],
            at["accuracy"],
            MARKERS[name],
            ms=11,
            color=COLOURS[name],
            label=f"L1, {TITLES[name]}: {at['nonzero_weights']:,.0f} weights, accuracy {at['accuracy']:.3f}",
        )
    for name, marker, title in (
        ("L2", "^", "L2 at the seed's C"),
        ("MLP", "P", "network of 100 hidden units"),
    ):
        of_model = filter_rows(baselines, baselines["model"] == name)
        x, y = of_model["nonzero_weights"].mean(), of_model["accuracy"].mean()
        ax.plot(x, y, marker, ms=11, color="0.2", label=f"{title}: {x:,.0f} weights, accuracy {y:.3f}")
    ax.set(
        xscale="log",
        xlabel="weights that are not zero",
        ylabel="accuracy on the test rows",
        title=f"What the seed compares with, on the same rows: {_rows(table)}",
    )
    ax.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    ax.legend(loc="lower right")
    ax.grid(alpha=0.3)
    return figure


def selection(coef: Floats, classes: npt.NDArray[np.integer], title: str) -> Figure:
    """Draw how often each pixel was selected in each class, in percent of the split seeds.

    coef : (split seeds, K, p) at one C.
    """
    K = len(classes)
    columns = -(-K // 2)
    figure = Figure(figsize=(2 * columns + 0.8, 4.7), dpi=DPI, layout="constrained")
    axes = figure.subplots(2, columns, squeeze=False)
    colours = ScalarMappable(Normalize(0, 100), colormaps["magma_r"])
    for ax in axes.flat:
        ax.set_axis_off()
    share = (coef != 0).mean(axis=0) * 100
    for ax, image, label in zip(axes.flat, images_of(share), classes, strict=False):
        _image(ax, image, colours)
        ax.set_axis_on()
        ax.set_xlabel(f"Class {label}")
    bar = figure.colorbar(colours, ax=axes, shrink=0.8, pad=0.02)
    bar.set_label(
        f"percent of {len(coef)} split seeds in which the weight is not zero"
        if len(coef) > 1
        else "100: the weight is not zero, in the one split of the sweep"
    )
    figure.suptitle(title)
    return figure


def _image(ax: Axes, image: Floats, colours: ScalarMappable) -> None:
    low, high = colours.get_clim()
    ax.imshow(image, interpolation="nearest", cmap=colours.cmap, vmin=low, vmax=high)
    ax.set(xticks=(), yticks=())


def _marked(chosen: Chosen) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, chosen[name]) for name in MARKERS if name in chosen]


def _rows(table: Table) -> str:
    """Return in words what a table of one train size is about."""
    several = len(np.unique(table["split_seed"]))
    seeds = f"mean of {several} split seeds" if several > 1 else f"split seed {table['split_seed'][0]}"
    gap = table["duality_gap"].max()
    return f"{table['train_size'][0]:,} training rows, {seeds}, duality gap at most {gap:.1g}"
