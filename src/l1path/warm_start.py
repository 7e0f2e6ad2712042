"""Warm starts: where a point of the path begins, and with which working sets.

A grid point starts by extrapolation from the two grid points before it, any other point by interpolation
between the two grid points around it (docs/decisions/0010). The gradient is linear in the residuals, so a
start has its gradient without a product with the data.

Source of the strong rule: Tibshirani et al. (2012), "Strong rules for discarding predictors in lasso-type
problems", equation 7.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from l1path import kernels
from l1path.screening import with_full_gradient
from l1path.state import Reference, State, WorkingSet, zero_sign_changes

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
    state = State(
        lam=np.inf,
        V=V,
        eta=V,
        e=V,  # a placeholder like those below: computed in the next lines
        shift=V,
        loss=0.0,
        gradient_residual=V,
        gradient=V,
        working_sets=[WorkingSet.empty(problem) for _ in range(K)],
        reference=Reference(V, V),
    )
    state = state.with_coefficients(problem, V, np.repeat(V[:, p : p + 1], len(problem.s), axis=1))
    state = with_full_gradient(problem, state)
    state.lam = float((np.abs(state.gradient[:, :p]) / problem.penalty_factor[:p]).max())
    return state


def _on_the_line(problem: Problem, grid_point: State, lam: float) -> State:
    """Return the start at `lam` on the line through `grid_point` and the grid point before it.

    The gradient is that of the residuals on the line through the two references. The working sets are
    `grid_point`'s own.
    """
    previous = grid_point.previous or grid_point
    t = (previous.lam - lam) / (previous.lam - grid_point.lam) if grid_point.previous else 0.0
    (R, g), (R_previous, g_previous) = grid_point.reference, previous.reference
    reference = Reference(R_previous + t * (R - R_previous), g_previous + t * (g - g_previous))
    start = replace(
        grid_point,
        lam=lam,
        gradient_residual=reference.residual.copy(),
        gradient=reference.gradient.copy(),
        reference=reference,
    )
    V = previous.V + t * (grid_point.V - previous.V)
    eta = previous.eta + t * (grid_point.eta - previous.eta)
    if t > 1:
        V, eta = zero_sign_changes(problem, grid_point.V, V, eta)
    return start.with_coefficients(problem, V, eta)


def extrapolate(problem: Problem, origin: State) -> State:
    """Return the start of the grid point after `origin`.

    Its working sets have the columns whose extrapolated gradient reaches lambda, whose gradient reached the
    previous lambda, or whose coefficient is not zero; for the first grid point those of the strong rule.
    """
    lam = origin.lam * GRID_RATIO
    start = _on_the_line(problem, origin, lam)
    size = np.abs(origin.gradient)
    if origin.previous is None:
        wanted = size >= (STRONG_RULE_FACTOR * lam - origin.lam) * problem.penalty_factor
    else:
        wanted = (size >= origin.lam * problem.penalty_factor) | (
            np.abs(start.gradient) >= lam * problem.penalty_factor
        )
        if replace(origin, lam=lam).objective(problem) <= start.objective(problem):
            start = replace(
                start, V=origin.V.copy(), eta=origin.eta.copy(), e=origin.e.copy(), shift=origin.shift
            )
    wanted |= start.V != 0
    likely = wanted | (np.abs(start.gradient) >= LIKELY_COLUMN_FRACTION * lam * problem.penalty_factor)
    for k, working_set in enumerate(start.working_sets):
        if working_set.columns.size > WORKING_SET_REBUILD_RATIO * np.count_nonzero(likely[k]):
            start.working_sets[k], wanted[k] = WorkingSet.empty(problem), likely[k]
    start.add_to_working_sets(problem, wanted)
    start.previous = replace(  # what a line through two grid points needs; the rest would occupy memory
        origin, previous=None, working_sets=[], e=origin.eta, gradient_residual=origin.reference.residual,
        gradient=origin.reference.gradient,
    )  # fmt: skip
    return start


def interpolate(problem: Problem, grid_point: State, lam: float) -> State:
    """Return the start at `lam`, between `grid_point` and the one before it; it grows `grid_point`'s sets."""
    start = _on_the_line(problem, grid_point, lam)
    start.add_to_working_sets(
        problem, (np.abs(start.gradient) >= lam * problem.penalty_factor) | (start.V != 0)
    )
    return start
