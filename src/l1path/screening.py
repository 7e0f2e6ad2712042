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
from l1path.problem import round_up
from l1path.state import Reference

if TYPE_CHECKING:
    from l1path.problem import Floats, Problem, Reals
    from l1path.state import State

GRADIENT_ROUNDINGS = (
    16  # half-ulps of a product in a gradient: 2 factors, itself, 10 sums of 32 rows, 3 spare
)
MAX_ROUNDING_SHARE = 0.3  # of tol lambda: if rounding may hide more of a gradient, it is float64's turn
FULL_GRADIENT_FRACTION = 0.25  # of all entries: if more are to be computed, the full gradient is as fast


def update_gradient(problem: Problem, state: State, R: Floats) -> Floats:
    """Include the residuals R (K, rows) in the gradient; return bounds (K, p) of the size of its entries.

    A bound holds for the data as given, in units of the penalty: what rounding may hide is added to the
    entry. Entries that are screened out stay at the reference and cannot exceed lambda, unless the column
    is a working one; their bound is given as 0. Bytes have no rounding errors, so their products are computed
    in float64.
    """
    p, limit = problem.p, state.lam * problem.penalty_factor
    length = problem.column_norm + abs(problem.offset)
    state.gradient_residual = R * problem.s
    candidates = _screen(problem, state, length, limit)
    if np.count_nonzero(candidates) > FULL_GRADIENT_FRACTION * candidates.size:
        set_reference(problem, state)
        candidates = _screen(problem, state, length, limit)
    dtype, relative_error = product_precision(problem)
    pairs, sR = np.nonzero(candidates), state.gradient_residual.astype(dtype)
    state.gradient = state.reference.gradient.copy()
    kernels.gradient_entries(problem.columns, sR, *pairs, state.gradient)
    state.gradient[pairs] -= row_sums(sR)[pairs[0]] * problem.offset[pairs[1]]
    error = relative_error * length
    size = kernels.weighted_distance(state.gradient_residual, np.zeros_like(R), problem.s)[:, None]
    bound = np.where(candidates, np.abs(state.gradient) + error * size, 0.0)[:, :p]
    return np.asarray(bound / problem.penalty_factor[:p])


def product_precision(problem: Problem) -> tuple[np.dtype[np.floating], float]:
    """Return the type of the certificate's products, and their error relative to |x_j| |R|."""
    bytes_have_no_rounding = problem.levels is not None
    dtype = np.dtype(np.float64) if bytes_have_no_rounding else problem.sum_dtype
    rounding = GRADIENT_ROUNDINGS * float(np.finfo(dtype).eps) / 2
    return dtype, rounding + (kernels.INTEGER_TOL if bytes_have_no_rounding else 0.0)


def rounding_limits(problem: Problem, state: State, lam: float, tol: float) -> bool:
    """Return whether what rounding may hide at `lam` is a noticeable part of a relative gap of `tol`."""
    p, residual = problem.p, state.gradient_residual
    length = ((problem.column_norm + abs(problem.offset))[:p] / problem.penalty_factor[:p]).max()
    size = kernels.weighted_distance(residual, np.zeros_like(residual), problem.s).max()
    return bool(product_precision(problem)[1] * length * size > MAX_ROUNDING_SHARE * tol * lam)


def _screen(problem: Problem, state: State, length: Floats, limit: Floats) -> npt.NDArray[np.bool_]:
    """Return the mask (K, columns) of gradient entries that may reach `limit` or are of working columns."""
    residual, gradient = state.reference
    distance = kernels.weighted_distance(state.gradient_residual, residual, problem.s)[:, None]
    error = GRADIENT_ROUNDINGS * np.finfo(problem.sum_dtype).eps / 2 * length  # |R'| <= 1 where it certifies
    candidates: npt.NDArray[np.bool_] = np.abs(gradient) + problem.column_norm * distance + error > limit * (
        1 - 1e-9
    )
    candidates[:, problem.p] = True
    return candidates | state.working_columns()


def set_reference(problem: Problem, state: State) -> None:
    """Compute the full gradient of the state's `gradient_residual` and make it the reference."""
    K, dtype = len(state.gradient_residual), problem.sum_dtype
    sR = np.zeros((round_up(K, 2), len(problem.s)), dtype)
    sR[:K] = state.gradient_residual
    gradient = np.zeros((len(sR), len(problem.penalty_factor)))
    kernels.full_gradient(problem.rows, sR, np.empty(gradient.shape, dtype), gradient)
    gradient -= row_sums(sR)[:, None] * problem.offset
    state.reference = Reference(state.gradient_residual.copy(), gradient[:K])
    state.gradient = gradient[:K].copy()


def with_full_gradient(problem: Problem, state: State) -> State:
    """Return the state with the full gradient of its present residuals as reference."""
    R = np.empty_like(state.eta)
    kernels.residuals(state.e, problem.in_class, R)
    state = replace(state, gradient_residual=R * problem.s)
    set_reference(problem, state)
    return state


def row_sums(R: Reals) -> Floats:
    """Return the sum of each row in a fixed order."""
    return np.array([kernels.total(row) for row in R])
