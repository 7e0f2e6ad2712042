"""The choice of C on validation rows. Test accuracy is reported beside it and never looked at."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sparse_digits.sweep.csv_table import Table, filter_rows, rounded

EXAMPLE_LAMBDA = 0.02  # 1 / (C n) of the seed's C = 50 / n

MEANS = (
    "validation_accuracy",
    "accuracy",
    "sparsity",
    "log_loss",
    "nonzero_weights",
    "pixels_used",
    "duality_gap",
)


def select(table: Table, validation_size: int) -> dict[str, Any]:
    """Return for each train size the best C and the sparsest one within one standard error of it.

    Both are chosen by the accuracy on validation rows, averaged over the split seeds; of two equals the
    smaller C. The standard error is that of the best one's average: from its spread over the split seeds, or
    for one split seed that of a share of `validation_size` rows (Breiman et al. 1984, section 3.4.3). The
    seed's C is a third entry where it is among them. Numbers are averages over the split seeds.
    """
    return {
        f"train_size_{size}": _choose(
            filter_rows(table, table["train_size"] == size), int(size), validation_size
        )
        for size in np.unique(table["train_size"])
    }


def example_C(train_size: int) -> float:
    """Return the C of the seed's script for so many training rows."""
    return 1 / (EXAMPLE_LAMBDA * train_size)


def _choose(table: Table, size: int, validation_size: int) -> dict[str, Any]:
    Cs = np.unique(table["C"])
    by_C = [filter_rows(table, table["C"] == C) for C in Cs]
    validation = np.array([at["validation_accuracy"].mean() for at in by_C])
    sparsity = np.array([at["sparsity"].mean() for at in by_C])
    best = int(validation.argmax())  # the first of equals
    of_best = by_C[best]["validation_accuracy"]
    if len(of_best) > 1:
        error = of_best.std(ddof=1) / math.sqrt(len(of_best))
    else:
        error = math.sqrt(validation[best] * (1 - validation[best]) / validation_size)
    sparsest = int(np.where(validation >= validation[best] - error, sparsity, -np.inf).argmax())
    chosen: dict[str, Any] = {"standard_error": rounded(float(error))}
    places = {"best": best, "one_standard_error": sparsest}
    if (near := np.isclose(Cs, example_C(size), rtol=1e-6)).any():
        places["example"] = int(near.argmax())
    for name, place in places.items():
        means = {column: rounded(float(by_C[place][column].mean())) for column in MEANS}
        chosen[name] = {"C": float(Cs[place]), **means}
    return chosen


TITLES = {
    "best": "best",
    "one_standard_error": "sparsest within one standard error",
    "example": "the example's C",
}


def read_selection(content: bytes) -> dict[str, Any]:
    """Return the content of a chosen.json; old records call the entry of the example "seed"."""
    selection: dict[str, Any] = json.loads(content)
    for of_size in selection.values():
        if "seed" in of_size:
            of_size["example"] = of_size.pop("seed")
    return selection


def pick_representative(Cs: npt.NDArray[np.float64], of: Mapping[str, Any], most: int) -> list[int]:
    """Return which points of one draw of rows to show: `most` of them, spread evenly, the chosen among them.

    Cs : (points,).  of : what was chosen for the train size.
    """
    if len(Cs) <= most:
        return list(range(len(Cs)))
    marked = [Cs.tolist().index(of[name]["C"]) for name in TITLES if name in of]
    found = set(np.linspace(0, len(Cs) - 1, most).round().astype(int).tolist())
    for place in marked:
        if place not in found:
            near = min(found - {0, len(Cs) - 1, *marked}, key=lambda other: abs(other - place))
            found = found - {near} | {place}
    return sorted(found)


def format_selection(chosen: dict[str, Any]) -> str:
    """Return the choice in a few lines of text."""
    lines = []
    for size, found in chosen.items():
        lines.append(f"{size.rpartition('_')[2]} training rows, chosen on validation rows:")
        for name, title in TITLES.items():
            if name in found:
                at = found[name]
                lines.append(
                    f"  {title + ':':<36}C = {at['C']:<7g} sparsity {at['sparsity']:6.2f} %, "
                    f"validation {at['validation_accuracy']:.4f}, test {at['accuracy']:.4f}, "
                    f"gap {at['duality_gap']:.1e}"
                )
    return "\n".join(lines)
