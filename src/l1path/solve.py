"""Solve one point: passes until the violation is small, and further passes until the certificate holds.

Where the passes are slow, joint steps over all classes come between them. Where the gap no longer falls,
first the working copy becomes float64, then each pass is followed by a joint step, and if that does not help
either, float64 allows no more and the best certificate is returned.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from l1path import kernels
from l1path.certificate import certify, optimize_intercepts
from l1path.problem.base import large_entries
from l1path.screening import set_reference, update_gradient
from l1path.state import repacked
from l1path.steps.joint_newton import joint_newton_step, passes_per_joint_step
from l1path.steps.subspace_newton import History, subspace_newton_step
from l1path.target import MAX_TARGET, scaling_curvature, violation_target

if TYPE_CHECKING:
    from l1path.certificate import Certificate
    from l1path.problem.base import Problem
    from l1path.state import State

MIN_PASS_REDUCTION = 0.3  # a pass is predicted to leave at least this fraction of the violation
MAX_PASSES_PER_CERTIFICATE = 15  # then scores are recomputed, since rounding errors accumulate in them
MIN_TARGET_REDUCTION = 0.2  # by which a failed certificate multiplies the target
MIN_PROGRESS = 0.9  # a round that leaves more than this share of the distance brings nothing
MAX_ROUNDS_WITHOUT_PROGRESS = 3


def reduce_violation(problem: Problem, state: State, history: History, target: float, max_passes: int) -> int:
    """Take passes until the violation is predicted to be at `target`; return their number."""
    for passes in range(1, max_passes + 1):
        last, history.violation = history.violation, history.take_pass(problem, state, target)
        if history.violation <= target or history.violation == 0:
            return passes
        if history.violation * max(MIN_PASS_REDUCTION, history.violation / last) <= target:
            return passes
        if history.joint_step_is_due(partial(passes_per_joint_step, problem, state)):
            history.clear()  # the iterates before are far from the next one
            joint_newton_step(problem, state, history.violation)
        else:
            subspace_newton_step(problem, state, history)
    return max_passes


def present_violation(problem: Problem, state: State) -> float:
    """Return the largest violation of any coefficient, by the gradient as it was last updated."""
    penalty, ridge = state.lam * problem.penalty_factor, state.lam * problem.ridge_factor
    unit, rows = problem.intercept_unit(state.lam), zip(state.gradient, state.V, strict=True)
    return float(max(kernels.violation(g + ridge * v, v, penalty, unit) for g, v in rows))


def solve_grid_point(problem: Problem, state: State, tol: float, max_iter: int) -> tuple[Problem, State]:
    """Return the solution from the start `state`, with its full gradient and without a certificate.

    The problem that is returned with it is the one in float64 if the violation does not fall otherwise.
    """
    passes, target, history, progress = 0, MAX_TARGET, History.for_state(problem, state), Progress()
    curvature = scaling_curvature(problem, state)
    while True:
        target = min(target, violation_target(problem, state, curvature, tol))
        allowed = min(MAX_PASSES_PER_CERTIFICATE, max_iter - passes)
        passes += reduce_violation(problem, state, history, target, allowed)
        history.clear()  # its scores differ from those that are recomputed
        R = optimize_intercepts(problem, state, 0.1 * tol)
        if state.reference is None:
            np.multiply(R, problem.s, out=state.gradient_residual)
            set_reference(problem, state)
        else:
            update_gradient(problem, state, R)
        del R  # a state's size
        violation = present_violation(problem, state)
        if violation <= target or passes >= max_iter:
            return problem, state
        state.recompute_scores(problem, *problem.original_coefficients(state.V))
        state.add_to_working_sets(problem, large_entries(state.gradient, state.lam * problem.penalty_factor))
        if progress.has_stalled(violation / target):
            if history.always_joint and not problem.is_reduced:
                return problem, state
            problem, history = with_more_effort(problem, state, history)


def solve_point(problem: Problem, state: State, tol: float, max_iter: int) -> tuple[Certificate, int]:
    """Return the best certified solution from the start `state` and the number of passes."""
    passes, target, history = 0, MAX_TARGET, History.for_state(problem, state)
    best, progress, curvature = None, Progress(), scaling_curvature(problem, state)
    while True:
        target = min(target, violation_target(problem, state, curvature, tol))
        allowed = min(MAX_PASSES_PER_CERTIFICATE, max_iter - passes)
        passes += reduce_violation(problem, state, history, target, allowed)
        history.clear()  # its scores differ from those that are recomputed
        certificate = certify(problem, state, tol)
        if best is None or not best.gap <= certificate.gap:
            best = certificate
        if best.gap <= tol or passes >= max_iter:
            return best, passes
        state.add_to_working_sets(problem, large_entries(state.gradient, state.lam * problem.penalty_factor))
        if present_violation(problem, state) <= target:
            target *= max(MIN_TARGET_REDUCTION, 0.5 * tol / certificate.gap)
        if progress.has_stalled(certificate.gap):
            if history.always_joint and not problem.is_reduced:
                return best, passes
            problem, history = with_more_effort(problem, state, history)


def with_more_effort(problem: Problem, state: State, history: History) -> tuple[Problem, History]:
    """Return what to go on with where progress has stalled: in float64, with a joint step after each pass."""
    if problem.is_reduced:
        problem = problem.in_float64()
        history = History.for_state(problem, state)
        state.working_sets = repacked(problem, state.lam, state.working_sets)
    history.always_joint = True
    return problem, history


@dataclass(slots=True)
class Progress:
    """Whether a measure of distance from the minimum still falls."""

    least: float = np.inf
    rounds: int = 0  # since the least was reached

    def has_stalled(self, distance: float) -> bool:
        """Add a round; return whether the last ones have brought nothing, and begin anew."""
        self.rounds += 1
        if distance < MIN_PROGRESS * self.least:
            self.least, self.rounds = distance, 0
        if self.rounds < MAX_ROUNDS_WITHOUT_PROGRESS:
            return False
        self.rounds = 0
        return True
