"""An iterate and a grid point: coefficients, scores, gradient, and the working set of each class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from l1path import kernels
from l1path.problem.base import round_up

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from l1path.problem.base import Columns, Floats, Indices, Numbers, Problem, Reals


@dataclass(slots=True)
class WorkingSet:
    """The working columns of one class, packed side by side, and their weighted Gram matrix."""

    columns: Indices  # (m,), column numbers, padded to a multiple of 4 with the empty column
    packed: Numbers  # (rows, capacity), or no rows where columns are sparse
    gram: Reals  # (capacity, capacity)
    gram_size: int  # the number of leading columns that the Gram matrix has
    gram_weights: Reals  # (rows,), the row weights of the Gram matrix
    shared: bool = False  # whether another state uses `packed` too, so that growing needs a copy
    gram_is_shared: bool = False  # the same for the Gram matrix and its weights, and refreshing them

    @classmethod
    def empty(cls, problem: Problem) -> WorkingSet:
        """Return a working set without columns."""
        height, dtype = len(problem.s), problem.sum_dtype
        return cls(
            columns=np.zeros(0, np.intp),
            packed=problem.packed_columns(0),
            gram=np.zeros((0, 0), dtype),
            gram_size=0,
            gram_weights=np.zeros(height, dtype),
        )

    def fork(self) -> WorkingSet:
        """Return a copy that can grow and refresh its Gram matrix without changing this one.

        This one goes on to grow in its `packed` array, of which the copy has the first columns. Each copies
        the Gram matrix before its first class step.
        """
        self.gram_is_shared = True
        return replace(self, shared=True)

    def own_gram(self) -> None:
        """Copy the Gram matrix and its weights if another state uses them."""
        if self.gram_is_shared:
            self.gram, self.gram_weights = self.gram.copy(), self.gram_weights.copy()
            self.gram_is_shared = False

    def add(self, problem: Problem, wanted: npt.NDArray[np.bool_]) -> bool:
        """Add the columns of the mask `wanted` (columns,) that are missing; return whether any was."""
        wanted[self.columns] = False
        new = np.flatnonzero(wanted)
        if not new.size:
            return False
        new = np.append(new, np.full(round_up(new.size, 4) - new.size, problem.width - 1, np.intp))
        m = self.columns.size
        if self.shared or m + new.size > len(self.gram):
            capacity = round_up((m + new.size) * 5 // 4, 16)
            packed = problem.packed_columns(capacity)
            packed[:, :m] = self.packed[:, :m]
            gram = np.zeros((capacity, capacity), problem.sum_dtype)
            gram[:m, :m] = self.gram[:m, :m]
            self.packed, self.gram, self.shared = packed, gram, False
        problem.pack(new, m, self.packed)
        self.columns = np.concatenate([self.columns, new])
        return True


def between(start: Reals, end: Reals, t: float) -> Floats:
    """Return ``start + t (end - start)``, in float64."""
    out: Floats = np.subtract(end, start, dtype=np.float64)
    out *= t
    out += start
    return out


@dataclass(frozen=True, slots=True)
class Reference:
    """Weighted residuals with the gradient of every column at them."""

    residual: Reals  # (K, rows), as rounded where the gradient is a product of them
    gradient: Reals  # (K, columns), in units of `unit`
    unit: float  # a power of two
    error: float | Floats  # a bound of the gradient's rounding relative to |x_j| |R|

    @classmethod
    def of(cls, problem: Problem, residual: Reals, gradient: Floats) -> Reference:
        """Return the reference of these residuals, with their gradient in the precision of references."""
        kept, error = np.empty(gradient.shape, problem.reference_dtype), problem.reference_error
        unit = float(np.ldexp(1.0, np.frexp(max(np.abs(row).max() for row in gradient))[1]))
        for row, own in zip(gradient, kept, strict=True):
            own[:] = row / unit
        if kept.dtype == np.float32:
            error = error + float(np.finfo(np.float32).eps) / 2  # what underflows is nothing beside lambda
        return cls(residual, kept, unit, error)

    def row(self, k: int) -> tuple[Reals, Floats]:
        """Return the residuals and the gradient of class k."""
        return self.residual[k], self.unit * self.gradient[k].astype(np.float64)


@dataclass(frozen=True, slots=True)
class ReferenceLine:
    """The reference at `t` on the line from `start` (t = 0) to `end` (t = 1), which is made row by row."""

    start: Reference
    end: Reference
    t: float

    @property
    def error(self) -> float | Floats:
        """A bound of the gradient's rounding relative to |x_j| |R|, for t from 0 to 1."""
        return np.maximum(self.start.error, self.end.error)

    def row(self, k: int) -> tuple[Floats, Floats]:
        """Return the residuals and the gradient of class k."""
        (R, gradient), (R_end, gradient_end) = self.start.row(k), self.end.row(k)
        return between(R, R_end, self.t), between(gradient, gradient_end, self.t)


@dataclass(slots=True)
class State:
    """The iterate at one lambda. Its arrays are its own, and steps change it in place."""

    lam: float
    V: Floats  # (K, columns): coefficients of the working copy
    eta: Floats  # (K, rows): scores
    e: Floats  # (K, rows): exp(eta - shift)
    shift: Floats  # (rows,)
    loss: float  # the cross-entropy at eta
    gradient_residual: Floats  # (K, rows): s (softmax - Y) as it is included in the gradient
    gradient: Floats  # (K, columns), of the cross-entropy
    working_sets: list[WorkingSet]
    reference: Reference | ReferenceLine | None  # None until a full gradient is computed

    @classmethod
    def at(
        cls,
        problem: Problem,
        lam: float,
        V: Floats,
        eta: Floats,
        working_sets: list[WorkingSet],
    ) -> State:
        """Return the state of these coefficients and their scores; its gradient includes nothing."""
        e, shift, residual = np.empty_like(eta), np.empty(eta.shape[1]), np.zeros_like(eta)
        state = cls(lam, V, eta, e, shift, 0.0, residual, np.zeros_like(V), working_sets, None)
        state.set_scores(problem, eta)
        return state

    def add_to_working_sets(self, problem: Problem, wanted: npt.NDArray[np.bool_]) -> bool:
        """Add the columns of the mask `wanted` (K, columns) that are missing; return whether any was."""
        wanted[:, ~problem.eligible(self.lam)] = False
        wanted[:, problem.p] = True
        added = [
            working_set.add(problem, mask)
            for working_set, mask in zip(self.working_sets, wanted, strict=True)
        ]
        return any(added)

    def working_columns(self) -> npt.NDArray[np.bool_]:
        """Return the mask (K, columns) of the columns in the working set of each class."""
        mask = np.zeros(self.V.shape, np.bool_)
        for row, working_set in zip(mask, self.working_sets, strict=True):
            row[working_set.columns] = True
        return mask

    def summed_columns(self, problem: Problem) -> Columns:
        """Return the columns over which sums over coefficients are: all, or those of the working sets."""
        if not problem.sums_over_working_columns:
            return slice(None)
        return np.unique(np.concatenate([working_set.columns for working_set in self.working_sets]))

    def l1_norm(self, problem: Problem) -> float:
        """Return |W|_1."""
        columns = self.summed_columns(problem)
        return problem.l1_norm(self.V[:, columns], columns)

    def penalty(self, problem: Problem) -> float:
        """Return the penalty in units of lambda."""
        columns = self.summed_columns(problem)
        return problem.penalty(self.V[:, columns], columns)

    def objective(self, problem: Problem) -> float:
        """Return the objective P(W, b)."""
        return self.loss + self.lam * self.penalty(problem)

    def set_scores(self, problem: Problem, eta: Floats) -> None:
        """Set the scores, with their exponentials and loss; the gradient is unchanged."""
        loss = np.empty(eta.shape[1])
        kernels.exponentials(eta, problem.in_class, self.shift, self.e, loss)
        self.eta, self.loss = eta, kernels.dot(loss, problem.s)

    def add_to_intercepts(self, problem: Problem, step: Floats) -> None:
        """Add `step` (K,) to the intercepts; the loss and the gradient are unchanged."""
        factor = np.empty(len(step))
        kernels.exp(step, factor)
        self.V[:, problem.p] += step
        self.eta += step[:, None]
        self.e *= factor[:, None]

    def move_if_lower(self, problem: Problem, columns: Columns, V: Floats, move: Reals) -> bool:
        """Set the coefficients in `columns`, which adds `move` (K, rows) to the scores, if that is lower.

        Returns whether the objective is lower there. Where it is not, the scores are moved back and their
        exponentials computed again: that is rare, and both sides of a move would occupy twice the memory.
        """
        objective, present = self.objective(problem), self.V[:, columns].copy()
        self.V[:, columns] = V
        self.eta += move
        self.set_scores(problem, self.eta)
        if self.objective(problem) < objective:
            return True
        self.V[:, columns] = present
        self.eta -= move
        self.set_scores(problem, self.eta)
        return False

    def recompute_loss(self, problem: Problem) -> None:
        """Set the loss, which steps over the classes and intercepts leave as it was."""
        self.loss = kernels.cross_entropy(self.eta, self.e, problem.in_class, self.shift, problem.s)

    def recompute_scores(self, problem: Problem, coef: Floats | csr_array, b: Floats) -> None:
        """Set the scores to those of `coef` (K, p) and `b` (K,) on the data as given, in float64.

        The scores that the passes update accumulate rounding errors, which the coefficients do not have.
        """
        problem.scores(coef, b, self.eta)
        self.set_scores(problem, self.eta)


@dataclass(frozen=True, slots=True)
class GridPoint:
    """A solved grid point, with what a line through it and the grid point before it needs."""

    lam: float
    columns: Indices  # in which a class has a coefficient other than 0
    V: Floats  # (K, columns.size): the coefficients in them
    eta: Reals  # (K, rows), in the precision of sums
    loss: float  # the cross-entropy at eta
    reference: Reference
    likely: npt.NDArray[np.bool_]  # (K, columns): what its gradient adds to the next one's working sets
    penalty: float  # in units of lambda
    factors: int  # of GRID_RATIO, from the grid point before
    working_sets: list[WorkingSet]
    previous: GridPoint | None  # without working sets

    @property
    def objective(self) -> float:
        """The objective P(W, b)."""
        return self.loss + self.lam * self.penalty

    def coefficients(self, columns: Indices) -> Floats:
        """Return the coefficients (K, columns.size) in ascending `columns`, which include all but zeros."""
        out = np.zeros((len(self.V), columns.size))
        out[:, np.searchsorted(columns, self.columns)] = self.V
        return out

    def fork(self) -> GridPoint:
        """Return this grid point with working sets that can grow without changing its own."""
        return replace(self, working_sets=[working_set.fork() for working_set in self.working_sets])

    def on(self, problem: Problem) -> GridPoint:
        """Return this grid point on a working copy of another precision, on the same scale."""
        return replace(self, working_sets=repacked(problem, self.lam, self.working_sets))

    def without_working_sets(self) -> GridPoint:
        """Return what the next grid point needs of this one as its `previous`: the rest occupies memory."""
        return replace(self, likely=self.likely[:0].copy(), working_sets=[], previous=None)


def repacked(problem: Problem, lam: float, working_sets: list[WorkingSet]) -> list[WorkingSet]:
    """Return these working sets with the columns of `problem`, and without Gram matrices."""
    out = []
    for working_set in working_sets:
        wanted = np.zeros(problem.width, np.bool_)
        wanted[working_set.columns] = True
        wanted[problem.p + 1 :] = False
        wanted &= problem.eligible(lam)
        wanted[problem.p] = True
        out.append(WorkingSet.empty(problem))
        out[-1].add(problem, wanted)
    return out


def zero_sign_changes(
    problem: Problem, old: Floats, V: Floats, eta: Reals, columns: Columns = slice(None)
) -> Floats:
    """Return `V` with 0 for every coefficient whose sign differs from the one in `old`.

    V, old : (K, columns), or of some `columns` only.  The scores of V are changed in place.
    """
    changed = (V != 0) & (V * old <= 0) & (problem.penalty_factor[columns] > 0)
    numbers, move = np.arange(problem.width)[columns], np.empty(eta.shape[1], problem.sum_dtype)
    for k in np.flatnonzero(changed.any(axis=1)):
        problem.combine(numbers[changed[k]], V[k, changed[k]], move)
        eta[k] -= move
    return np.where(changed, 0.0, V)
