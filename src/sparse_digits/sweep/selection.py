"""The selection of C on validation rows: the best one, and the one-standard-error rule.

Test accuracy is reported beside it and not used. How a selection is shown is in `selection_display`.
"""

import json
import math
from typing import Any

import numpy as np

from sparse_digits.metrics import Where, in_table_order
from sparse_digits.runtime.rounding import round_float
from sparse_digits.sweep.csv_table import Table, filter_rows
from sparse_digits.sweep.grid import example_C

CRITERION = "validation_accuracy"  # the metric that C is selected by; larger is better


def select(table: Table, validation_size: int) -> dict[str, Any]:
    """Return for each train size the best C, and the sparsest C within one standard error of it.

    Both are selected by the mean accuracy on validation rows over the split seeds; of equal ones the smaller
    C. The standard error is that of the best C's mean: of its values over the split seeds, or with one split
    seed that of a share of `validation_size` rows (Breiman et al. 1984, section 3.4.3). The example's C is a
    third entry if it is in the grid. Metrics are means over the split seeds.
    """
    return {
        f"train_size_{size}": _select_for_size(
            filter_rows(table, table["train_size"] == size), int(size), validation_size
        )
        for size in np.unique(table["train_size"])
    }


def read_selection(content: bytes) -> dict[str, Any]:
    """Return the content of chosen.json; records made before have the example's C as "seed"."""
    selection = json.loads(content)
    return {
        size: {"example" if name == "seed" else name: entry for name, entry in of_size.items()}
        for size, of_size in selection.items()
    }


def _select_for_size(table: Table, train_size: int, validation_size: int) -> dict[str, Any]:
    Cs = np.unique(table["C"])
    by_C = [filter_rows(table, table["C"] == C) for C in Cs]
    score = np.array([points[CRITERION].mean() for points in by_C])
    sparsity = np.array([points["sparsity"].mean() for points in by_C])
    best = int(score.argmax())  # the first of equal ones
    scores_of_best = by_C[best][CRITERION]
    if len(scores_of_best) > 1:
        standard_error = scores_of_best.std(ddof=1) / math.sqrt(len(scores_of_best))
    else:
        standard_error = math.sqrt(score[best] * (1 - score[best]) / validation_size)
    within_one_standard_error = score >= score[best] - standard_error
    sparsest = int(np.where(within_one_standard_error, sparsity, -np.inf).argmax())
    selected = {"best": best, "one_standard_error": sparsest}
    is_example = np.isclose(Cs, example_C(train_size), rtol=1e-6)
    if is_example.any():
        selected["example"] = int(is_example.argmax())
    names = [metric.name for metric in in_table_order(Where.SELECTION)]
    return {"standard_error": round_float(float(standard_error))} | {
        entry: {"C": float(Cs[i])} | {name: round_float(float(by_C[i][name].mean())) for name in names}
        for entry, i in selected.items()
    }
