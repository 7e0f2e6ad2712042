"""The regularization path: the grid that data and tolerance determine, and the points asked for beside it."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass, fields
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse

from l1path import kernels
from l1path.certificate import certify
from l1path.grid import next_step
from l1path.problem.dense import DenseProblem
from l1path.problem.sparse import SparseProblem
from l1path.problem.validation import check_data, check_limits, check_penalty
from l1path.screening import rounding_limits
from l1path.solve import solve_grid_point, solve_point
from l1path.warm_start import extrapolate, grid_point, initial_state, interpolate
from l1path.workers import Workers, usable_threads, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from scipy.sparse import csr_array

    from l1path.certificate import Certificate
    from l1path.problem.base import Floats, Problem
    from l1path.state import GridPoint

MAX_C_RATIO = 1e15  # of C to C_max: beyond it lambda is less than the rounding of the gradient at 0


@dataclass(frozen=True)
class RegularizationPath:
    """Points of the path in the order of the given Cs; read-only arrays.

    weights : (points, K, p), or for sparse X a sparse (K, p) for each point.
    intercept : (points, K), each point's sum to 0 as scikit-learn's do.
    duality_gap : (points,), relative to the primal.
    objective : (points,), ``C * sum_i weight_i CE_i + penalty(W)`` as scikit-learn has it.
    n_iter : (points,), passes over the classes from the warm start.  converged : (points,) bool.
    """

    weights: Floats | tuple[csr_array, ...]
    intercept: Floats
    duality_gap: Floats
    objective: Floats
    n_iter: npt.NDArray[np.int64]
    converged: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        for field in fields(self):
            if isinstance(values := getattr(self, field.name), np.ndarray):
                values.setflags(write=False)

    @cached_property
    def coef(self) -> Floats:
        """The weights (points, K, p) as one array, which for sparse X is made when it is first read."""
        if isinstance(self.weights, np.ndarray):
            return self.weights
        coef = np.stack([point.toarray() for point in self.weights])
        coef.setflags(write=False)
        return coef


def multinomial_l1_path(
    X: Any,
    y: npt.ArrayLike,
    Cs: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
    l1_ratio: float = 1.0,
    fit_intercept: bool = True,
    tol: float = 1e-3,
    max_iter: int = 1000,
    threads: int | None = None,
    progress: Callable[[], None] | None = None,
) -> RegularizationPath:
    """Minimize ``C * sum_i weight_i CE(y_i, softmax(W x_i + b)) + penalty(W)`` for each C, b free.

    The penalty is ``l1_ratio |W|_1 + (1 - l1_ratio) / 2 |W|_2^2``, as scikit-learn's: by default L1.

    X : (n, p), an array or a SciPy sparse matrix.  y : (n,) labels of at least two classes; row k of a
    coefficient matrix belongs to the k-th of the sorted labels.  Cs : (points,) in any order.
    sample_weight : (n,) >= 0, by default 1 each.
    l1_ratio : above 0, up to 1.  fit_intercept : False keeps b at 0.
    tol : the relative duality gap at which a point is done.  max_iter : passes over the classes for one
    point. threads : points to solve side by side, by default the processors that joblib counts for this
    process, or one within a worker of joblib's; idle ones help with products. They change no bit.
    progress : called once for each of the Cs when its point is done, by one thread at a time.

    A column whose entries are within 1e-12 of their mean, relative to their size, counts as constant: its
    weights are 0, and the gap is that of the other columns. A row's cross-entropy is rounded by about 1e-16,
    which shows in the gap where the objective itself is that small.

    A point that needs more than `max_iter` passes is returned with the gap it has reached, `converged` false,
    and a ConvergenceWarning.  Raises ValueError for NaN, infinite, complex or empty input, shapes that
    disagree, labels that do not sort or are of a single class, C <= 0 or above 1e15 C_max, an l1_ratio
    not above 0 and up to 1, and for a tol, max_iter or threads that is not a number > 0.
    """
    X, labels, Cs, weight, faults = check_data(X, y, Cs, sample_weight)
    threads = usable_threads() if threads is None else threads
    faults += check_limits(tol, max_iter, threads) + check_penalty(l1_ratio, fit_intercept)
    if faults:
        raise ValueError("; ".join(faults))
    if not (has_weight := weight > 0).all():
        X, labels, weight = X[has_weight], labels[has_weight], weight[has_weight]
    points, K, total_weight = len(Cs), int(labels.max()) + 1, kernels.total(weight)
    coefs: Floats | list[Any] = [None] * points if issparse(X) else np.empty((points, K, X.shape[1]))
    lambdas = l1_ratio / (Cs * total_weight)
    requested = Counter(lambdas.tolist())
    lock = Lock()

    def report(lam: float) -> None:
        if progress is not None:
            with lock:
                for _ in range(requested[lam]):
                    progress()

    with Workers(min(threads, max(len(requested) + 1, usable_threads(-1)))) as workers:
        how = l1_ratio, bool(fit_intercept)
        made: list[Future[Problem]] = []  # from where the solver takes it, to free a copy that is out of use
        if issparse(X):
            least = float(lambdas.min())
            made.append(workers.submit(SparseProblem.from_data, X, labels, weight, tol, *how, least))
        else:
            made.append(workers.submit(DenseProblem.from_data, X, labels, weight, tol, *how))
        del X, labels, weight  # X is a copy by columns, if it was given by rows
        order = sorted(requested, reverse=True)
        solutions = _solve_along_grid(made.pop(), order, tol, max_iter, workers, report)
    intercept, gap, primal = np.empty((points, K)), np.empty(points), np.empty(points)
    passes = np.empty(points, np.int64)
    for lam in requested:  # a solution is freed when it has been copied
        certificate, n_iter = solutions.pop(lam)
        for k in np.flatnonzero(lambdas == lam):
            coefs[k], intercept[k] = certificate.coef, certificate.intercept
            gap[k], primal[k], passes[k] = certificate.gap, certificate.primal, n_iter
    if not np.all(gap <= tol):
        from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - a second that only this needs

        failed = ", ".join(f"C = {C:.4g} (gap {g:.1e})" for C, g in zip(Cs, gap, strict=True) if not g <= tol)
        message = (
            f"relative duality gap above tol = {tol:g} after {max_iter} passes over the classes: {failed}. "
            "Increase max_iter or tol."
        )
        warnings.warn(message, ConvergenceWarning, stacklevel=2)
    return RegularizationPath(
        weights=coefs if isinstance(coefs, np.ndarray) else tuple(coefs),
        intercept=intercept,
        duality_gap=gap,
        objective=primal * Cs * total_weight,
        n_iter=passes,
        converged=gap <= tol,
    )


def _solve_along_grid(
    made: Future[Problem],
    lambdas: Sequence[float],
    tol: float,
    max_iter: int,
    workers: Workers,
    report: Callable[[float], None],
) -> dict[float, tuple[Certificate, int]]:
    """Return the certified solution and its number of passes at each of `lambdas`, which decrease.

    One thread solves the grid points one after the other. The points asked for are solved beside them, each
    as soon as the two grid points around it are there; then `report` is called with its lambda. A single
    thread solves a grid point when it is needed, since one that waits occupies memory.
    """

    def first_grid_point(problem: Problem) -> GridPoint:
        return grid_point(problem, initial_state(problem), None)

    def next_grid_point(problem: Problem, given: list[GridPoint]) -> tuple[Problem, GridPoint]:
        last = given.pop()  # so that it is freed when it is out of use
        if last.lam * (1 - 1e-12) <= lambdas[-1]:
            return problem, last  # the last of the grid
        step = next_step(problem, last, tol)
        if problem.is_reduced and rounding_limits(problem, last.reference.residual, step.lam, tol):
            problem = problem.in_float64()
            last = last.on(problem)
        start = extrapolate(problem, last, step.lam)
        last = last.without_working_sets()  # and without the grid point before, which occupies memory
        problem, state = solve_grid_point(problem, start, step.tol, max_iter)
        return problem, grid_point(problem, state, last, step.factors)

    def solve_requested(problem: Problem, last: GridPoint, lam: float) -> tuple[Certificate, int]:
        solution = _solve_between(problem, last, lam, tol, max_iter)
        report(lam)
        return solution

    solutions: dict[float, Future[tuple[Certificate, int]]] = {}
    problem = wait_for(made)
    del made
    last = workers.call(first_grid_point, problem)
    _check_largest_C(last.lam / lambdas[-1])
    grid: Future[tuple[Problem, GridPoint]] | None = None
    # a copy, since the next grid point takes over the working sets of the last
    own, given = last.fork(), [last]
    del last
    for lam in lambdas:
        while lam < own.lam * (1 - 1e-12):
            grid = grid or workers.submit(next_grid_point, problem, given)
            del own  # only the points that need it have it now
            problem, last = wait_for(grid)
            own, given, grid = last.fork(), [last], None
            del last
            if workers.threads > 1:
                grid = workers.submit(next_grid_point, problem, given)
        if len(solutions) >= workers.threads:  # a queued point occupies memory with its working sets
            wait_for(list(solutions.values())[-workers.threads])
        solutions[lam] = workers.submit(solve_requested, problem, own, lam)
    return {lam: wait_for(future) for lam, future in solutions.items()}


def _check_largest_C(ratio: float) -> None:
    """Raise ValueError if `ratio`, of the largest C to C_max, is too large."""
    if ratio > MAX_C_RATIO:
        raise ValueError(
            f"Cs: expected C up to {MAX_C_RATIO:g} times C_max, the largest at which every weight is 0, "
            f"got {ratio:.3g} times it. float64 cannot solve this; check the scale of X."
        )


def _solve_between(
    problem: Problem, last: GridPoint, lam: float, tol: float, max_iter: int
) -> tuple[Certificate, int]:
    """Return the certified solution at `lam`, between `last` and the grid point before, and its passes."""
    start = interpolate(problem, last.fork(), lam)
    if last.previous is None:  # at lambda_max or above every weight is 0
        return certify(problem, start, tol), 0
    return solve_point(problem, start, tol, max_iter)
