"""The result in a few lines of text."""

from collections.abc import Mapping
from typing import Any

LARGE_GAP = 0.01  # at twice that the seed's sparsity is still 0.7 points from where it ends


def summary(metrics: Mapping[str, Any]) -> str:
    """Return the two numbers in the seed's own words, and the certificate beside them."""
    gap = metrics["duality_gap"]
    lines = [
        f"Sparsity with L1 penalty: {metrics['sparsity']:.2f}%",
        f"Test score with L1 penalty: {metrics['accuracy']:.4f}",
        f"Relative duality gap: {gap:.2g}",
    ]
    if gap > LARGE_GAP:
        lines[-1] += " (so large that the sparsity says more about when the solver stopped than about C)"
    return "\n".join(lines)
