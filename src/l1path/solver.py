"""The path of L1-penalised multinomial logistic regression, each point certified by its duality gap.

With row weights s that sum to 1 (1/n each if no sample weights are given), lambda = 1 / (C sum of weights)::

    P(W, b) = sum_i s_i CE(y_i, softmax(W x_i + b)) + lambda |W|_1

The path goes down a fixed grid of lambda that the data alone determine. A point that is asked for starts
from the two grid points around it, so it is the same, bit for bit, whatever else is asked for. In the order
of the code:

1. `Problem`: a centred working copy of the data, by rows and by columns, in bytes or float32 where these do.
2. `Point`: the state, with what is kept for each class in `Working`: working columns and their Gram matrix.
3. `extrapolated`, `interpolated`: a grid point starts from the two before it, any other from those around it.
4. `sweep`: class by class, Newton's quadratic model by coordinate descent on the Gram matrix.
5. `spanned`: Newton's method in the span of the starts of the last sweeps, kept if the objective falls.
6. `certify`: the objective in float64 on the data as given, and a dual point that is feasible for them.
7. `grid_point`: sweeps until the violation is small; `solve`: until the certificate holds.
8. `along_the_grid`: grid points one after the other, and beside them what is asked for.

Sources: glmnet for descent on a quadratic model over a path (Friedman, Hastie and Tibshirani 2010); strong
rule (Tibshirani et al. 2012); dual point by scaled residuals (Ndiaye et al. 2017, section 3); descent in the
span of the last steps (Narkiss and Zibulevsky 2005).
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

from l1path import kernels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Floats = npt.NDArray[np.float64]
Reals = npt.NDArray[np.floating]
Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.number]  # floating, or bytes
Indices = npt.NDArray[np.intp]

GRID_RATIO = 0.8  # lambda from one grid point to the next
GRID_TOL = 7e-3  # relative duality gap of a grid point: it is only a start
STILL = 1.0  # a row counts once its residual has moved by this part of the target
ROUNDINGS = 16  # of a product on its way into the gradient: 2 factors, itself, 10 sums of 32 rows, 3 to spare
MOST = 0.3  # the largest target
CROWDED = 1.5  # working columns are chosen afresh when there are so many times those that are wanted
LIKELY = 0.8  # and all taken whose gradient is above this part of lambda
BROAD = 0.25  # the part of all gradients that is not made singly
NEED = 1.5  # the violation that gives a gap of tol, in units of tol P / (lambda |W|_1)
DEPTH = 5  # the starts of so many sweeps span what is searched
NEAR = {4: 3e-7, 8: 3e-8}  # a start is left out whose scores are so near that roundings of so many bytes show
STRIDE = 3.0  # the most that the starts may weigh together: so much larger do the roundings of scores become
RIDGE = 1e-9  # what is added to a Hessian there whose diagonal is 1
FALL = 0.2  # the part of the violation that a sweep is trusted to leave
PATIENCE = 15  # sweeps without a certificate
SMALL = 2**18  # numbers in X up to which float32 would save nothing
FINE = 5e-4  # tolerances below this need float64
HUGE = 1e100  # larger numbers are refused, columns that are not as wide as the inverse count as constant


@dataclass(frozen=True, slots=True)
class RegularizationPath:
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
) -> RegularizationPath:
    """Minimise ``C * sum_i weight_i CE(y_i, softmax(W x_i + b)) + |W|_1`` for each C, b free.

    X : (n, p) float64.  y : (n,) labels of at least two classes; row k of a coefficient matrix belongs to the
    k-th of the sorted labels.  Cs : (points,) in any order.  sample_weight : (n,) >= 0, 1 each if not given.
    tol : the relative duality gap at which a point is done.  max_iter : sweeps for one point.
    threads : so many work side by side, as many as there are processors if not given. They change no bit.
    progress : called once for each of the Cs when its point is done, by one thread at a time.

    A column whose entries are within 1e-12 of their mean, as a part of their size, counts as constant: its
    weights are 0, and the gap is that of the other columns. A row's cross-entropy is rounded by about 1e-16,
    which shows in the gap where the objective itself is that small.

    A point that needs more sweeps than `max_iter` is returned with the gap it has, `converged` false, and a
    ConvergenceWarning.  Raises ValueError for NaN, infinite, complex or empty input, shapes that disagree,
    labels that do not sort or are of a single class, C <= 0, and for tol, max_iter or threads that are no
    numbers > 0.
    """
    X, labels, Cs, weight, faults = _checked(X, y, Cs, sample_weight)
    faults += _limits(tol, max_iter, os.cpu_count() if threads is None else threads)
    if faults:
        raise ValueError("; ".join(faults))
    if not (kept := weight > 0).all():
        X, labels, weight = X[kept], labels[kept], weight[kept]
    lambdas = 1 / (Cs * kernels.total(weight))
    asked_for = Counter(lambdas.tolist())
    one_at_a_time = Lock()

    def told(lam: float) -> None:
        if progress is not None:
            with one_at_a_time:
                for _ in range(asked_for[lam]):
                    progress()

    problem = Problem.of(X, labels, weight, tol)
    found = along_the_grid(
        problem, sorted(asked_for, reverse=True), tol, max_iter, threads or os.cpu_count() or 1, told
    )
    asked = [found[lam] for lam in lambdas.tolist()]
    gap = np.array([certificate.gap for certificate, _ in asked])
    if not np.all(gap <= tol):
        at = ", ".join(f"C = {C:.4g} (gap {g:.1e})" for C, g in zip(Cs, gap, strict=True) if not g <= tol)
        message = f"relative duality gap above tol = {tol:g} after {max_iter} sweeps: {at}"
        warnings.warn(message, ConvergenceWarning, stacklevel=2)
    return RegularizationPath(
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
    elif not np.isfinite(largest := max(X.max(), -X.min())):
        faults.append("X: expected finite numbers, got NaN or infinity")
    elif largest > HUGE:
        faults.append(f"X: expected numbers up to {HUGE:g} in size, got {largest:g}")
    faults += _labels(y, len(X))
    if weight.shape != y.shape:
        faults.append(f"sample_weight: expected shape {y.shape}, got {weight.shape}")
    elif not ((weight == 0) | ((weight >= 1 / HUGE) & (weight <= HUGE))).all():
        faults.append(f"sample_weight: expected finite weights >= 0, 0 or from {1 / HUGE:g} to {HUGE:g}")
    elif not faults and len(np.unique(y[weight > 0])) < len(np.unique(y)):
        faults.append("sample_weight: expected a weight above 0 in every class")
    if Cs.ndim != 1 or not Cs.size or not ((Cs >= 1 / HUGE) & (Cs <= HUGE)).all():
        faults.append(f"Cs: expected finite numbers > 0, from {1 / HUGE:g} to {HUGE:g}, got {Cs}")
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
    near its largest number, so that float32 neither overflows nor cancels. Where the entries of each column
    are whole steps above the least one, 255 at most, as those of images, counts and flags are even when they
    are standardised, the copy is these numbers of steps in bytes, a quarter of what is to be read.
    A working column is then the bytes less `offset`.

    Behind the p columns stands a column of ones, the intercept's, and at least one empty column; behind the n
    rows at least one empty row.
    """

    X: Floats  # (n, p), as given
    hit: npt.NDArray[np.bool_]  # (K, rows): the row is of the class
    s: Floats  # (rows,): the row's weight, 0 behind the n rows
    share: Floats  # (K,): the weight of the class
    rows: Numbers  # (rows, columns): the working copy
    columns: Numbers  # its transposed copy
    offset: Floats  # (columns,): the mean of bytes; 0 where numbers are centred already
    levels: Floats | None  # (p, 256): what a byte of each column is on the data as given, if there are bytes
    centre: Floats  # (p,)
    scale: Floats  # (p,)
    unit: Floats  # (columns,): the penalty of a working column is lambda * unit, the intercept's 0
    norms: Floats  # (columns,): the root of sum_i s_i x_ij^2 of the working columns
    finest: float  # the least penalty of a column for its size, in units of lambda: 1 if all are standardised

    @classmethod
    def of(cls, X: Floats, labels: Indices, weight: Floats, tol: float) -> Problem:
        """Make the working copy of the data for the tolerance `tol`."""
        n, p = X.shape
        coarse = X.size > SMALL and tol >= FINE
        height, width = _up_to(8, n + 1), _up_to(16, p + 2)
        s = np.zeros(height)
        s[:n] = weight / kernels.total(weight)
        low, high, mean = kernels.column_ranges(X, s)
        largest = np.maximum(high - mean, mean - low)
        constant = (largest <= 1e-12 * np.maximum(abs(high), abs(low))) | (high - low < 1 / HUGE)
        offset = np.zeros(width)
        if coarse and (copy := _bytes(X, low, np.where(constant, 0.0, high - low), (height, width))):
            rows, columns, levels, scale = copy
            offset[:p] = (mean - low) / scale
        else:
            dtype = np.float32 if coarse else np.float64
            rows, columns, levels = np.zeros((height, width), dtype), np.zeros((width, height), dtype), None
            scale = np.where(constant, np.inf, np.ldexp(1.0, np.frexp(np.where(constant, 1.0, largest))[1]))
            kernels.working_copy(X, mean, 1 / scale, rows, columns)
        rows[:n, p] = columns[p, :n] = 1
        hit = np.zeros((labels.max() + 1, height), dtype=np.bool_)
        hit[labels, np.arange(n)] = True
        unit = np.ones(width)
        unit[:p] = np.where(constant, 1.0, 1 / scale)
        unit[p] = 0
        norms = kernels.column_norms(rows, offset, s)
        finest = float((unit[:p] / np.maximum(norms[:p], unit[:p] * 1e-300)).min())
        share = np.array([kernels.dot(mine.astype(np.float64), s) for mine in hit])
        return cls(X, hit, s, share, rows, columns, offset, levels, mean, scale, unit, norms, finest)

    @property
    def real(self) -> np.dtype[np.floating]:
        """The type of sums over rows or columns: float32 for bytes."""
        return np.promote_types(self.rows.dtype, np.float32)

    @property
    def p(self) -> int:
        """The number of columns as given, which is the place of the intercept in the working copy."""
        return int(self.X.shape[1])

    def on_the_data(self, V: Floats) -> tuple[Floats, Floats]:
        """Return W (K, p) and b (K,) for the data as given from coefficients of the working copy."""
        coef = V[:, : self.p] / self.scale
        shift = np.array([kernels.dot(row, self.centre) for row in coef])
        return coef, V[:, self.p] - shift


def _bytes(
    X: Floats, low: Floats, width: Floats, shape: tuple[int, int]
) -> tuple[Bytes, Bytes, Floats, Floats] | None:
    """Return X by rows and by columns in bytes, what they stand for and the steps, if X can be given so."""
    step = kernels.steps(X, low, width)
    if not step.any():
        return None
    scale = np.where(step > 0, step, np.inf)
    rows, columns = np.zeros(shape, np.uint8), np.zeros(shape[::-1], np.uint8)
    levels = np.full((X.shape[1], 256), np.nan)
    if not kernels.byte_copy(X, low, 1 / scale, rows, columns, levels):
        return None
    return rows, columns, np.nan_to_num(levels), scale


# 2. The state


@dataclass(slots=True)
class Working:
    """The working columns of one class, packed side by side, and their Gram matrix under frozen weights."""

    columns: Indices  # (m,), numbers of columns; filled up with the empty column to a multiple of 4
    packed: Numbers  # (rows, capacity)
    gram: Reals  # (capacity, capacity)
    known: int  # so many of the columns are in the Gram matrix
    weights: Reals  # (rows,), under which it was made
    shared: bool = False  # `packed` belongs to another point too: a copy is made before it grows

    @classmethod
    def none(cls, problem: Problem) -> Working:
        """Return no working columns."""
        height = problem.rows.shape[0]
        packed: Numbers = np.zeros((height, 0), problem.rows.dtype)
        return cls(
            np.zeros(0, np.intp), packed, np.zeros((0, 0), problem.real), 0, np.zeros(height, problem.real)
        )

    def branch(self) -> Working:
        """Return a copy that may grow and be made afresh without a change to this one."""
        return replace(self, gram=self.gram.copy(), weights=self.weights.copy(), shared=True)

    def take(self, problem: Problem, wanted: npt.NDArray[np.bool_]) -> bool:
        """Add the columns of `wanted` (columns,) that are not there; say whether there were any."""
        wanted[self.columns] = False
        new = np.flatnonzero(wanted)
        if not new.size:
            return False
        new = _fours(new, problem.rows.shape[1] - 1)
        m = self.columns.size
        if self.shared or m + new.size > self.packed.shape[1]:
            capacity = _up_to(16, (m + new.size) * 5 // 4)
            packed = np.zeros((len(self.packed), capacity), self.packed.dtype)
            packed[:, :m] = self.packed[:, :m]
            gram = np.zeros((capacity, capacity), problem.real)
            gram[:m, :m] = self.gram[:m, :m]
            self.packed, self.gram, self.shared = packed, gram, False
        kernels.pack(problem.columns, new, m, self.packed)
        self.columns = np.concatenate([self.columns, new])
        return True


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
    reference: tuple[Floats, Floats]  # a `counted` with the whole of its gradient
    before: Point | None = None

    def take(self, problem: Problem, wanted: npt.NDArray[np.bool_]) -> bool:
        """Add the columns of `wanted` (K, columns) to the working ones; say whether there were any."""
        wanted[:, problem.p] = True
        new = [work.take(problem, mine) for work, mine in zip(self.working, wanted, strict=True)]
        return any(new)

    def branch(self) -> Point:
        """Return this point with working columns that may grow without a change to its own."""
        return replace(self, working=[work.branch() for work in self.working])

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
    kernels.log(problem.share, V[:, problem.p])
    point = Point(
        lam=np.inf,
        V=V,
        eta=V,
        e=V,  # like the next ones, made below
        shift=V,
        loss=0.0,
        counted=V,
        gradient=V,
        working=[Working.none(problem) for _ in range(K)],
        reference=(V, V),
    )
    p = problem.p
    point = point.moved(problem, V, np.repeat(V[:, p : p + 1], problem.rows.shape[0], axis=1))
    point = refreshed(problem, point)
    point.lam = float((np.abs(point.gradient[:, :p]) / problem.unit[:p]).max())
    return point


# 3. The start of a point


def on_the_line(problem: Problem, point: Point, lam: float) -> Point:
    """Return the start at `lam` on the line through the grid point `point` and the one before it.

    The gradient is linear in the residuals, so it is known for residuals on the line of the two references.
    The working columns are `point`'s own.
    """
    before = point.before or point
    t = (before.lam - lam) / (before.lam - point.lam) if point.before else 0.0
    (R, g), (R_before, g_before) = point.reference, before.reference
    counted, gradient = R_before + t * (R - R_before), g_before + t * (g - g_before)
    start = replace(
        point, lam=lam, counted=counted.copy(), gradient=gradient.copy(), reference=(counted, gradient)
    )
    V, eta = before.V + t * (point.V - before.V), before.eta + t * (point.eta - before.eta)
    return start.moved(problem, *(keep_signs(problem, point.V, V, eta) if t > 1 else (V, eta)))


def extrapolated(problem: Problem, origin: Point) -> Point:
    """Return the start of the next grid point, by the two grid points before it.

    The working columns are those whose extrapolated gradient reaches lambda, whose gradient reached the last
    one, or whose weight is not zero; at the start of the path those of the strong rule.
    """
    lam = origin.lam * GRID_RATIO
    point = on_the_line(problem, origin, lam)
    size = np.abs(origin.gradient)
    if origin.before is None:
        wanted = size >= (2 * lam - origin.lam) * problem.unit
    else:
        wanted = (size >= origin.lam * problem.unit) | (np.abs(point.gradient) >= lam * problem.unit)
        still = replace(origin, lam=lam)
        if still.objective(problem) <= point.objective(problem):
            point = replace(
                point, V=origin.V.copy(), eta=origin.eta.copy(), e=origin.e.copy(), shift=origin.shift
            )
    wanted |= point.V != 0
    likely = wanted | (np.abs(point.gradient) >= LIKELY * lam * problem.unit)
    for k, work in enumerate(point.working):
        if work.columns.size > CROWDED * np.count_nonzero(likely[k]):
            point.working[k], wanted[k] = Working.none(problem), likely[k]
    point.take(problem, wanted)
    point.before = replace(origin, before=None, working=[])
    return point


def interpolated(problem: Problem, after: Point, lam: float) -> Point:
    """Return the start of a point that is asked for, on `after`, a branch of the next grid point."""
    point = on_the_line(problem, after, lam)
    point.take(problem, (np.abs(point.gradient) >= lam * problem.unit) | (point.V != 0))
    return point


# 4. A sweep over the classes


def sweep(problem: Problem, point: Point, target: float) -> float:
    """Minimise over one class after the other; return the worst violation met, as a part of lambda."""
    above, below = np.empty_like(point.e), np.zeros(point.e.shape[1])
    kernels.sums_below(point.e, above)
    still = STILL * target * point.lam * problem.finest
    worst = 0.0
    for k, work in enumerate(point.working):
        violation, work.known = kernels.class_step(
            problem.hit[k], problem.s, problem.columns, problem.offset, problem.unit, point.lam, target,
            still, above[k], below, point.shift, point.eta[k], point.e[k], point.counted[k], point.V[k],
            point.gradient[k], work.columns, work.packed, work.gram, work.known, work.weights,
        )  # fmt: skip
        worst = max(worst, violation)
    return worst


# 5. The span of the last sweeps


@dataclass(slots=True)
class History:
    """The coefficients and the scores that the last sweeps began with."""

    V: Floats  # (DEPTH, K, columns)
    eta: Floats  # (DEPTH, K, rows)
    length: int = 0
    worst: float = np.inf  # the violation that the last sweep met

    @classmethod
    def of(cls, point: Point) -> History:
        """Return an empty history for the size of this point."""
        return cls(np.empty((DEPTH, *point.V.shape)), np.empty((DEPTH, *point.eta.shape)))

    def add(self, point: Point) -> None:
        """Add a point from which a sweep is to begin."""
        at = self.length % DEPTH
        self.V[at], self.eta[at] = point.V, point.eta
        self.length += 1


def spanned(problem: Problem, point: Point, history: History) -> Point:
    """Return what one step of Newton's method gives in the span of `point` and the starts of the last sweeps.

    A start takes part with the weights that have the sign of `point`'s. `point` itself if that is lower.
    """
    m = min(history.length, DEPTH)
    V, eta = history.V[:m], history.eta[:m]
    for a in range(m):
        V[a] = keep_signs(problem, point.V, V[a], eta[a])[0]
    g, H = kernels.span_model(eta, point.eta, point.e, problem.hit, problem.s)
    penalty = point.lam * problem.unit * np.sign(point.V)
    g += [sum(kernels.dot(*pair) for pair in zip(penalty, start - point.V, strict=True)) for start in V]
    far = np.flatnonzero(np.diag(H) > NEAR[problem.real.itemsize] ** 2)
    if not far.size:
        return point
    size, c = np.sqrt(np.diag(H)[far]), np.zeros(m)
    H = H[np.ix_(far, far)] / size / size[:, None] + RIDGE * np.eye(far.size)
    c[far] = kernels.solve(H, -g[far] / size) / size
    c *= min(1.0, STRIDE / np.abs(c).sum())
    to, scores = keep_signs(problem, point.V, _blend(c, V, point.V), _blend(c, eta, point.eta))
    common = kernels.total(to[:, problem.p]) / len(to)  # one number more in all intercepts changes nothing
    to[:, problem.p] -= common
    there = point.moved(problem, to, scores - common)
    point.loss = kernels.losses(point.eta, point.e, problem.hit, point.shift, problem.s)
    return there if there.objective(problem) < point.objective(problem) else point


def _blend(c: Floats, stack: Floats, here: Floats) -> Floats:
    """Return ``here + sum_a c_a (stack_a - here)``."""
    out: Floats = (1 - kernels.total(c)) * here
    kernels.blend(c, stack, out)
    return out


def keep_signs(problem: Problem, old: Floats, V: Floats, eta: Floats) -> tuple[Floats, Floats]:
    """Return `V` and its scores with 0 for every weight that is not of the sign that it has in `old`.

    The scores are changed in place.
    """
    lost = (V != 0) & (V * old <= 0)
    lost[:, problem.p] = False
    move = np.empty(eta.shape[1], problem.real)
    for k in np.flatnonzero(lost.any(axis=1)):
        columns = np.flatnonzero(lost[k])
        weights = V[k, columns]
        start = -kernels.dot(weights, problem.offset[columns])
        kernels.combine(problem.columns, columns, weights, start, move)
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


def certify(problem: Problem, point: Point, tol: float) -> tuple[Point, Certificate]:
    """Return `point` with optimal intercepts and its gradient and scores afresh, and the duality gap there.

    The primal is that of the data as given, in float64 throughout. The dual point is::

        D = (1 - u) (Y + t R) + u M,    R = softmax - Y,    t = (lambda - u / finest) / max(lambda, |X' s R|)

    M has one row for all observations, the one with which each class of s (D - Y) sums to zero. u is the
    largest sum of a class of s R, as a part of the class: so large that M is in the simplex, and next to 0,
    since optimal intercepts have u = 0. No product |X' s (D - Y)| exceeds lambda: u / finest is more than
    u |X' s (M - Y)|, and the products with s R that are not made are below lambda. (t is 0 where u / finest
    is more than lambda.) The value of D, a mean of entropies, is at least 1 - u times that of Y + t R.

    The products are made on the working copy; what their rounding could hide is added to their size, so that
    D is feasible for the data as given too. R is of the scores of the sweeps, which drift from the
    coefficients by rounding: any R will do.
    """
    lam = point.lam
    small = 1e-3 * tol * min(1.0, lam * problem.finest)  # for u: it costs a thousandth of tol then
    point, R = _with_best_intercepts(problem, point, small)
    largest = with_gradient(problem, point, R)
    u = float(np.clip(_sums(point.counted) / problem.share, 0, 1).max())
    t = float(np.maximum(0.0, lam - u / problem.finest) / np.maximum(lam, largest))  # NaN stays NaN
    entropy = np.empty(R.shape[1])
    kernels.entropy(R, problem.hit, t, entropy)
    coef, b = problem.on_the_data(point.V)
    dual = (1 - u) * kernels.dot(entropy, problem.s)
    point = scored(problem, point, coef, b)
    primal = point.objective(problem)
    gap = float(np.maximum(0.0, primal - dual)) / primal  # NaN stays NaN
    return point, Certificate(coef, b - kernels.total(b) / len(b), primal, gap)


def scored(problem: Problem, point: Point, coef: Floats, b: Floats) -> Point:
    """Return the point, with these coefficients on the data as given, and its scores afresh in float64."""
    eta = np.zeros(point.eta.shape)
    sparse = np.append(0, np.cumsum(np.count_nonzero(coef, axis=1))), np.nonzero(coef)[1], coef[coef != 0]
    if problem.levels is None:
        kernels.scores(problem.X, *sparse, b, eta)
    else:
        kernels.scores_of_levels(problem.levels, problem.columns, *sparse, b, eta)
    return point.moved(problem, point.V, eta)


def with_gradient(problem: Problem, point: Point, R: Floats) -> float:
    """Count the residuals R in the gradient of `point`; return a bound of the largest on the data as given.

    By Cauchy and Schwarz a column's gradient is within |x_j| |R - R'| of the one at the reference's R'. Where
    that cannot reach lambda it is left as it is there and cannot limit, unless the column is a working one.
    Bytes have no rounding, so products with them are worth float64.
    """
    p, limit = problem.p, point.lam * problem.unit
    length = problem.norms + problem.offset
    point.counted = R * problem.s
    near = _near(problem, point, length, limit)
    if np.count_nonzero(near) > BROAD * near.size:
        refresh(problem, point)
        near = _near(problem, point, length, limit)
    fine, whole = (problem.real, 0.0) if problem.levels is None else (np.dtype(np.float64), kernels.WHOLE)
    pairs, sR, point.gradient = np.nonzero(near), point.counted.astype(fine), point.reference[1].copy()
    kernels.products(problem.columns, sR, *pairs, point.gradient)
    point.gradient[pairs] -= _sums(sR)[pairs[0]] * problem.offset[pairs[1]]
    hidden = (ROUNDINGS * np.finfo(fine).eps / 2 + whole) * length
    size = kernels.apart(point.counted, np.zeros_like(R), problem.s)[:, None]
    largest = np.where(near, np.abs(point.gradient) + hidden * size, 0.0)[:, :p] / problem.unit[:p]
    return float(largest.max())


def _near(problem: Problem, point: Point, length: Floats, limit: Floats) -> npt.NDArray[np.bool_]:
    """Return which gradients (K, columns) may reach `limit`, or are of working columns."""
    counted, gradient = point.reference
    moved = kernels.apart(point.counted, counted, problem.s)[:, None]
    hidden = ROUNDINGS * np.finfo(problem.real).eps / 2 * length  # |R'| is at most 1 where it is certified
    near: npt.NDArray[np.bool_] = np.abs(gradient) + problem.norms * moved + hidden > limit * (1 - 1e-9)
    near[:, problem.p] = True
    for mine, work in zip(near, point.working, strict=True):
        mine[work.columns] = True
    return near


def refresh(problem: Problem, point: Point) -> None:
    """Make the whole gradient of what is counted, and so a reference."""
    K, real = len(point.counted), problem.real
    sR = np.zeros((_up_to(2, K), len(problem.s)), real)
    sR[:K] = point.counted
    gradient = np.zeros((len(sR), len(problem.unit)))
    kernels.gradient(problem.rows, sR, np.empty(gradient.shape, real), gradient)
    gradient -= _sums(sR)[:, None] * problem.offset
    point.reference = point.counted.copy(), gradient[:K]
    point.gradient = gradient[:K].copy()


def _sums(R: Reals) -> Floats:
    """Return the sum of each row."""
    return np.array([kernels.total(row) for row in R])


def refreshed(problem: Problem, point: Point) -> Point:
    """Return the point with its residuals counted in the whole gradient."""
    R = np.empty_like(point.eta)
    kernels.residuals(point.e, problem.hit, R)
    point = replace(point, counted=R * problem.s)
    refresh(problem, point)
    return point


def _with_best_intercepts(problem: Problem, point: Point, tol: float) -> tuple[Point, Floats]:
    """Return the point with optimal intercepts (Newton's method) and its residuals softmax - Y.

    The residuals of each class add up to at most `tol` of the class then, or to what rounding allows. The
    heaviest class keeps its intercept, as adding one number to all of them changes nothing.
    """
    R = np.empty_like(point.eta)
    V, eta, others = point.V.copy(), point.eta, np.delete(np.arange(len(R)), problem.share.argmax())
    for attempt in range(30):
        point = point.moved(problem, V, eta)
        kernels.residuals(point.e, problem.hit, R)
        g = np.array([kernels.dot(row, problem.s) for row in R])
        if np.abs(g / problem.share).max() <= max(tol, 1e-12):
            break
        if attempt % 5 == 0:
            H = kernels.intercept_curvature(R, problem.hit, problem.s)[np.ix_(others, others)]
        step = np.zeros(len(g))
        step[others] = kernels.solve(H.copy(), -g[others])
        step /= max(1.0, np.abs(step).max())
        V[:, problem.p] += step
        eta = eta + step[:, None]
    return point, R


# 7. One point


def reach(problem: Problem, point: Point, history: History, target: float, sweeps: int) -> tuple[Point, int]:
    """Return the point after at most so many sweeps until the violation is foreseen to be at `target`."""
    for done in range(1, sweeps + 1):
        history.add(point)
        last, history.worst = history.worst, sweep(problem, point, target)
        if history.worst <= target or history.worst * max(FALL, history.worst / last) <= target:
            return point, done
        point = spanned(problem, point, history)
    return point, sweeps


def grid_point(problem: Problem, point: Point, tol: float, max_iter: int) -> Point:
    """Return the solution from the start `point`, uncertified, with the whole of its gradient."""
    sweeps, target, given, history = 0, MOST, point.reference, History.of(point)
    while True:
        target = min(target, target_for(problem, point, tol))
        allowed = min(PATIENCE, max_iter - sweeps)
        point, more = reach(problem, point, history, target, allowed)
        sweeps += more
        point, R = _with_best_intercepts(problem, point, 0.1 * tol)
        if point.reference is given:
            point.counted = R * problem.s
            refresh(problem, point)
        else:
            with_gradient(problem, point, R)
        penalty = point.lam * problem.unit
        worst = max(
            kernels.violation(g, v, penalty, point.lam) for g, v in zip(point.gradient, point.V, strict=True)
        )
        if worst <= target or sweeps >= max_iter:
            return point
        point, history.length = scored(problem, point, *problem.on_the_data(point.V)), 0
        point.take(problem, np.abs(point.gradient) > penalty)


def target_for(problem: Problem, point: Point, tol: float) -> float:
    """Return the violation that gives a gap of `tol`."""
    return NEED * tol * point.objective(problem) / (point.lam * _l1(problem, point.V) + 1e-300)


def solve(problem: Problem, point: Point, tol: float, max_iter: int) -> tuple[Certificate, int]:
    """Return the certified solution from the start `point` and the number of sweeps."""
    sweeps, target, history = 0, MOST, History.of(point)
    if point.before is None:
        return certify(problem, point, tol)[1], 0
    while True:
        target = min(target, target_for(problem, point, tol))
        allowed = min(PATIENCE, max_iter - sweeps)
        point, more = reach(problem, point, history, target, allowed)
        sweeps += more
        point, certificate = certify(problem, point, tol)
        if certificate.gap <= tol or sweeps >= max_iter:
            return certificate, sweeps
        history.length = 0  # the scores are afresh
        new = point.take(problem, np.abs(point.gradient) > point.lam * problem.unit)
        if not new and more < allowed:
            target *= max(0.2, 0.5 * tol / certificate.gap)


# 8. The path


def along_the_grid(
    problem: Problem,
    lambdas: Sequence[float],
    tol: float,
    max_iter: int,
    threads: int,
    told: Callable[[float], None],
) -> dict[float, tuple[Certificate, int]]:
    """Return the certified solution and its sweeps at each of `lambdas`, which fall; `told` hears of each.

    The grid points follow one another, and beside them the points that are asked for are solved.
    """

    def beneath(point: Point) -> Point:
        if point.lam * (1 - 1e-12) <= lambdas[-1]:
            return point  # the last of the grid
        return grid_point(problem, extrapolated(problem, point), max(tol, GRID_TOL), max_iter)

    def finished(after: Point, lam: float) -> tuple[Certificate, int]:
        certificate, sweeps = solve(problem, interpolated(problem, after.branch(), lam), tol, max_iter)
        told(lam)
        return certificate, sweeps

    found: dict[float, Future[tuple[Certificate, int]]] = {}
    point = first_point(problem)
    after = point.branch()  # the next grid point takes over the working columns of the last
    with ThreadPoolExecutor(threads) as workers:
        grid = workers.submit(beneath, point)
        for lam in lambdas:
            while lam < point.lam * (1 - 1e-12):
                point = grid.result()
                after = point.branch()
                grid = workers.submit(beneath, point)
            if len(found) >= 2 * threads:  # what waits keeps working columns in memory
                list(found.values())[-2 * threads].result()
            found[lam] = workers.submit(finished, after, lam)
    return {lam: future.result() for lam, future in found.items()}
