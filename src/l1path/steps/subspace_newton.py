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

if TYPE_CHECKING:
    from collections.abc import Callable

    from l1path.problem.base import Columns, Floats, Problem
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
    """The coefficients and scores from which the last passes began."""

    V: list[tuple[Columns, Floats]]  # of each iterate: the columns that are summed over, its coefficients
    eta: Floats  # (SUBSPACE_SIZE, K, rows)
    length: int = 0  # iterates since the scores were recomputed
    violation: float = np.inf  # that the last pass met
    passes: int = 0  # since the point's start, or since a joint step that did not pay
    violation_at_joint_step: float = np.inf  # before the last joint step, if the last pass came after one
    always_joint: bool = False  # whether each pass is followed by a joint step

    @classmethod
    def for_state(cls, state: State) -> History:
        """Return an empty history for the shapes of this state."""
        none = slice(0), np.zeros((len(state.V), 0))
        return cls([none] * SUBSPACE_SIZE, np.empty((SUBSPACE_SIZE, *state.eta.shape)))

    def add(self, problem: Problem, state: State) -> None:
        """Add the state from which a pass is about to begin."""
        position = self.length % SUBSPACE_SIZE
        columns = state.summed_columns(problem)
        self.V[position], self.eta[position] = (columns, state.V[:, columns].copy()), state.eta
        self.length += 1

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
    present, eta = state.V[:, columns], history.eta[:m]
    V = np.empty((m, *present.shape))
    for a, (own, coefficients) in enumerate(history.V[:m]):
        iterate = np.zeros(present.shape)
        iterate[:, _places(own, columns)] = coefficients
        V[a] = zero_sign_changes(problem, present, iterate, eta[a], columns)
        history.V[a] = columns, V[a].copy()
    g, H = kernels.subspace_model(eta, state.eta, state.e, problem.in_class, problem.s)
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
    combined, new_eta = _combine(c, V, present), _combine(c, eta, state.eta)
    new_V = zero_sign_changes(problem, present, combined, new_eta, columns)
    # adding one number to all intercepts changes nothing
    p = _places(np.array([problem.p]), columns)
    common = kernels.total(new_V[:, p].ravel()) / len(new_V)
    new_V[:, p] -= common
    new_eta -= common
    state.recompute_loss(problem)
    state.move_if_lower(problem, columns, new_V, new_eta)


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


def _combine(c: Floats, iterates: Floats, present: Floats) -> Floats:
    """Return ``present + sum_a c_a (iterates_a - present)``."""
    out: Floats = (1 - kernels.total(c)) * present
    kernels.add_combination(c, iterates, out)
    return out
