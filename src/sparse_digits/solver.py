"""The path of L1-penalised multinomial logistic regression, each point certified by its duality gap.

With row weights s that sum to 1 (1/n each if no sample weights are given), lambda = 1 / (C sum of weights)::

    P(W, b) = sum_i s_i CE(y_i, softmax(W x_i + b)) + lambda |W|_1

The path goes down a fixed grid of lambda that the data alone determine. A point that is asked for starts
from the two grid points around it, so it is the same, bit for bit, whatever else is asked for. In the order
of the code:

1. `Problem`: a centred working copy of the data, by rows and by columns, in float32 where that is enough.
2. `Point`: the state, with what is kept for each class in `Working`: working columns and their Gram matrix.
3. `extrapolated`, `interpolated`: a grid point starts from the two before it, any other from those around it.
4. `sweep`: class by class, Newton's quadratic model by coordinate descent on the Gram matrix.
5. `anderson`: extrapolation over the last sweeps, kept if the objective falls.
6. `certify`: the objective in float64 on the data as given, and a dual point that is feasible for them.
7. `solve`: sweeps until the certificate holds.

Sources: glmnet for descent on a quadratic model over a path (Friedman, Hastie and Tibshirani 2010); strong
rule (Tibshirani et al. 2012); dual point by scaled residuals (Ndiaye et al. 2017, section 3); Anderson
extrapolation of coordinate descent (Bertrand and Massias 2021).
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning

from sparse_digits import kernels

if TYPE_CHECKING:
    from collections.abc import Callable

Floats = npt.NDArray[np.float64]
Reals = npt.NDArray[np.floating]
Indices = npt.NDArray[np.intp]

GRID_RATIO = 0.8  # lambda from one grid point to the next
GRID_TOL = 1.5e-2  # relative duality gap of a grid point: it is only a start
SKIP = 0.3  # a class whose violation is below this part of the target waits
INNER = 0.1  # coordinate descent stops at this part of the violation it began with
PASSES = 200  # and after so many passes over the working columns
MOVED = 0.2  # a Gram matrix is made afresh when its weights have moved by this part
LIGHT = 0.1  # rows with less than this part of the mean weight are left out of it
STILL = 1.0  # a row counts once its residual has moved by this part of the target
ROUNDINGS = 16  # of a product on its way into the gradient: two factors, itself, and ten sums of 32 rows
MOST = 0.3  # the largest target
NEED = 1.5  # the violation that gives a gap of tol, in units of tol P / (lambda |W|_1)
DEPTH = 5  # sweeps for one extrapolation
TINY = 1e-6  # the shortest part of a step
PATIENCE = 15  # sweeps without a certificate
SMALL = 2**18  # numbers in X up to which float32 would save nothing
FINE = 1e-4  # tolerances below this part need float64


@dataclass(frozen=True, slots=True)
class Path:
    """Points of the path in the order of the Cs asked for; read-only arrays.

    coef : (points, K, p).  intercept : (points, K), each point's sum to 0 as scikit-learn's do.
    duality_gap : (points,), relative to the primal.
    objective : (points,), ``C * sum_i weight_i CE_i + |W|_1`` as scikit-learn has it.
    n_iter : (points,), sweeps over the classes from the grid point before.  converged : (points,) bool.
    """

    coef: Floats
    intercept: Floats
    duality_gap: Floats
    objective: Floats
    n_iter: npt.NDArray[np.int64]
    converged: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        for field in fields(self):
            getattr(self, field.name).setflags(write=False)


def multinomial_l1_path(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    Cs: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
    tol: float = 1e-3,
    max_iter: int = 1000,
    threads: int | None = None,
    progress: Callable[[], None] | None = None,
) -> Path:
    """Minimise ``C * sum_i weight_i CE(y_i, softmax(W x_i + b)) + |W|_1`` for each C, b free.

    X : (n, p) float64.  y : (n,) labels of at least two classes; row k of a coefficient matrix belongs to the
    k-th of the sorted labels.  Cs : (points,) in any order.  sample_weight : (n,) >= 0, 1 each if not given.
    tol : the relative duality gap at which a point is done.  max_iter : sweeps for one point.
    threads : points solved side by side, as many as there are processors if not given. They change no bit.
    progress : called once for each of the Cs when its point is done, by one thread at a time.

    A point that needs more sweeps than `max_iter` is returned with the gap it has, `converged` false, and a
    ConvergenceWarning.  Raises ValueError for NaN, infinite, complex or empty input, shapes that disagree,
    labels that do not sort or are of a single class, C <= 0, and for tol, max_iter or threads that are no
    numbers > 0.
    """
    X, labels, Cs, weight, faults = _checked(X, y, Cs, sample_weight)
    faults += _limits(tol, max_iter, os.cpu_count() if threads is None else threads)
    if faults:
        raise ValueError("; ".join(faults))
    problem = Problem.of(X, labels, weight, tol)
    lambdas = 1 / (Cs * kernels.total(weight))
    asked_for = Counter(lambdas.tolist())
    one_at_a_time = Lock()

    def finished(start: Point) -> tuple[Certificate, int]:
        _, certificate, sweeps = solve(problem, start, tol, max_iter, asked=True)
        if progress is not None:
            with one_at_a_time:
                for _ in range(asked_for[start.lam]):
                    progress()
        return certificate, sweeps

    found: dict[float, Future[tuple[Certificate, int]]] = {}
    point = first_point(problem)
    threads = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as workers:
        for lam in sorted(asked_for, reverse=True):
            while lam < point.lam * (1 - 1e-12):
                start = extrapolated(problem, point, point.lam * GRID_RATIO)
                point = solve(problem, start, max(tol, GRID_TOL), max_iter, asked=False)[0]
            if len(found) >= 2 * threads:  # what waits keeps its start in memory
                list(found.values())[-2 * threads].result()
            found[lam] = workers.submit(finished, interpolated(problem, point, lam))
    asked = [found[lam].result() for lam in lambdas.tolist()]
    gap = np.array([certificate.gap for certificate, _ in asked])
    if not np.all(gap <= tol):
        at = ", ".join(f"C = {C:.4g} (gap {g:.1e})" for C, g in zip(Cs, gap, strict=True) if not g <= tol)
        message = f"relative duality gap above tol = {tol:g} after {max_iter} sweeps: {at}"
        warnings.warn(message, ConvergenceWarning, stacklevel=2)
    return Path(
        coef=np.array([certificate.coef for certificate, _ in asked]),
        intercept=np.array([certificate.intercept for certificate, _ in asked]),
        duality_gap=gap,
        objective=np.array([certificate.primal for certificate, _ in asked]) * Cs * kernels.total(weight),
        n_iter=np.array([sweeps for _, sweeps in asked]),
        converged=gap <= tol,
    )


def _checked(
    X: npt.ArrayLike, y: npt.ArrayLike, Cs: npt.ArrayLike, sample_weight: npt.ArrayLike | None
) -> tuple[Floats, Indices, Floats, Floats, list[str]]:
    """Return X, class numbers, Cs and weights as arrays, and every fault that they have."""
    X, y, Cs = np.atleast_1d(_numbers("X", X)), np.asarray(y), np.atleast_1d(_numbers("Cs", Cs))
    weight = np.ones(y.shape) if sample_weight is None else _numbers("sample_weight", sample_weight)
    faults = []
    if X.ndim != 2 or 0 in X.shape:  # noqa: PLR2004 - rows and columns
        faults.append(f"X: expected rows and columns, got shape {X.shape}")
    elif not np.isfinite(X).all():
        faults.append("X: expected finite numbers, got NaN or infinity")
    faults += _labels(y, len(X))
    if weight.shape != y.shape:
        faults.append(f"sample_weight: expected shape {y.shape}, got {weight.shape}")
    elif not (np.isfinite(weight).all() and (weight >= 0).all()):
        faults.append("sample_weight: expected finite weights >= 0")
    elif not faults and len(np.unique(y[weight > 0])) < len(np.unique(y)):
        faults.append("sample_weight: expected a weight above 0 in every class")
    if Cs.ndim != 1 or not Cs.size or not (np.isfinite(Cs) & (Cs > 0)).all():
        faults.append(f"Cs: expected finite numbers > 0, got {Cs}")
    return X, np.zeros(0, np.intp) if faults else np.unique(y, return_inverse=True)[1], Cs, weight, faults


def _labels(y: npt.NDArray[Any], n: int) -> list[str]:
    """Return the faults of the labels for n rows."""
    if y.ndim != 1 or len(y) != n:
        return [f"y: expected one label for each of {n} rows, got shape {y.shape}"]
    if (y.dtype.kind == "f" and not np.isfinite(y).all()) or (y != y).any():  # noqa: PLR0124 - finds NaN
        return ["y: expected labels, got NaN or infinity"]
    if fault := unsortable(y):
        return [fault]
    return [] if len(np.unique(y)) > 1 else ["y: expected at least two classes, got one"]


def _limits(tol: Any, max_iter: Any, threads: Any) -> list[str]:
    """Return the faults of these arguments."""
    faults = []
    if not (isinstance(tol, int | float | np.number) and 0 < tol < np.inf):
        faults.append(f"tol: expected a number > 0, got {tol!r}")
    for name, number in {"max_iter": max_iter, "threads": threads}.items():
        if not (isinstance(number, int | np.integer) and number >= 1):
            faults.append(f"{name}: expected an integer of at least 1, got {number!r}")
    return faults


def unsortable(y: npt.NDArray[Any]) -> str:
    """Return the fault of labels (n,) that do not sort, such as 1 and "one"; "" if they do."""
    try:
        np.sort(y)
    except TypeError:
        types = sorted({type(label).__name__ for label in y.tolist()})
        return f"y: expected labels that sort, got {' and '.join(types)}"
    return ""


def _numbers(name: str, given: npt.ArrayLike) -> Floats:
    if np.iscomplexobj(given):
        raise ValueError(f"{name}: expected real numbers, got complex ones")
    try:
        return np.asarray(given, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected a dense array of numbers ({error})") from None


def _up_to(multiple: int, number: int) -> int:
    return -(-number // multiple) * multiple


# 1. The working copy


@dataclass(frozen=True, slots=True)
class Problem:
    """The data as given and a working copy of them.

    The working copy is centred, which the free intercept allows, and each column divided by a power of two
    near its largest number, so that float32 neither overflows nor cancels. Behind the p columns stands a
    column of ones, the intercept's, and at least one empty column; behind the n rows at least one empty row.
    """

    X: Floats  # (n, p), as given
    hit: npt.NDArray[np.bool_]  # (K, rows): the row is of the class
    s: Floats  # (rows,): the row's weight, 0 behind the n rows
    rows: Reals  # (rows, columns): the working copy
    columns: Reals  # its transposed copy
    centre: Floats  # (p,)
    scale: Floats  # (p,)
    unit: Floats  # (columns,): the penalty of a working column is lambda * unit, the intercept's 0
    norms: Floats  # (columns,): the root of sum_i s_i x_ij^2
    finest: float  # the least penalty of a column for its size, in units of lambda: 1 if all are standardised

    @classmethod
    def of(cls, X: Floats, labels: Indices, weight: Floats, tol: float) -> Problem:
        """Make the working copy of the data for the tolerance `tol`."""
        n, p = X.shape
        dtype = np.float32 if X.size > SMALL and tol >= FINE else np.float64
        height, width = _up_to(8, n + 1), _up_to(16, p + 2)
        s = np.zeros(height)
        s[:n] = weight / kernels.total(weight)
        low, high, mean = kernels.column_ranges(X, s)
        largest = np.maximum(high - mean, mean - low)
        constant = largest <= 1e-12 * np.maximum(abs(high), abs(low))
        exponent = np.frexp(np.where(constant, 1.0, largest))[1]
        rows, columns = np.zeros((height, width), dtype), np.zeros((width, height), dtype)
        scale = np.where(constant, np.inf, np.ldexp(1.0, exponent))
        kernels.working_copy(X, mean, 1 / scale, rows, columns)
        rows[:n, p] = columns[p, :n] = 1
        hit = np.zeros((labels.max() + 1, height), dtype=np.bool_)
        hit[labels, np.arange(n)] = True
        unit = np.ones(width)
        unit[:p] = np.where(constant, 1.0, 1 / scale)
        unit[p] = 0
        norms = kernels.column_norms(rows, s)
        finest = float((unit[:p] / np.maximum(norms[:p], unit[:p] * 1e-300)).min())
        return cls(X, hit, s, rows, columns, mean, scale, unit, norms, finest)

    @property
    def p(self) -> int:
        """The number of columns as given, which is the place of the intercept in the working copy."""
        return int(self.X.shape[1])

    def on_the_data(self, V: Floats) -> tuple[Floats, Floats]:
        """Return W (K, p) and b (K,) for the data as given from coefficients of the working copy."""
        coef = V[:, : self.p] / self.scale
        shift = np.array([kernels.dot(row, self.centre) for row in coef])
        return coef, V[:, self.p] - shift


# 2. The state


@dataclass(slots=True)
class Working:
    """The working columns of one class, packed side by side, and their Gram matrix under frozen weights."""

    columns: Indices  # (m,), numbers of columns; filled up with the empty column to a multiple of 4
    packed: Reals  # (rows, capacity)
    gram: Reals  # (capacity, capacity)
    known: int  # so many of the columns are in the Gram matrix
    weights: Reals  # (rows,), under which it was made
    heavy: Indices  # the rows that it counts
    shared: bool = False  # `packed` belongs to another point too: a copy is made before it grows

    @classmethod
    def none(cls, problem: Problem) -> Working:
        """Return no working columns."""
        height, dtype = problem.rows.shape[0], problem.rows.dtype
        nothing = np.zeros(0, np.intp)
        return cls(
            nothing,
            np.zeros((height, 0), dtype),
            np.zeros((0, 0), dtype),
            0,
            np.zeros(height, dtype),
            nothing,
        )

    def branch(self) -> Working:
        """Return a copy that may grow and be made afresh without a change to this one."""
        return replace(self, gram=self.gram.copy(), shared=True)

    def take(self, problem: Problem, wanted: npt.NDArray[np.bool_]) -> bool:
        """Add the columns of `wanted` (columns,) that are not there; say whether there were any."""
        wanted[self.columns] = False
        new = np.flatnonzero(wanted)
        if not new.size:
            return False
        new = _fours(new, problem.rows.shape[1] - 1)
        m = self.columns.size
        if self.shared or m + new.size > self.packed.shape[1]:
            capacity = _up_to(16, (m + new.size) * 3 // 2)
            packed = np.zeros((len(self.packed), capacity), self.packed.dtype)
            packed[:, :m] = self.packed[:, :m]
            gram = np.zeros((capacity, capacity), self.packed.dtype)
            gram[:m, :m] = self.gram[:m, :m]
            self.packed, self.gram, self.shared = packed, gram, False
        kernels.pack(problem.columns, new, m, self.packed)
        self.columns = np.concatenate([self.columns, new])
        return True

    def gram_for(self, problem: Problem, w: Reals) -> Reals:
        """Return the Gram matrix of all columns; afresh under `w` if that is far from the frozen weights."""
        total = kernels.total(w)
        if kernels.distance(w, self.weights) > MOVED * total:
            self.weights, self.known = w.copy(), 0
            self.heavy = _fours(np.flatnonzero(w > LIGHT * total * problem.s), problem.s.size - 1)
        if self.known < (m := self.columns.size):
            kernels.gram(self.packed, self.weights, self.heavy, self.known, m, self.gram)
            self.known = m
        return self.gram


def _fours(numbers: Indices, filling: int) -> Indices:
    """Return `numbers` filled up to a multiple of 4, which is what the kernels take at a time."""
    out = np.full(_up_to(4, numbers.size), filling, np.intp)
    out[: numbers.size] = numbers
    return out


@dataclass(slots=True)
class Point:
    """The state at one lambda: coefficients of the working copy, scores, gradient, and the point before."""

    lam: float
    V: Floats  # (K, columns)
    eta: Floats  # (K, rows)
    e: Floats  # (K, rows), exp(eta - shift)
    shift: Floats  # (rows,)
    loss: float  # the cross-entropy at eta
    counted: Floats  # (K, rows): s (softmax - Y), as it is counted in the gradient
    gradient: Floats  # (K, columns), of the cross-entropy
    working: list[Working]
    before: Point | None = None

    def take(self, problem: Problem, wanted: npt.NDArray[np.bool_]) -> bool:
        """Add the columns of `wanted` (K, columns) to the working ones; say whether there were any."""
        wanted[:, problem.p] = True
        new = [work.take(problem, mine) for work, mine in zip(self.working, wanted, strict=True)]
        return any(new)

    def objective(self, problem: Problem) -> float:
        """Return the objective of this point."""
        return self.loss + self.lam * _l1(problem, self.V)

    def moved(self, problem: Problem, V: Floats, eta: Floats) -> Point:
        """Return this point with other coefficients and their scores; the gradient stays."""
        e, shift, loss = np.empty_like(eta), np.empty(eta.shape[1]), np.empty(eta.shape[1])
        kernels.exponentials(eta, problem.hit, shift, e, loss)
        return replace(self, V=V, eta=eta, e=e, shift=shift, loss=kernels.dot(loss, problem.s))


def _l1(problem: Problem, V: Floats) -> float:
    """Return |W|_1 on the data as given."""
    return float(sum(kernels.dot(np.abs(row), problem.unit) for row in V))


def first_point(problem: Problem) -> Point:
    """Return the point at the largest lambda beneath which W = 0 is no longer the solution."""
    K = len(problem.hit)
    V = np.zeros((K, problem.rows.shape[1]))
    share = np.array([kernels.dot(hit.astype(np.float64), problem.s) for hit in problem.hit])
    kernels.log(share, V[:, problem.p])
    point = Point(
        lam=np.inf,
        V=V,
        eta=V,
        e=V,  # like the next ones, made by `certify`
        shift=V,
        loss=0.0,
        counted=V,
        gradient=V,
        working=[Working.none(problem) for _ in range(K)],
    )
    point, _ = certify(problem, point, 0.0, exact=True)
    p = problem.p
    point.lam = float((np.abs(point.gradient[:, :p]) / problem.unit[:p]).max())
    return point


# 3. The start of a point


def extrapolated(problem: Problem, origin: Point, lam: float) -> Point:
    """Return the start of the grid point at `lam`, by the two grid points before it.

    The working columns are those whose extrapolated gradient reaches lambda, whose gradient reached the last
    one, or whose weight is not zero; at the start of the path those of the strong rule.
    """
    point = replace(
        origin,
        lam=lam,
        V=origin.V.copy(),
        eta=origin.eta.copy(),
        e=origin.e.copy(),
        counted=origin.counted.copy(),
        gradient=origin.gradient.copy(),
        before=replace(origin, before=None, working=[]),
    )
    size = np.abs(origin.gradient)
    if origin.before is None:
        wanted = size >= (2 * lam - origin.lam) * problem.unit
    else:
        last = origin.before
        t = (origin.lam - lam) / (last.lam - origin.lam)
        ahead = origin.gradient + t * (origin.gradient - last.gradient)
        wanted = (size >= origin.lam * problem.unit) | (np.abs(ahead) >= lam * problem.unit)
        V, eta = origin.V + t * (origin.V - last.V), origin.eta + t * (origin.eta - last.eta)
        further = point.moved(problem, *keep_signs(problem, origin.V, V, eta))
        if further.objective(problem) < point.objective(problem):
            point = further
    point.take(problem, wanted | (point.V != 0))
    return point


def interpolated(problem: Problem, after: Point, lam: float) -> Point:
    """Return the start of a point that is asked for, between the grid point `after` and the one before that.

    It may solve for more working columns and make Gram matrices afresh without a change to either.
    """
    point = replace(
        after,
        lam=lam,
        counted=after.counted.copy(),
        gradient=after.gradient.copy(),
        working=[work.branch() for work in after.working],
    )
    if (before := after.before) is None:
        return point
    t = (before.lam - lam) / (before.lam - after.lam)
    point = point.moved(
        problem, before.V + t * (after.V - before.V), before.eta + t * (after.eta - before.eta)
    )
    likely = before.gradient + t * (after.gradient - before.gradient)
    point.take(problem, (np.abs(likely) >= lam * problem.unit) | (point.V != 0))
    return point


# 4. A sweep over the classes


def sweep(problem: Problem, point: Point, target: float) -> float:
    """Minimise over one class after the other; return the worst violation met, as a part of lambda.

    Class k against the rest: p = e / (e + rest), and p (1 - p) for the weights of Newton's model. These bound
    the curvature at the start only, so the slope at the end of the step decides whether it is taken whole.
    The gradient counts only rows whose residual has moved, by more than could matter to the target.
    """
    height = point.e.shape[1]
    above, below = np.empty_like(point.e), np.zeros(height)
    kernels.sums_below(point.e, above)
    r, w, move = np.empty(height), *np.empty((2, height), problem.rows.dtype)
    rows, change = np.empty(height, np.intp), np.empty_like(w)
    still = STILL * target * point.lam * problem.finest
    worst = 0.0
    for k, work in enumerate(point.working):
        hit, e, columns = problem.hit[k], point.e[k], work.columns
        kernels.residual_and_weight(e, above[k], below, hit, problem.s, r, w)
        count = kernels.changed(r, point.counted[k], problem.s, still, rows, change)
        g = point.gradient[k, columns]
        kernels.add_rows(work.packed, rows[:count], change[:count], g)
        point.gradient[k, columns] = g
        coef, penalty = point.V[k, columns], point.lam * problem.unit[columns]
        violation = kernels.violation(g, coef, penalty, point.lam)
        worst = max(worst, violation)
        if violation > SKIP * target:
            new = coef.copy()
            kernels.descend(work.gram_for(problem, w), g, new, penalty, point.lam, INNER * violation, PASSES)
            step = new - coef
            kernels.combine(problem.columns, columns, step, move)
            growth = kernels.dot(penalty, np.abs(new) - np.abs(coef))
            start = kernels.dot(g, step) + growth
            t, slope = 1.0, np.inf
            while start < 0 and slope > -start and t > TINY:
                t *= start / (start - slope) if slope < np.inf else 1.0
                slope = growth + kernels.step_slope(
                    point.eta[k], move, t, point.shift, above[k], below, hit, problem.s, e
                )
            if start < 0:
                point.V[k, columns] = new if t == 1 else coef + t * step
                point.eta[k] += t * move
        below += e
    return worst


# 5. Anderson extrapolation


def anderson(problem: Problem, point: Point, history: list[tuple[Floats, Floats, Floats, Floats]]) -> Point:
    """Return the combination of the last sweeps whose steps cancel best, or `point` if it is lower.

    history : coefficients and scores before and after each of the last sweeps.
    """
    steps = [(V - start).ravel() for start, _, V, _ in history]
    H = np.array([[kernels.dot(a, b) for b in steps] for a in steps])
    if len(steps) == 1 or not (trace := H.trace()) > 0:
        return point
    c = kernels.solve(H + 1e-10 * trace * np.eye(len(steps)), np.ones(len(steps)))
    c /= c.sum()
    V = sum(f * after for f, (_, _, after, _) in zip(c, history, strict=True))
    eta = sum(f * after for f, (_, _, _, after) in zip(c, history, strict=True))
    here = point.moved(problem, point.V, point.eta)
    there = point.moved(problem, *keep_signs(problem, point.V, V, eta))
    return there if there.objective(problem) < here.objective(problem) else here


def keep_signs(problem: Problem, old: Floats, V: Floats, eta: Floats) -> tuple[Floats, Floats]:
    """Return `V` and its scores with 0 for every weight that is not of the sign that it has in `old`."""
    lost = (V != 0) & (V * old <= 0)
    lost[:, problem.p] = False
    move = np.empty(eta.shape[1], problem.columns.dtype)
    for k in np.flatnonzero(lost.any(axis=1)):
        columns = np.flatnonzero(lost[k])
        kernels.combine(problem.columns, columns, V[k, columns], move)
        eta[k] -= move
    return np.where(lost, 0.0, V), eta


# 6. The certificate


@dataclass(frozen=True, slots=True)
class Certificate:
    """Coefficients on the data as given, with the objective and the relative duality gap there."""

    coef: Floats
    intercept: Floats
    primal: float
    gap: float


def certify(problem: Problem, point: Point, tol: float, *, exact: bool) -> tuple[Point, Certificate]:
    """Return `point` with optimal intercepts and its gradient afresh, and the duality gap there.

    The primal is that of the data as given, in float64 throughout. The dual point is made of the residuals
    R = softmax - Y, scaled by the largest t <= 1 with t |X' s R| <= lambda; its value is the mean entropy of
    the rows of Y + t R. The product is made on the working copy; what its rounding could hide is added to its
    size, so that the dual point is feasible for the data as given too. The columns of s R should sum to zero:
    what is left is charged at the size of the intercepts.

    Not `exact`: with the scores of the sweeps, which drift from the coefficients by rounding; an estimate.
    """
    K, height = problem.hit.shape
    p, lam, eta = problem.p, point.lam, point.eta
    coef, b = problem.on_the_data(point.V)
    if exact:
        eta = np.zeros((K, height))
        starts = np.append(0, np.cumsum(np.count_nonzero(coef, axis=1)))
        kernels.scores(problem.X, starts, np.nonzero(coef)[1], coef[coef != 0], b, eta)
    V = point.V.copy()
    point, R, move = _with_best_intercepts(problem, replace(point, V=V, eta=eta), 1e-4 * tol)
    sR = np.zeros((_up_to(2, K), height))
    sR[:K] = R * problem.s
    gradient, dtype = np.zeros((len(sR), len(problem.unit))), problem.rows.dtype
    kernels.gradient(problem.rows, sR.astype(dtype), np.empty(gradient.shape, dtype), gradient)
    gradient = gradient[:K]
    size = np.array([[kernels.dot(r, sr) ** 0.5] for r, sr in zip(R, sR, strict=False)])
    hidden = ROUNDINGS * np.finfo(dtype).eps / 2 * size * problem.norms
    largest = ((np.abs(gradient) + hidden)[:, :p] / problem.unit[:p]).max()
    t = min(1.0, lam / largest) if largest > 0 else 1.0
    entropy = np.empty(height)
    kernels.entropy(R, problem.hit, t, entropy)
    b = b + move
    left = sum(abs(kernels.total(row)) for row in sR) * (1 + np.abs(b).max())
    primal = point.loss + (lam * _l1(problem, V) if coef.any() else 0.0)
    gap = max(0.0, primal - kernels.dot(entropy, problem.s) + left) / primal
    point.counted, point.gradient = sR[:K], gradient
    return point, Certificate(coef, b - kernels.total(b) / K, primal, gap)


def _with_best_intercepts(problem: Problem, point: Point, tol: float) -> tuple[Point, Floats, Floats]:
    """Return the point with optimal intercepts (Newton's method), its residuals softmax - Y, and the move."""
    R, move = np.empty_like(point.eta), np.zeros(len(point.eta))
    for attempt in range(30):
        point = point.moved(problem, point.V, point.eta)
        kernels.residuals(point.e, problem.hit, R)
        g = np.array([kernels.dot(row, problem.s) for row in R])
        if np.abs(g).max() <= max(tol, 1e-14):
            break
        if attempt % 5 == 0:
            H = kernels.intercept_curvature(R, problem.hit, problem.s)
            H += H.trace() / len(g)  # one more direction: adding one number to all intercepts changes nothing
        step = kernels.solve(H.copy(), -g)
        step /= max(1.0, np.abs(step).max())
        move += step
        point.V[:, problem.p] += step
        point.eta = point.eta + step[:, None]
    return point, R, move


# 7. One point


def solve(
    problem: Problem, point: Point, tol: float, max_iter: int, *, asked: bool
) -> tuple[Point, Certificate, int]:
    """Return the solution from the start `point`, its certificate and the number of sweeps.

    A point of the grid that is not `asked` for makes do with the estimate.
    """
    lam = point.lam
    if point.before is None:
        return *certify(problem, point, tol, exact=True), 0
    sweeps = 0
    target, gap, extrapolate = MOST, np.inf, True
    while True:
        target = min(target, NEED * tol * point.objective(problem) / (lam * _l1(problem, point.V) + 1e-300))
        last = 0.0
        history: list[tuple[Floats, Floats, Floats, Floats]] = []
        for _ in range(PATIENCE):
            start = point.V.copy(), point.eta.copy()
            worst = sweep(problem, point, target)
            sweeps += 1
            foreseen = worst * max(0.1, worst / last) if worst < last else worst
            if foreseen <= target or sweeps == max_iter:
                break
            last = worst
            if extrapolate:
                history = [*history[1 - DEPTH :], (*start, point.V.copy(), point.eta.copy())]
                point = anderson(problem, point, history)
        point, certificate = certify(problem, point, tol, exact=asked)
        if certificate.gap <= tol or sweeps >= max_iter:
            return point, certificate, sweeps
        if not point.take(problem, np.abs(point.gradient) > lam * problem.unit) and foreseen <= target:
            target *= max(0.2, 0.5 * tol / certificate.gap)
        extrapolate &= certificate.gap < gap  # not where it leads round in circles
        gap = certificate.gap
