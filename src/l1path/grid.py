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
INTERPOLATION_ERROR = 0.4  # of tol: what interpolation over two factors may add to the objective


class GridStep(NamedTuple):
    """The way from one grid point to the next."""

    factors: int  # of GRID_RATIO: 1 or 2, since 3 took a tenth more time on noise
    lam: float  # of the next grid point
    tol: float  # the relative duality gap that its violation is to have


def next_step(problem: Problem, last: GridPoint, tol: float) -> GridStep:
    """Return the step from `last`: two factors where interpolation is predicted to allow them, else one.

    The penalty is predicted to grow as it did from the grid point before, by as much for each factor. A copy
    of sparse data lacks columns that may have a weight two factors below the least lambda asked for.
    """
    lam = last.lam * GRID_RATIO
    one = GridStep(1, lam, max(tol, GRID_TOL))
    if last.previous is None or not problem.has_all_columns:
        return one
    growth = max(0.0, last.penalty - last.previous.penalty) / last.factors
    two = GridStep(2, lam * GRID_RATIO, tol)  # to 2 tol it took a tenth more time on noise
    error = (last.lam - two.lam) * (2 * growth) / 4
    return two if error <= INTERPOLATION_ERROR * tol * last.objective else one
