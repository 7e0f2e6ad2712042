"""The subspace Newton step: Newton's method in the span of the last iterates.

Source: sequential subspace optimization (Narkiss and Zibulevsky 2005). docs/decisions/0014 has the
measurements behind the constants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from l1path import kernels
from l1path.state import zero_sign_changes
from l1path.steps.block_descent import pass_over_classes

if TYPE_CHECKING:
    from collections.abc import Callable

    from l1path.problem.base import Columns, Floats, Problem, Reals
    from l1path.state import State

SUBSPACE_SIZE = 5  # last iterates that span the subspace; 3 took 56 passes for 42, and 10 cost more a step
MIN_ITERATE_DISTANCE = {
    4: 3e-7,
    8: 3e-8,
}  # between scores, by bytes of a number: nearer ones are rounding errors
MAX_COMBINATION_WEIGHT = 3.0  # sum of |c|, the factor of rounding errors; 2.8 in the median, 10 diverged
MIN_PASSES_BEFORE_JOINT_STEP = 8  # most points need fewer
JOINT_STEP_MAX_REDUCTION = 0.5  # a joint step pays if it leaves at most this share of the violation
HESSIAN_REGULARIZATION = 1e-9  # added to a Hessian whose diagonal is 1


@dataclass(slots=True)
class History:
    """The coefficients and scores from which the last passes began.

    The scores are kept as distances from the present ones, which float32 represents well.
    """

    V: list[tuple[Columns, Floats]]  # of each iterate: the columns that are summed over, its coefficients
    D: Reals  # (SUBSPACE_SIZE, K, rows): its scores less the present ones; empty if there is no iterate
    length: int = 0  # iterates since the scores were recomputed
    violation: float = np.inf  # that the last pass met
    passes: int = 0  # since the point's start, or since a joint step that did not pay
    violation_at_joint_step: float = np.inf  # before the last joint step, if the last pass came after one
    always_joint: bool = False  # whether each pass is followed by a joint step

    @classmethod
    def for_state(cls, problem: Problem, state: State) -> History:
        """Return an empty history for the shapes of this state."""
        return cls([], np.empty((0, *state.eta.shape), problem.sum_dtype))

    def take_pass(self, problem: Problem, state: State, target: float) -> float:
        """Add the state, take a pass over the classes, and return the worst violation met."""
        if not self.length:
            self.D = np.empty((SUBSPACE_SIZE, *state.eta.shape), problem.sum_dtype)
        position, known = self.length % SUBSPACE_SIZE, min(self.length, SUBSPACE_SIZE)
        columns = state.summed_columns(problem)
        self.V[position : position + 1] = [(columns, state.V[:, columns].copy())]
        self.length += 1
        moves = self.D[position]
        violation = pass_over_classes(problem, state, target, moves)
        np.negative(moves, out=moves)
        for a in range(known):
            if a != position:
                self.D[a] += moves
        return violation

    def clear(self) -> None:
        """Remove the iterates, which are far from the next one or have other scores."""
        self.V, self.D, self.length = [], self.D[:0].copy(), 0

    def joint_step_is_due(self, cost: Callable[[], float]) -> bool:
        """Return whether a joint step is due after this pass; `cost` returns its own in passes.

        It is when the passes since the start have cost as much, so that at worst they double the work, and
        after each further pass while a joint step at least halves the violation.
        """
        self.passes += 1
        if self.violation > JOINT_STEP_MAX_REDUCTION * self.violation_at_joint_step:
            self.passes = 1
        self.violation_at_joint_step = np.inf
        due = self.always_joint or (self.passes >= MIN_PASSES_BEFORE_JOINT_STEP and self.passes >= cost())
        if due:
            self.violation_at_joint_step = self.violation
        return due


def subspace_newton_step(problem: Problem, state: State, history: History) -> None:
    """Take one Newton step in the span of `state` and `history`, if the objective is lower there.

    An iterate takes part with the coefficients that have the same sign as `state`'s, so that the penalty is
    linear in the subspace.
    """
    m, columns = min(history.length, SUBSPACE_SIZE), state.summed_columns(problem)
    present, D = state.V[:, columns], history.D[:m]
    V = np.empty((m, *present.shape))
    for a, (own, coefficients) in enumerate(history.V):
        iterate = np.zeros(present.shape)
        iterate[:, _places(own, columns)] = coefficients
        V[a] = zero_sign_changes(problem, present, iterate, D[a], columns)
        history.V[a] = columns, V[a].copy()
    g, H = kernels.subspace_model(D, state.e, problem.in_class, problem.s)
    penalty = state.lam * problem.penalty_factor[columns] * np.sign(present)
    g += [sum(kernels.dot(*pair) for pair in zip(penalty, iterate - present, strict=True)) for iterate in V]
    if problem.ridge_ratio:
        _add_ridge(state.lam * problem.ridge_factor[columns], V - present, present, g, H)
    used = np.flatnonzero(np.diag(H) > MIN_ITERATE_DISTANCE[problem.sum_dtype.itemsize] ** 2)
    if not used.size:
        return
    size, c = np.sqrt(np.diag(H)[used]), np.zeros(m)
    H = H[np.ix_(used, used)] / size / size[:, None] + HESSIAN_REGULARIZATION * np.eye(used.size)
    c[used] = kernels.solve_linear(H, -g[used] / size) / size
    c *= min(1.0, MAX_COMBINATION_WEIGHT / np.abs(c).sum())
    new_V, move = (1 - kernels.total(c)) * present, np.zeros(D.shape[1:], D.dtype)
    kernels.add_combination(c, V, new_V)
    kernels.add_combination(c, D, move)
    new_V = zero_sign_changes(problem, present, new_V, move, columns)
    # adding one number to all intercepts changes nothing
    p = _places(np.array([problem.p]), columns)
    common = kernels.total(new_V[:, p].ravel()) / len(new_V)
    new_V[:, p] -= common
    move -= move.dtype.type(common)
    state.recompute_loss(problem)
    if state.move_if_lower(problem, columns, new_V, move):
        D -= move


def _places(own: Columns, columns: Columns) -> Columns:
    """Return where the columns `own` are among `columns`, which include them."""
    if isinstance(own, slice) or isinstance(columns, slice):
        return own
    return np.searchsorted(columns, own)


def _add_ridge(ridge: Floats, D: Floats, V: Floats, g: Floats, H: Floats) -> None:
    """Add the slopes at `V` along each of D (m, K, columns), and the curvatures, of ``ridge @ V**2 / 2``."""
    for a, row in enumerate(D):
        g[a] += kernels.dot((ridge * row).ravel(), V.ravel())
        for b in range(a + 1):
            H[a, b] += kernels.dot((ridge * row).ravel(), D[b].ravel())
            H[b, a] = H[a, b]
