"""The certificate: the objective on the data as given, and a dual point that bounds the minimum from below.

Source: dual point by scaled residuals (Ndiaye, Fercoq, Gramfort and Salmon 2017, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from l1path import kernels
from l1path.problem.base import row_sums
from l1path.screening import update_gradient

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from l1path.problem.base import Floats, Problem
    from l1path.state import State

MAX_INTERCEPT_STEPS = 30
INTERCEPT_HESSIAN_STEPS = 5  # Newton steps that share one Hessian
MIN_INTERCEPT_TOL = 1e-12  # of a class: rounding allows no better
IMBALANCE_COST = 1e-3  # of tol: what the imbalance of the classes may add to the gap


@dataclass(frozen=True, slots=True)
class Certificate:
    """Coefficients on the data as given, with the objective and the relative duality gap there."""

    coef: Floats | csr_array  # (K, p), sparse where the data are
    intercept: Floats  # (K,), which sums to 0
    primal: float
    gap: float


def certify(problem: Problem, state: State, tol: float) -> Certificate:
    """Recompute the scores of `state` and its gradient, with optimal intercepts, and return its certificate.

    The primal, and the residuals from which the dual point is made, are those of the data as given, in
    float64 throughout.
    """
    state.recompute_scores(problem, *problem.original_coefficients(state.V))
    dual = dual_value(problem, state, tol)
    coef, b = problem.original_coefficients(state.V)
    primal = state.objective(problem)
    gap = float(np.maximum(0.0, primal - dual)) / primal  # np.maximum keeps NaN
    return Certificate(coef, b - kernels.total(b) / len(b), primal, gap)


def dual_value(problem: Problem, state: State, tol: float) -> float:
    """Give `state` optimal intercepts, update its gradient, and return the value of a dual point.

    The dual point is::

        D = (1 - u) (Y + t R) + u M,    R = softmax - Y,    t = (lambda - u / c) / max(lambda, |X' s R|)

    with c the problem's `min_penalty_per_norm`. M has one row for all observations, the one with which each
    class of s (D - Y) sums to zero. u is the largest sum of a class of s R, relative to the class: this puts
    M into the simplex. It is next to 0, since optimal intercepts have u = 0; without an intercept no sum is
    demanded, and u = 0. D is feasible: u / c is more than u |X' s (M - Y)|, and the products with s R that
    are screened out are below lambda, so no product |X' s (D - Y)| exceeds lambda. (t is 0 where u / c is
    more than lambda.) The value of D, a mean of entropies, is at least 1 - u times that of Y + t R.

    With an elastic net products may exceed lambda, which costs as much of D's value as `excess_cost` returns.
    The t without |X' s R| is tried too, and the D of higher value is taken.

    The products are computed on the working copy. What their rounding may hide is added to their size, so
    that D is feasible for the data as given too.
    """
    lam = state.lam
    intercept_tol = IMBALANCE_COST * tol * min(1.0, lam * problem.min_penalty_per_norm)
    R = optimize_intercepts(problem, state, intercept_tol)
    bound = update_gradient(problem, state, R)
    u = 0.0
    if problem.fit_intercept:
        u = float(np.clip(row_sums(state.gradient_residual) / problem.class_share, 0, 1).max())
    margin, entropy = u / problem.min_penalty_per_norm, np.empty(R.shape[1])
    dual = -np.inf
    steepest = bound.max(initial=0.0)
    for largest in [steepest, 0.0] if problem.ridge_ratio else [steepest]:
        t = float(np.maximum(0.0, lam - margin) / np.maximum(lam, largest))  # np.maximum keeps NaN
        kernels.entropy(R, problem.in_class, t, entropy)
        value = (1 - u) * kernels.dot(entropy, problem.s) - excess_cost(problem, lam, t * bound + margin)
        dual = max(value, dual)
    return dual


def excess_cost(problem: Problem, lam: float, bound: Floats) -> float:
    """Return what products of up to `bound` cost a dual point: the conjugate of the penalty there.

    The products that `bound` leaves out do not exceed lambda.

    With r the problem's `ridge_ratio` that is the sum of (bound - lambda)_+^2 / (2 lambda r).
    """
    if not problem.ridge_ratio:
        return 0.0  # no product exceeds lambda
    excess = np.maximum(bound - lam, 0.0)
    return float(kernels.dot(excess, excess)) / (2 * lam * problem.ridge_ratio)


def optimize_intercepts(problem: Problem, state: State, tol: float) -> Floats:
    """Make the intercepts optimal, by Newton's method; return the residuals softmax - Y (K, rows).

    The residuals of each class then sum to at most `tol` of the class, or to what rounding allows. The
    heaviest class keeps its intercept, since adding one number to all of them changes nothing. A problem
    without intercepts keeps its coefficients.
    """
    R = np.empty_like(state.eta)
    others = np.delete(np.arange(len(R)), problem.class_share.argmax())
    for attempt in range(MAX_INTERCEPT_STEPS + 1):
        kernels.residuals(state.e, problem.in_class, R)
        g = np.array([kernels.dot(row, problem.s) for row in R])
        balanced = np.abs(g / problem.class_share).max() <= max(tol, MIN_INTERCEPT_TOL)
        if balanced or not problem.fit_intercept or attempt == MAX_INTERCEPT_STEPS:
            break
        if attempt % INTERCEPT_HESSIAN_STEPS == 0:
            H = kernels.intercept_hessian(R, problem.in_class, problem.s)[np.ix_(others, others)]
        step = np.zeros(len(g))
        step[others] = kernels.solve_linear(H.copy(), -g[others])
        if not np.isfinite(step).all():  # a class whose probabilities are all 0 or 1: no step can balance it
            break
        step /= max(1.0, np.abs(step).max())
        state.add_to_intercepts(problem, step)
    state.recompute_loss(problem)
    return R
