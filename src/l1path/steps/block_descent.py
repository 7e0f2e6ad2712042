"""Block coordinate descent: one pass minimizes over one class after the other.

Source: glmnet's coordinate descent on a quadratic model along a path (Friedman, Hastie and Tibshirani 2010,
section 4). The steps for one class are in `kernels.class_step`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from l1path import kernels
from l1path.workers import stop_if_unwanted

if TYPE_CHECKING:
    from l1path.problem.base import Problem, Reals
    from l1path.state import State


def pass_over_classes(problem: Problem, state: State, target: float, moves: Reals) -> float:
    """Minimize over each class in turn, in place; return the worst violation met.

    Violations, and the `target` that the passes aim at, are relative to the penalty.  moves : (K, rows), in
    the precision of sums, set to what is added to the scores.
    """
    above, below = np.empty_like(state.e), np.zeros(state.e.shape[1])
    kernels.sums_of_later_classes(state.e, above)
    worst = 0.0
    for k, move in enumerate(moves):
        stop_if_unwanted()
        violation = problem.class_step(state, k, above[k], below, target, move)
        worst = max(worst, violation)
    return worst
