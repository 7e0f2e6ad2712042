"""Sparse data: columns as given in float64, centered implicitly, without those that can have no weight.

A column whose weighted absolute sum is below lambda times its penalty cannot have a weight: no residual is
larger than 1. For text these are most columns, the rare words. They are left out of the copy where they can
have none at any lambda of the path, and are not eligible at a lambda where they can have none there. Sums
over coefficients are over working columns, so that a point is the same bits whatever was left out.

Where X is large and the tolerance allows it, moves of scores, grid points' scores and Gram matrices are in
float32. Products with the columns are in float64.

A column without a zero is stored centered: its mean may be so far from 0 that an offset would cancel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array, csr_array

from l1path import kernels
from l1path.problem.base import (
    HALF_ULP,
    Problem,
    class_indicators,
    float32_suffices,
    is_constant,
    least_penalty_per_norm,
    round_up,
    row_sums,
)

if TYPE_CHECKING:
    from l1path.problem.base import Floats, Indices, Numbers, Reals
    from l1path.state import State

LEAST_LAMBDA = 0.75  # of the least lambda asked for: the last grid point is above it
SCATTERED_PRODUCT = 8  # multiply-adds in sequence, that take as long as one of a Hessian (measured)


@dataclass(frozen=True, slots=True)
class SparseProblem(Problem):
    """The columns of a CSC matrix that may have a weight."""

    data: Floats  # (entries,), by columns
    indices: npt.NDArray[np.integer]  # (entries,): the rows, ascending in a column
    indptr: npt.NDArray[np.integer]  # (p + 1,)
    kept: Indices  # (p,): the numbers of the columns in the data as given
    p_given: int  # columns of the data as given
    stored_center: Floats  # (p,): what was subtracted from a column's entries as given; 0 if it has zeros
    reduced: bool  # whether moves and Gram matrices are in float32
    absolute_sum: Floats  # (columns,): sum_i s_i |x_ij| relative to the penalty factor: no gradient is larger

    @classmethod
    def from_data(
        cls,
        X: Any,
        labels: Indices,
        weight: Floats,
        tol: float,
        l1_ratio: float,
        fit_intercept: bool,  # noqa: FBT001 - `Workers.call` passes arguments by position
        lam: float,
    ) -> SparseProblem:
        """Keep the columns of X (n, p), a CSC array, that may have a weight at `lam`, the least asked for."""
        in_class, s, class_share = class_indicators(labels, weight, round_up(X.shape[0] + 1, 8))
        reduced = float32_suffices(X.nnz, tol)
        low, high, mean, square, absolute = kernels.sparse_column_sums(X.data, X.indices, X.indptr, s)
        constant = is_constant(low, high, mean, fit_intercept=fit_intercept)
        possible = np.where(constant, 0.0, absolute)
        mean *= fit_intercept
        stored_center = np.where(np.diff(X.indptr) == X.shape[0], mean, 0.0)
        if stored_center.any():
            data = X.data - np.repeat(stored_center, np.diff(X.indptr))
            X = csc_array((data, X.indices, X.indptr), shape=X.shape)
            square = kernels.sparse_column_sums(X.data, X.indices, X.indptr, s)[3]
        offset = mean - stored_center
        least_square = square * 1e-14  # what cancellation leaves
        norm = np.sqrt(np.maximum(square - offset * offset, least_square))
        # over all columns, so that a point's steps do not depend on which of them the others need
        min_penalty_per_norm = least_penalty_per_norm(np.ones(len(norm)), np.where(constant, 0.0, norm))
        keep = possible >= LEAST_LAMBDA * lam
        keep[possible.argmax()] = True  # at least one, though its weight be 0
        kept = np.flatnonzero(keep)
        p_given, p, width = X.shape[1], kept.size, round_up(kept.size + 2, 16)
        if p < p_given:
            X = X[:, kept]

        def padded(values: Floats, intercept: float, empty: float) -> Floats:
            return np.concatenate([values, [intercept], np.full(width - p - 1, empty)])

        factor = padded(np.ones(p), 0.0, 1.0)
        ridge_ratio = (1 - l1_ratio) / l1_ratio
        return cls(
            in_class=in_class,
            s=s,
            class_share=class_share,
            offset=padded(offset[kept], 0.0, 0.0),
            center=mean[kept],
            scale=np.ones(p),
            penalty_factor=factor,
            ridge_ratio=ridge_ratio,
            ridge_factor=ridge_ratio * factor,
            column_norm=padded(norm[kept], float(fit_intercept), 0.0),
            repeated=np.zeros(width, np.bool_),
            min_penalty_per_norm=min_penalty_per_norm,
            fit_intercept=fit_intercept,
            data=X.data,
            indices=X.indices,
            indptr=X.indptr,
            kept=kept,
            p_given=p_given,
            stored_center=stored_center[kept],
            reduced=reduced,
            absolute_sum=padded(possible[kept], np.inf, 0.0),
        )

    @property
    def _matrix(self) -> tuple[Floats, npt.NDArray[np.integer], npt.NDArray[np.integer]]:
        return self.data, self.indices, self.indptr

    @property
    def is_reduced(self) -> bool:
        """Whether moves and Gram matrices are in float32; the columns are not."""
        return self.reduced

    def in_float64(self) -> Problem:
        """Return this problem with moves and Gram matrices in float64."""
        return replace(self, reduced=False)

    @property
    def sum_dtype(self) -> np.dtype[np.floating]:
        """The type of sums over rows or columns."""
        return np.dtype(np.float32 if self.reduced else np.float64)

    @property
    def density(self) -> float:
        """The share of the working copy's numbers that products read."""
        return self.data.size / (len(self.s) * self.p)

    @property
    def product_error(self) -> tuple[np.dtype[np.floating], Floats]:
        """The type of products, and a bound of their error relative to |x_j| |R|.

        A half-ulp for each addition and product: of the column's entries, of the residuals' sum, and 8 more.
        """
        entries = np.zeros(self.width)
        entries[: self.p] = np.diff(self.indptr)
        return np.dtype(np.float64), HALF_ULP * (entries + len(self.s) / 8 + 16)

    @property
    def reference_error(self) -> Floats:
        """The same bound for the products of a full gradient."""
        return self.product_error[1]

    @property
    def reference_dtype(self) -> np.dtype[np.floating]:
        """The type in which the gradient of a reference is kept: it only screens, and is the most memory."""
        return np.dtype(np.float32)

    def full_gradient(self, sR: Reals) -> Floats:
        """Return sR (K, rows) times the working columns, (K, columns)."""
        gradient, sums = np.zeros((len(sR), self.width)), row_sums(sR)
        kernels.sparse_full_gradient(*self._matrix, np.ascontiguousarray(sR.T), gradient)
        gradient[:, self.p] = sums * self.fit_intercept
        for k, row_sum in enumerate(sums):
            gradient[k] -= row_sum * self.offset
        return gradient

    def gradient_entries(self, sR: Reals, classes: Indices, chosen: Indices, out: Floats) -> None:
        """Set out[classes, chosen], out (K, columns), to the products of these classes and columns."""
        kernels.sparse_gradient_entries(*self._matrix, self.fit_intercept, sR, classes, chosen, out)
        out[classes, chosen] -= row_sums(sR)[classes] * self.offset[chosen]

    def combine(self, chosen: Indices, weights: Floats, out: Reals) -> None:
        """Set `out` (rows,) to the sum of the working columns `chosen` with these weights."""
        start = -kernels.dot(weights, self.offset[chosen])
        kernels.sparse_combine(*self._matrix, self.fit_intercept, chosen, weights, start, out)

    def scores(self, coef: Any, b: Floats, out: Floats) -> None:
        """Set `out` (K, rows) to the scores of `coef` (K, p as given) and b (K,), from the data as given."""
        for k, own in enumerate(out):
            entries = slice(*coef.indptr[k : k + 2])
            chosen, weights = np.searchsorted(self.kept, coef.indices[entries]), coef.data[entries]
            start = b[k] + kernels.dot(weights, self.stored_center[chosen])
            kernels.sparse_combine(*self._matrix, self.fit_intercept, chosen, weights, start, own)

    def hessian_work(self, chosen: Indices) -> float:
        """Return what the Hessian over the weights of the columns `chosen` takes, in sequence."""
        entries = float(np.diff(self.indptr)[chosen[chosen < self.p]].sum())
        return SCATTERED_PRODUCT * entries**2 / (2 * len(self.s)) + len(self.in_class) * entries

    def joint_hessian(self, P: Floats, chosen: Indices, starts: Indices) -> Floats:
        """Return the Hessian over the weights of the columns `chosen`, as `kernels.joint_hessian` has it."""
        H = np.empty((chosen.size, chosen.size))
        kernels.sparse_joint_hessian(
            *self._matrix, self.fit_intercept, self.offset, chosen, starts, P, self.s, H
        )
        return H

    def packed_columns(self, capacity: int) -> Numbers:
        """Return an array without rows: sparse columns are not packed."""
        return np.zeros((0, capacity))

    def pack(self, columns: Indices, at: int, packed: Numbers) -> None:
        """Do nothing."""

    def class_step(
        self, state: State, k: int, above: Floats, below: Floats, target: float, move: Reals
    ) -> float:
        """Minimize over class k by a quadratic model, in place; return its violation before.

        `move` (rows,), in the precision of sums, is set to what is added to the scores.
        """
        working_set = state.working_sets[k]
        working_set.own_gram()
        violation, working_set.gram_size = kernels.sparse_class_step(
            self.in_class[k], self.s, *self._matrix, self.fit_intercept, self.offset, self.penalty_factor,
            self.ridge_factor, state.lam, self.intercept_unit(state.lam), target, above, below, state.shift,
            state.eta[k], state.e[k], state.gradient_residual[k], state.V[k], state.gradient[k],
            working_set.columns, working_set.gram, working_set.gram_size, working_set.gram_weights, move,
        )  # fmt: skip
        return float(violation)

    def eligible(self, lam: float) -> npt.NDArray[np.bool_]:
        """Return the mask (columns,) of the columns that may have a weight at lambda."""
        return np.asarray(self.absolute_sum >= lam)

    def original_coefficients(self, V: Floats) -> tuple[csr_array, Floats]:
        """Return W (K, p as given) and b (K,) for the data as given from coefficients of the working copy."""
        classes, chosen = np.nonzero(V[:, : self.p])
        numbers = V[classes, chosen], (classes, self.kept[chosen])
        coef, b = csr_array(numbers, shape=(len(V), self.p_given)), V[:, self.p].copy()
        for k, row in enumerate(V[:, : self.p]):
            used = np.flatnonzero(row)
            b[k] -= kernels.dot(row[used], self.center[used])
        return coef, b

    @property
    def has_all_columns(self) -> bool:
        """Whether the working copy has every column that may have a weight at any lambda: it has not."""
        return False

    @property
    def sums_over_working_columns(self) -> bool:
        """Whether sums over coefficients are over the columns of the working sets alone."""
        return True
