"""The certified regularization path of L1-penalized multinomial logistic regression.

Public names are imported when they are first used, so that `l1path.objective` needs NumPy alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l1path.estimator import L1MultinomialPath
    from l1path.objective import C_max, duality_gap
    from l1path.solver import RegularizationPath, multinomial_l1_path

__all__ = ["C_max", "L1MultinomialPath", "RegularizationPath", "duality_gap", "multinomial_l1_path"]

_MODULES = {
    "C_max": "objective",
    "L1MultinomialPath": "estimator",
    "RegularizationPath": "solver",
    "duality_gap": "objective",
    "multinomial_l1_path": "solver",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
