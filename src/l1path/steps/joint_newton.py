"""The joint step: a proximal Newton step over all classes, where passes over the classes are slow.

A pass minimizes over one class after the other, which is slow where the classes are tied to each other: rare
classes that are nearly separable, correlated columns. The joint step minimizes the objective with the
cross-entropy replaced by its second-order Taylor polynomial, over every weight that is not zero or whose
gradient nearly reaches lambda.

Source: proximal Newton methods (Lee, Sun and Saunders 2014, "Proximal Newton-type methods for minimizing
composite functions", algorithm 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from l1path import kernels

if TYPE_CHECKING:
    from l1path.problem.base import Floats, Problem
    from l1path.state import State

LIKELY_NONZERO_FRACTION = 0.95  # of lambda: a zero weight with a smaller gradient stays out of the model
MODEL_TOL_FRACTION = 1e-2  # of the violation: the model is minimized to that
MAX_MODEL_ROUNDS = 10  # of coordinate descent and Newton steps on the support
MAX_HALVINGS = 12  # of the step: the line search gives up after them
MAX_JOINT_SIZE = 6000  # weights: their Hessian and its factor take twice 0.3 GB
PASS_COST_OF_A_ROW = 150  # multiply-adds for each row of a class in a pass, and
PASS_COST_OF_A_WEIGHT = 11  # for each row of a nonzero weight (measured)
MODEL_ROUNDS = 4  # factorizations that a joint step is expected to need


def passes_per_joint_step(problem: Problem, state: State) -> float:
    """Return the passes that cost as much as a joint step, from sizes alone; infinite if it is too large."""
    (K, n) = state.eta.shape
    chosen = np.concatenate([np.flatnonzero(_wanted(problem, state, k, state.gradient[k])) for k in range(K)])
    d = chosen.size
    if d > MAX_JOINT_SIZE:
        return np.inf
    joint = problem.hessian_work(chosen) + MODEL_ROUNDS * d**3 / 6
    return float(joint / (n * (PASS_COST_OF_A_ROW * K + PASS_COST_OF_A_WEIGHT * problem.density * d)))


def joint_newton_step(problem: Problem, state: State, violation: float) -> None:
    """Take one joint step, if one lowers the objective."""
    K, p, lam = len(state.V), problem.p, state.lam
    P, sR = np.empty_like(state.eta), np.empty_like(state.eta)
    kernels.residuals(state.e, problem.in_class, P)
    np.multiply(P, problem.s, out=sR)
    wanted, gradient = np.zeros(state.V.shape, np.bool_), []
    for k, working_set in enumerate(state.working_sets):
        columns = np.unique(np.append(working_set.columns[working_set.columns < p], p))
        own = state.gradient[k : k + 1].copy()
        problem.gradient_entries(sR[k : k + 1], np.zeros_like(columns), columns, own)
        wanted[k] = _wanted(problem, state, k, own[0])
        gradient.append(own[0, wanted[k]])
    del sR
    classes, chosen = np.nonzero(wanted)
    if chosen.size > MAX_JOINT_SIZE:
        return
    starts = np.searchsorted(classes, np.arange(K + 1))
    P += problem.in_class
    H = problem.joint_hessian(P, chosen, starts)
    del P
    start, ridge = state.V[wanted], lam * problem.ridge_factor[chosen]
    H[np.diag_indices(chosen.size)] += ridge
    minimum, penalty = start.copy(), lam * problem.penalty_factor[chosen]
    kernels.penalized_minimum(
        H,
        np.concatenate(gradient) + ridge * start,
        minimum,
        penalty,
        problem.intercept_unit(lam),
        MODEL_TOL_FRACTION * violation,
        MAX_MODEL_ROUNDS,
    )
    del H
    if not np.isfinite(minimum).all():
        return
    step, move = minimum - start, np.empty_like(state.eta)
    for k in range(K):
        places = slice(starts[k], starts[k + 1])
        problem.combine(chosen[places], step[places], move[k])
    state.recompute_loss(problem)
    summed = state.summed_columns(problem)
    wanted, intercepts = wanted[:, summed], np.arange(problem.width)[summed] == p
    t = kernels.first_step_length(move.ravel())
    for _ in range(MAX_HALVINGS):
        V = state.V[:, summed].copy()
        V[wanted] = minimum if t == 1 else start + t * step
        # adding one number to all intercepts changes nothing
        common = kernels.total(V[:, intercepts].ravel()) / K
        V[:, intercepts] -= common
        if state.move_if_lower(problem, summed, V, t * move - common):
            return
        t /= 2


def _wanted(problem: Problem, state: State, k: int, gradient: Floats) -> npt.NDArray[np.bool_]:
    """Return the mask (columns,) of class k's weights in the model: not 0, or the gradient near lambda."""
    near = LIKELY_NONZERO_FRACTION * state.lam * problem.penalty_factor
    wanted = np.zeros(problem.width, np.bool_)
    columns = state.working_sets[k].columns  # the gradient of another column may be an old one
    wanted[columns] = (state.V[k, columns] != 0) | (np.abs(gradient[columns]) >= near[columns])
    wanted[problem.p] = True
    wanted[problem.p + 1 :] = False
    return wanted
