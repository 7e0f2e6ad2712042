"""How a selection of C is shown: its titles, its text, and which other points are shown beside it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sparse_digits.metrics import Where, in_table_order

TITLES = {
    "best": "best",
    "one_standard_error": "sparsest within one standard error",
    "example": "the example's C",
}


def format_selection(selection: Mapping[str, Any]) -> str:
    """Return a selection, as chosen.json has it, in a few lines of text."""
    width = max(map(len, TITLES.values())) + 1
    lines = []
    for size, of_size in selection.items():
        lines.append(f"{size.rpartition('_')[2]} training rows, C selected on validation rows:")
        for name, title in TITLES.items():
            if name in of_size:
                entry = of_size[name]
                metrics = [
                    f"{metric.title} {metric.text(entry[metric.name])}"
                    for metric in in_table_order(Where.TABLE)
                    if metric.name in entry
                ]
                lines.append(f"  {title + ':':<{width}} C = {entry['C']:<7g} {', '.join(metrics)}")
    return "\n".join(lines)


def pick_representative(Cs: npt.NDArray[np.float64], selection: Mapping[str, Any], count: int) -> list[int]:
    """Return the indices of `count` points to show, evenly spread over the grid, the selected ones included.

    Cs : (points,), those of one replicate.  selection : that of its train size.
    """
    if len(Cs) <= count:
        return list(range(len(Cs)))
    selected = [Cs.tolist().index(selection[name]["C"]) for name in TITLES if name in selection]
    indices = set(np.linspace(0, len(Cs) - 1, count).round().astype(int).tolist())
    for i in selected:
        if i not in indices:
            replaceable = indices - {0, len(Cs) - 1, *selected}
            nearest = min(replaceable, key=lambda other: abs(other - i))
            indices = indices - {nearest} | {i}
    return sorted(indices)
