"""Warm starts: where a point of the path begins, and with which working sets.

A grid point starts by extrapolation from the two grid points before it, any other point by interpolation
between the two grid points around it (docs/decisions/0010). The gradient is linear in the residuals, so a
start has its gradient without a product with the data.

Source of the strong rule: Tibshirani et al. (2012), "Strong rules for discarding predictors in lasso-type
problems", equation 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from l1path import kernels
from l1path.problem.base import large_entries
from l1path.screening import set_reference
from l1path.state import GridPoint, Reference, ReferenceLine, State, WorkingSet, between, zero_sign_changes

if TYPE_CHECKING:
    from l1path.problem.base import Problem

GRID_RATIO = 0.8  # lambda of a grid point as a fraction of the last one; 0.7 took a quarter more time (0010)
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


def grid_point(problem: Problem, state: State, previous: GridPoint | None) -> GridPoint:
    """Return the grid point of a solution; `previous` is the one before it."""
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
    V = np.zeros((len(eta), problem.width))
    V[:, columns] = own
    state = State.at(problem, lam, V, eta, origin.working_sets)
    state.reference = ReferenceLine(previous.reference, origin.reference, t)
    for k in range(len(eta)):
        state.gradient_residual[k], state.gradient[k] = state.reference.row(k)
    return state


def extrapolate(problem: Problem, origin: GridPoint) -> State:
    """Return the start of the grid point after `origin`.

    Its working sets have the columns whose extrapolated gradient reaches lambda, whose gradient reached the
    previous lambda, or whose coefficient is not zero; for the first grid point those of the strong rule.
    """
    lam = origin.lam * GRID_RATIO
    start = _on_the_line(problem, origin, lam)
    start.reference = None  # a grid point has one of its own
    wanted = origin.likely.copy()
    if origin.previous:
        wanted |= large_entries(start.gradient, lam * problem.penalty_factor)
        if origin.loss + lam * problem.penalty(origin.V, origin.columns) < start.objective(problem):
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
