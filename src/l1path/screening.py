"""The gradient: all of it at a reference, elsewhere only the entries that may matter.

Screening: by Cauchy and Schwarz an entry of the gradient is within |x_j| |R - R'| of its value at the
reference residuals R'. An entry that cannot reach lambda is left at its reference value.
"""

from __future__ import annotations

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
    np.multiply(R, problem.s, out=state.gradient_residual)
    candidates = _screen(problem, state, length, limit)
    if np.count_nonzero(candidates) > FULL_GRADIENT_FRACTION * candidates.size:
        set_reference(problem, state)
        candidates = _screen(problem, state, length, limit)
    dtype, relative_error = problem.product_error
    (classes, columns), sR = np.nonzero(candidates), state.gradient_residual.astype(dtype, copy=False)
    state.gradient[:] = state.reference.gradient
    problem.gradient_entries(sR, classes, columns, state.gradient)
    error = relative_error * length
    size = _weighted_norms(problem, state.gradient_residual)[:, None]
    bound = np.where(candidates, np.abs(state.gradient) + error * size, 0.0)[:, :p]
    return np.asarray(bound / problem.penalty_factor[:p])


def rounding_limits(problem: Problem, residual: Floats, lam: float, tol: float) -> bool:
    """Return whether what rounding may hide at `lam` is a noticeable part of a relative gap of `tol`.

    residual : (K, rows), of a solution near `lam`.
    """
    p = problem.p
    length = ((problem.column_norm + abs(problem.offset))[:p] / problem.penalty_factor[:p]).max()
    size = _weighted_norms(problem, residual).max()
    return bool(problem.product_error[1] * length * size > MAX_ROUNDING_SHARE * tol * lam)


def _screen(problem: Problem, state: State, length: Floats, limit: Floats) -> npt.NDArray[np.bool_]:
    """Return the mask (K, columns) of gradient entries that may reach `limit` or are of working columns."""
    residual, gradient = state.reference
    distance = _weighted_norms(problem, state.gradient_residual, residual)[:, None]
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
    state.gradient[:] = gradient


def _weighted_norms(problem: Problem, R: Floats, origin: Floats | None = None) -> Floats:
    """Return the norm of each row of R, or of R - origin, in which the rows of data weigh 1 / s."""
    rows = R if origin is None else (row - start for row, start in zip(R, origin, strict=True))
    return np.array([kernels.weighted_norm(row, problem.s) for row in rows])
