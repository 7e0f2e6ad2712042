"""The violation that the passes aim at: the largest that is expected to leave a small enough duality gap.

A violation v scales the dual point by t = 1 - v. What that costs of its value follows from the slope and the
curvature of the entropy along the scaling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from l1path import kernels

if TYPE_CHECKING:
    from l1path.problem.base import Problem
    from l1path.state import State

MAX_TARGET = 0.3  # of the penalty: the largest violation that the passes aim at
VIOLATION_PER_GAP = 1.2  # of tol: the gap that the passes aim at, since the last one goes beyond


def scaling_curvature(problem: Problem, state: State) -> float:
    """Return the curvature in t of the entropy of Y + t R, between t = 1 and t = 1 - MAX_TARGET.

    At the optimum the slope at t = 1 is lambda |W|_1.
    """
    R, entropy, values = np.empty_like(state.eta), np.empty(state.eta.shape[1]), []
    kernels.residuals(state.e, problem.in_class, R)
    for t in (1.0, 1 - MAX_TARGET):
        kernels.entropy(R, problem.in_class, t, entropy)
        values.append(kernels.dot(entropy, problem.s))
    cost = (values[0] - values[1]) / MAX_TARGET - state.lam * state.l1_norm(problem)
    return max(0.0, float(2 * cost / MAX_TARGET))


def violation_target(problem: Problem, state: State, curvature: float, tol: float) -> float:
    """Return the violation that is expected to give a relative duality gap of `tol`.

    A violation v scales the dual point by t = 1 - v, which costs slope v + curvature v^2 / 2 of its value.
    """
    allowed, slope = VIOLATION_PER_GAP * tol * state.objective(problem), state.lam * state.l1_norm(problem)
    return float(2 * allowed / (slope + np.sqrt(slope**2 + 2 * curvature * allowed) + 1e-300))
