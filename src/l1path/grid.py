"""The grid: how far it is from one point to the next, and how exactly each is solved.

The objective is convex in the coefficients. So halfway between two grid points it exceeds the minimum, at the
interpolated coefficients, by at most what the grid points themselves do, and::

    (lambda_1 - lambda_2) (penalty_2 - penalty_1) / 4

Where that is little, as it is where the data explain little, the grid may be coarse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from l1path.problem.base import Problem
    from l1path.state import GridPoint

GRID_RATIO = 0.8  # lambda of a grid point as a fraction of the last one; 0.7 took a quarter more time (0010)
GRID_TOL = 6e-3  # relative duality gap of a grid point, which is only a start (docs/decisions/0031)
MAX_STEPS = 2  # factors GRID_RATIO from one grid point to the next; 3 took a tenth more time on noise
INTERPOLATION_ERROR = 0.4  # of tol: what interpolation over more than one factor may add to the objective
COARSE_GRID_TOL = 1.0  # in units of tol: the gap of a grid point at the end of such a step


class GridStep(NamedTuple):
    """The way from one grid point to the next."""

    factors: int  # of GRID_RATIO
    lam: float  # of the next grid point
    tol: float  # the relative duality gap that its violation is to have


def next_step(problem: Problem, last: GridPoint, tol: float) -> GridStep:
    """Return the step from `last`: as many factors as interpolation is predicted to allow, at least one.

    The penalty is predicted to grow as it did from the grid point before, by as much for each factor.
    """
    lam = last.lam * GRID_RATIO
    step = GridStep(1, lam, max(tol, GRID_TOL))
    if last.previous is None or not problem.has_all_columns:
        return step
    growth = max(0.0, last.penalty - last.previous.penalty) / last.factors
    for factors in range(2, MAX_STEPS + 1):
        lam *= GRID_RATIO
        if (last.lam - lam) * (factors * growth) / 4 > INTERPOLATION_ERROR * tol * last.objective:
            break
        step = GridStep(factors, lam, min(step.tol, COARSE_GRID_TOL * tol))
    return step
