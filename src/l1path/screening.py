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
    from l1path.problem.base import Floats, Problem, Reals
    from l1path.state import ReferenceLine, State

MAX_ROUNDING_SHARE = 0.3  # of tol lambda: if rounding may hide more of a gradient, float64 takes over
FULL_GRADIENT_FRACTION = 0.25  # of all entries: if more are to be computed, the full gradient is as fast


def update_gradient(problem: Problem, state: State, R: Floats) -> Floats:
    """Include the residuals R (K, rows) in the gradient; return bounds of the size of the computed entries.

    A bound holds for the data as given, in units of the penalty: what rounding may hide is added to the
    entry. Entries that are screened out stay at the reference and cannot exceed lambda; they have no bound.
    """
    limit = state.lam * problem.penalty_factor
    length = problem.column_norm + abs(problem.offset)
    np.multiply(R, problem.s, out=state.gradient_residual)
    dtype, relative_error = problem.product_error
    is_new = state.reference is None
    reference = state.reference or set_reference(problem, state)
    candidates = _screen(problem, state, reference, length, limit)
    if not is_new and np.count_nonzero(candidates) > FULL_GRADIENT_FRACTION * candidates.size:
        is_new, reference = True, set_reference(problem, state)
        candidates = _screen(problem, state, reference, length, limit)
    columns, classes = np.nonzero(candidates.T)  # a column is read from memory once for all classes
    if not (is_new and np.all(problem.reference_error <= relative_error)):
        for k, row in enumerate(state.gradient):
            row[:] = reference.row(k)[1]
        problem.gradient_entries(
            state.gradient_residual.astype(dtype, copy=False), classes, columns, state.gradient
        )
    error, size = relative_error * length, _weighted_norms(problem, state.gradient_residual)
    of_data = columns < problem.p
    classes, columns = classes[of_data], columns[of_data]
    bound = np.abs(state.gradient[classes, columns]) + error[columns] * size[classes]
    return np.asarray(bound / problem.penalty_factor[columns])


def rounding_limits(problem: Problem, residual: Reals, lam: float, tol: float) -> bool:
    """Return whether what rounding may hide at `lam` is a noticeable part of a relative gap of `tol`.

    residual : (K, rows), of a solution near `lam`.
    """
    p = problem.p
    error = problem.product_error[1] * (problem.column_norm + abs(problem.offset))
    size = _weighted_norms(problem, residual).max()
    return bool((error[:p] / problem.penalty_factor[:p]).max() * size > MAX_ROUNDING_SHARE * tol * lam)


def _screen(
    problem: Problem, state: State, reference: Reference | ReferenceLine, length: Floats, limit: Floats
) -> npt.NDArray[np.bool_]:
    """Return the mask (K, columns) of gradient entries that may reach `limit` or are of working columns."""
    error = reference.error * length  # |R'| <= 1 where it certifies
    candidates = state.working_columns()
    for k, own in enumerate(state.gradient_residual):
        residual, gradient = reference.row(k)
        distance = kernels.weighted_norm(own - residual, problem.s)
        candidates[k] |= np.abs(gradient) + problem.column_norm * distance + error > limit * (1 - 1e-9)
    candidates[:, problem.p] = True
    return candidates


def set_reference(problem: Problem, state: State) -> Reference:
    """Compute the full gradient of the state's `gradient_residual`, make it the reference and return it.

    The gradient is a product of the residuals in the precision of sums, so the reference has them in that.
    """
    state.reference = None  # its memory is free for the new one
    residual = state.gradient_residual.astype(problem.sum_dtype)
    state.gradient = problem.full_gradient(residual)
    state.reference = Reference.of(problem, residual, state.gradient)
    return state.reference


def _weighted_norms(problem: Problem, R: Reals) -> Floats:
    """Return the norm of each row of R, in which the rows of data weigh 1 / s."""
    return np.array([kernels.weighted_norm(row, problem.s) for row in R])
