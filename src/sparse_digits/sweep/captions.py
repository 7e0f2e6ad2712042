"""Captions of the sweep's figures: what each one shows, and what follows from this sweep's numbers."""

import numpy as np

from l1path.objective import Floats
from sparse_digits.sweep.csv_table import Table, filter_rows
from sparse_digits.sweep.figures import Selection, over_seeds


def accuracy_against_sparsity(selection: Selection) -> str:
    """Return the caption of the figure of this name; `selection` is that of its train size."""
    best, sparsest = selection["best"], selection["one_standard_error"]
    shows = (
        "Each point is one C: its test accuracy against the percentage of weights that are exactly zero; "
        "the right panel enlarges the part near the best."
    )
    if best["C"] == sparsest["C"]:
        return (
            f"{shows} The C of the best validation accuracy, {best['C']:g}, is also the sparsest within one "
            f"standard error of it: {best['sparsity']:.1f} % of the weights are zero at test accuracy "
            f"{best['accuracy']:.4f}."
        )
    return (
        f"{shows} The sparsest C within one standard error of the best, {sparsest['C']:g} in place of "
        f"{best['C']:g}, raises sparsity from {best['sparsity']:.1f} % to {sparsest['sparsity']:.1f} % and "
        f"changes test accuracy by {sparsest['accuracy'] - best['accuracy']:+.4f}."
    )


def along_C(table: Table, selection: Selection) -> str:
    """Return the caption of the figure of this name, for the points of its train size."""
    Cs, validation_accuracy, *_ = over_seeds(table, "validation_accuracy")
    _, sparsity, *_ = over_seeds(table, "sparsity")
    error = selection["standard_error"]
    inside = Cs[validation_accuracy >= validation_accuracy.max() - error]
    range_inside = f"between {inside[0]:g} and {inside[-1]:g}" if len(inside) > 1 else f"{inside[0]:g}"
    return (
        "Accuracy near its best (top) and sparsity (bottom) against C; the green band is one standard error, "
        f"{error:.4f}, below the best validation accuracy. {len(inside)} of {len(Cs)} values of C reach "
        f"it, {range_inside}; sparsity is {sparsity[0]:.1f} % at C = {Cs[0]:g} and {sparsity[-1]:.1f} % at "
        f"C = {Cs[-1]:g}."
    )


def weights_along_C(Cs: Floats, coef: Floats, selection: Selection) -> str:
    """Return the caption of the figure of this name.  Cs : (points,) ascending.  coef : (points, K, p)."""
    marked = sorted({Cs[0], selection["one_standard_error"]["C"], Cs[-1]})
    counts = [f"{np.count_nonzero(coef[Cs == C]):,} at C = {C:g}" for C in marked]
    return (
        "Each line is the weight of one pixel against C, in one panel for each class; it leaves zero where "
        f"the pixel enters the model. Of {coef[0].size:,} weights, this many are not zero: "
        f"{', '.join(counts)}."
    )


def images_along_C(Cs: Floats, coef: Floats) -> str:
    """Return the caption of the figure of this name.  Cs : (rows,) ascending.  coef : (rows, K, p)."""
    n_pixels = coef.any(axis=1).sum(axis=1)
    return (
        "Each row is one C and each column one class: blue weights speak for the class, red ones against it, "
        f"zero is white, and all images share one color scale. Of {coef.shape[2]} pixels the classes "
        f"together use {n_pixels[0]} at C = {Cs[0]:g} and {n_pixels[-1]} at C = {Cs[-1]:g}."
    )


def three_models(baselines: Table, selection: Selection) -> str:
    """Return the caption of the figure of this name, for the baselines of its train size."""
    best = selection["best"]
    comparisons = []
    for name, title in (("L2", "the L2 model"), ("MLP", "the network")):
        of_model = filter_rows(baselines, baselines["model"] == name)
        weights, accuracy = of_model["nonzero_weights"].mean(), of_model["accuracy"].mean()
        comparisons.append(f"{title} reaches {accuracy:.4f} with {weights:,.0f}")
    return (
        "Test accuracy against the number of weights that are not zero, on a logarithmic axis, of three "
        f"kinds of model on the same rows. L1 at its best C reaches {best['accuracy']:.4f} with "
        f"{best['nonzero_weights']:,.0f} weights; {'; '.join(comparisons)}."
    )


def selection_frequency(coef: Floats, C: float) -> str:
    """Return the caption of the figure of this name.  coef : (split seeds, K, p) at one C."""
    nonzero = coef != 0
    ever, always = np.count_nonzero(nonzero.any(axis=0)), np.count_nonzero(nonzero.all(axis=0))
    if len(coef) == 1:
        return (
            f"The weights that are not zero at C = {C:g}, the sparsest within one standard error: {ever:,} "
            f"of {coef[0].size:,}. One split seed cannot show how stable the selection is; list more of them "
            "under sweep.split_seeds."
        )
    return (
        f"The share of {len(coef)} split seeds in which each weight is not zero at C = {C:g}, the sparsest "
        f"within one standard error. {ever:,} of {coef[0].size:,} weights are selected for at least one "
        f"split seed, {always:,} of them for every one."
    )
