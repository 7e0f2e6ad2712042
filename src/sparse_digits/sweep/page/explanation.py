"""The sentences that explain a sweep, for the page and for report.md."""

from collections.abc import Mapping
from typing import Any

WHAT_C_DOES = (
    "Each model scores an image as a weighted sum of its pixels, one sum for each class. The L1 penalty "
    "makes weights exactly zero: the smaller C is, the stronger the penalty, the fewer weights remain, and "
    "the fewer pixels the model looks at. Up to a point this costs no accuracy."
)
WHAT_THE_IMAGES_SHOW = (
    "Each image shows the weights of one class at their pixels. Ink on a blue pixel speaks for the class, "
    "ink on an orange pixel speaks against it, and the background color is a weight of exactly zero. All "
    "images of all values of C share one color scale."
)
WHAT_THE_GAP_SAYS = (
    "The relative duality gap is a certificate: it bounds how far a model is from the optimum at its C. Near "
    "zero, the sparsity is what C does; if it is large, the sparsity only says when the solver stopped."
)


def gap_at_example(selection: Mapping[str, Any], early: Mapping[str, Any]) -> str:
    """Return a sentence on the gap at the example's C, or "" if the grid lacks it.

    selection : that of one train size, as in chosen.json.  early : the metrics of the example's model.
    """
    entry = selection.get("example")
    if not entry or "duality_gap" not in entry:
        return ""
    return (
        f"At C = {entry['C']:g} the example's solver stops after {early['n_iter']} epochs, at a gap of "
        f"{early['duality_gap']:.2g} and a sparsity of {early['sparsity']:.2f} %; the optimum at the same C, "
        f"with a gap of {entry['duality_gap']:.2g}, has {entry['sparsity']:.2f} %."
    )
