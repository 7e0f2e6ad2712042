"""The gradient: all of it at a reference, elsewhere only the entries that may matter.

Screening: by Cauchy and Schwarz an entry of the gradient is within |x_j| |R - R'| of its value at the
reference residuals R'. An entry that cannot reach lambda is left at its reference value.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from l1path import kernels
from l1path.state import Reference

if TYPE_CHECKING:
    from l1path.problem.base import Floats, Problem
    from l1path.state import State

MAX_ROUNDING_SHARE = 0.3  # of tol lambda: if rounding may hide more of a gradient, it is float64's turn
FULL_GRADIENT_FRACTION = 0.25  # of all entries: if more are to be computed, the full gradient is as fast


def update_gradient(problem: Problem, state: State, R: Floats) -> Floats:
    """Include the residuals R (K, rows) in the gradient; return bounds (K, p) of the size of its entries.

    A bound holds for the data as given, in units of the penalty: what rounding may hide is added to the
    entry. Entries that are screened out stay at the reference and cannot exceed lambda, unless the column
    is a working one; their bound is given as 0.
    """
    p, limit = problem.p, state.lam * problem.penalty_factor
    length = problem.column_norm + abs(problem.offset)
    state.gradient_residual = R * problem.s
    candidates = _screen(problem, state, length, limit)
    if np.count_nonzero(candidates) > FULL_GRADIENT_FRACTION * candidates.size:
        set_reference(problem, state)
        candidates = _screen(problem, state, length, limit)
    dtype, relative_error = problem.product_error
    (classes, columns), sR = np.nonzero(candidates), state.gradient_residual.astype(dtype)
    state.gradient = state.reference.gradient.copy()
    problem.gradient_entries(sR, classes, columns, state.gradient)
    error = relative_error * length
    size = kernels.weighted_distance(state.gradient_residual, np.zeros_like(R), problem.s)[:, None]
    bound = np.where(candidates, np.abs(state.gradient) + error * size, 0.0)[:, :p]
    return np.asarray(bound / problem.penalty_factor[:p])


def rounding_limits(problem: Problem, state: State, lam: float, tol: float) -> bool:
    """Return whether what rounding may hide at `lam` is a noticeable part of a relative gap of `tol`."""
    p, residual = problem.p, state.gradient_residual
    length = ((problem.column_norm + abs(problem.offset))[:p] / problem.penalty_factor[:p]).max()
    size = kernels.weighted_distance(residual, np.zeros_like(residual), problem.s).max()
    return bool(problem.product_error[1] * length * size > MAX_ROUNDING_SHARE * tol * lam)


def _screen(problem: Problem, state: State, length: Floats, limit: Floats) -> npt.NDArray[np.bool_]:
    """Return the mask (K, columns) of gradient entries that may reach `limit` or are of working columns."""
    residual, gradient = state.reference
    distance = kernels.weighted_distance(state.gradient_residual, residual, problem.s)[:, None]
    error = problem.reference_error * length  # |R'| <= 1 where it certifies
    candidates: npt.NDArray[np.bool_] = np.abs(gradient) + problem.column_norm * distance + error > limit * (
        1 - 1e-9
    )
    candidates[:, problem.p] = True
    return candidates | state.working_columns()


def set_reference(problem: Problem, state: State) -> None:
    """Compute the full gradient of the state's `gradient_residual` and make it the reference."""
    gradient = problem.full_gradient(state.gradient_residual)
    state.reference = Reference(state.gradient_residual.copy(), gradient)
    state.gradient = gradient.copy()


def with_full_gradient(problem: Problem, state: State) -> State:
    """Return the state with the full gradient of its present residuals as reference."""
    R = np.empty_like(state.eta)
    kernels.residuals(state.e, problem.in_class, R)
    state = replace(state, gradient_residual=R * problem.s)
    set_reference(problem, state)
    return state
