"""The certified regularization path of L1-penalized multinomial logistic regression.

With row weights s that sum to 1 and lambda = l1_ratio / (C sum of weights), each point minimizes::

    P(W, b) = sum_i s_i CE(y_i, softmax(W x_i + b)) + lambda (|W|_1 + r/2 |W|_2^2)

with r = 1 / l1_ratio - 1, which is 0 by default; r > 0 is the elastic net. A point carries a proof of how far
from the minimum it is: its relative duality gap. The path goes down a grid of lambda that the data and the
tolerance determine. A point that is asked for starts from the two grid points around it, so it is the same,
bit for bit, whatever else is asked for.

docs/method.md has the mathematics. The modules in reading order:

1. `objective`: the objective, C_max and the duality gap from their definitions.
2. `path`: the public function and its result; the grid, and beside it the points that are asked for.
3. `problem.validation`: the checks of the input.
4. `problem.base`: what the solver needs of the data: labels, weights, penalty, products with a working copy.
   `problem.dense` has it in bytes, float32 or float64, `problem.sparse` by its sparse columns.
5. `grid`: how far it is from one grid point to the next.
6. `state`: an iterate and a grid point, with the working set of each class and its Gram matrix.
7. `warm_start`: extrapolation, interpolation and the strong rule.
8. `solve`: one point, from its warm start to its certificate.
9. `target`: the violation that its passes aim at.
10. `steps.block_descent`: a pass over the classes, each by a quadratic model, coordinate descent and a line
    search.
11. `steps.subspace_newton`: a Newton step in the span of the last iterates.
12. `steps.joint_newton`: a Newton step over all classes, where the passes are slow.
13. `screening`: the gradient, of which only the entries that may matter are computed.
14. `certificate`: optimal intercepts, the dual point and the duality gap.
15. `workers`: the threads in which all this runs, and the end that ctrl-C makes of it.
16. `classifier.estimator`: the path as a scikit-learn classifier.
17. `classifier.cross_validation`: the selection of C by the one-standard-error rule.
18. `classifier.display`: the weights along C as a figure.

The compiled loops of all of them are in `kernels`. Public names are imported when they are first used,
and `l1path.objective` imports the kernels, and numba with them, when it first computes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l1path.classifier.display import RegularizationPathDisplay
    from l1path.classifier.estimator import L1MultinomialPath
    from l1path.objective import C_max, duality_gap
    from l1path.path import RegularizationPath, multinomial_l1_path

__all__ = [
    "C_max",
    "L1MultinomialPath",
    "RegularizationPath",
    "RegularizationPathDisplay",
    "duality_gap",
    "multinomial_l1_path",
]

_MODULES = {
    "C_max": "objective",
    "L1MultinomialPath": "classifier.estimator",
    "RegularizationPath": "path",
    "RegularizationPathDisplay": "classifier.display",
    "duality_gap": "objective",
    "multinomial_l1_path": "path",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
