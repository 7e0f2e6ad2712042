"""Warm starts: where a point of the path begins, and with which working sets.

A grid point starts by extrapolation from the two grid points before it, any other point by interpolation
between the two grid points around it (docs/decisions/0010), in which a coefficient enters the model where its
gradient reaches lambda. The gradient is linear in the residuals, so a start has a gradient and the residuals
that it belongs to without a product with the data.

Source of the strong rule: Tibshirani et al. (2012), "Strong rules for discarding predictors in lasso-type
problems", equation 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from l1path import kernels
from l1path.grid import GRID_RATIO
from l1path.problem.base import large_entries
from l1path.screening import set_reference
from l1path.state import GridPoint, Reference, ReferenceLine, State, WorkingSet, between, zero_sign_changes

if TYPE_CHECKING:
    from l1path.problem.base import Floats, Indices, Problem

STRONG_RULE_FACTOR = 2.0  # a column stays out if its gradient was below 2 lambda - previous lambda
LIKELY_COLUMN_FRACTION = 0.8  # of lambda: a rebuilt working set has the columns whose gradient is above it
WORKING_SET_REBUILD_RATIO = 1.5  # working columns to likely columns: with more the working set is rebuilt


def initial_state(problem: Problem) -> State:
    """Return the solution at lambda_max, the least lambda at which every weight is zero."""
    K, p = len(problem.in_class), problem.p
    V = np.zeros((K, problem.width))
    if problem.fit_intercept:
        kernels.log(problem.class_share, V[:, p])
    eta = np.repeat(V[:, p : p + 1], len(problem.s), axis=1)
    state = State.at(problem, np.inf, V, eta, [WorkingSet.empty(problem) for _ in range(K)])
    R = np.empty_like(eta)
    kernels.residuals(state.e, problem.in_class, R)
    np.multiply(R, problem.s, out=state.gradient_residual)
    set_reference(problem, state)
    state.lam = float((np.abs(state.gradient[:, :p]) / problem.penalty_factor[:p]).max())
    return state


def grid_point(problem: Problem, state: State, previous: GridPoint | None, factors: int = 1) -> GridPoint:
    """Return the grid point of a solution; `previous` is the one before it, so many `factors` above."""
    if not isinstance(reference := state.reference, Reference):
        reference = set_reference(problem, state)
    least = state.lam if previous else STRONG_RULE_FACTOR * (state.lam * GRID_RATIO) - state.lam
    columns = np.flatnonzero(state.V.any(axis=0))
    return GridPoint(
        lam=state.lam,
        columns=columns,
        V=state.V[:, columns],
        eta=state.eta.astype(problem.sum_dtype, copy=False),
        loss=state.loss,
        reference=reference,
        likely=large_entries(state.gradient, least * problem.penalty_factor),
        penalty=state.penalty(problem),
        factors=factors,
        working_sets=state.working_sets,
        previous=previous and previous.without_working_sets(),
    )


def _on_the_line(problem: Problem, origin: GridPoint, lam: float) -> State:
    """Return the start at `lam` on the line through `origin` and the grid point before it.

    Its gradient is that of the residuals on the line through the two references, which is its reference. The
    working sets are those of `origin`.
    """
    previous = origin.previous or origin
    t = (previous.lam - lam) / (previous.lam - origin.lam) if origin.previous else 0.0
    columns = np.union1d(previous.columns, origin.columns)
    own = between(previous.coefficients(columns), origin.coefficients(columns), t)
    eta = between(previous.eta, origin.eta, t)
    if t > 1:
        own = zero_sign_changes(problem, origin.coefficients(columns), own, eta, columns)
    elif origin.previous:
        own = _enter_late(problem, origin, lam, columns, own, eta)
    V = np.zeros((len(eta), problem.width))
    V[:, columns] = own
    state = State.at(problem, lam, V, eta, origin.working_sets)
    state.reference = ReferenceLine(previous.reference, origin.reference, t)
    for k in range(len(eta)):
        state.gradient_residual[k], state.gradient[k] = state.reference.row(k)
    return state


def _enter_late(
    problem: Problem, origin: GridPoint, lam: float, columns: Indices, own: Floats, eta: Floats
) -> Floats:
    """Return the coefficients `own` (K, columns.size), less of those that enter the model.

    Between the two grid points a coefficient is 0 until lambda is down at its gradient, and then grows
    linearly. The gradient there is taken to be the one at the grid point before. The scores are changed in
    place.
    """
    previous = origin.previous or origin
    new, penalty = origin.coefficients(columns), problem.penalty_factor[columns]
    enters = (previous.coefficients(columns) == 0) & (new != 0) & (penalty > 0)
    gradient = np.array([previous.reference.row(k)[1][columns] for k in range(len(own))])
    size = np.abs(gradient) / np.where(penalty > 0, penalty, 1.0)
    entry = np.clip(size, 1.000001 * origin.lam, previous.lam)  # the lambda at which it enters
    share = np.clip((entry - lam) / (entry - origin.lam), 0.0, 1.0)
    change = np.where(enters, share * new - own, 0.0)
    move = np.empty(eta.shape[1], problem.sum_dtype)
    for k in np.flatnonzero(change.any(axis=1)):
        changed = np.flatnonzero(change[k])
        problem.combine(columns[changed], change[k, changed], move)
        eta[k] += move
    return own + change


def extrapolate(problem: Problem, origin: GridPoint, lam: float) -> State:
    """Return the start at `lam` of the grid point after `origin`.

    Its working sets have the columns whose extrapolated gradient reaches lambda, whose gradient reached the
    previous lambda, or whose coefficient is not zero; for the first grid point those of the strong rule.
    """
    start = _on_the_line(problem, origin, lam)
    start.reference = None  # a grid point has one of its own
    wanted = origin.likely.copy()
    if origin.previous:
        wanted |= large_entries(start.gradient, lam * problem.penalty_factor)
        if origin.loss + lam * origin.penalty < start.objective(problem):
            start.V[:] = origin.coefficients(np.arange(problem.width))
            start.set_scores(problem, origin.eta.astype(np.float64))
    wanted |= start.V != 0
    likely = wanted | large_entries(start.gradient, LIKELY_COLUMN_FRACTION * lam * problem.penalty_factor)
    for k, working_set in enumerate(start.working_sets):
        if working_set.columns.size > WORKING_SET_REBUILD_RATIO * np.count_nonzero(likely[k]):
            start.working_sets[k], wanted[k] = WorkingSet.empty(problem), likely[k]
    start.add_to_working_sets(problem, wanted)
    return start


def interpolate(problem: Problem, origin: GridPoint, lam: float) -> State:
    """Return the start at `lam`, between `origin` and the grid point before it; it grows `origin`'s sets."""
    start = _on_the_line(problem, origin, lam)
    wanted = large_entries(start.gradient, lam * problem.penalty_factor) | (start.V != 0)
    start.add_to_working_sets(problem, wanted)
    return start
