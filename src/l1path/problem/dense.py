"""Dense data: the working copy in bytes, float32 or float64."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from l1path import kernels
from l1path.problem.base import (
    Problem,
    class_indicators,
    float32_suffices,
    is_constant,
    least_penalty_per_norm,
    round_up,
    row_sums,
)
from l1path.workers import number_of_parts, share, stop_if_unwanted

if TYPE_CHECKING:
    from l1path.problem.base import Floats, Indices, Numbers, Reals
    from l1path.state import State, WorkingSet

NARROW_WIDTH = 128  # columns: up to this width rows are read from columns as fast as from a copy by rows
GRAM_ROW_THRESHOLD = 0.1  # of the mean weight: a lighter row adds to the diagonal of the Gram matrix only
RESIDUAL_UPDATE_THRESHOLD = 1.0  # of the target: the gradient ignores a residual that has changed by less
GRADIENT_ROUNDINGS = (
    16  # half-ulps of a product in a gradient: 2 factors, itself, 10 sums of 32 rows, 3 spare
)


@dataclass(frozen=True, slots=True)
class DenseProblem(Problem):
    """The data as given and a working copy of them.

    Each column of the working copy is divided by a power of two near its largest number, so that float32
    neither overflows nor cancels. If the entries of every column are whole steps above its least entry, 255
    at most, the copy holds these numbers of steps in bytes: a quarter of the memory to read. Images, counts
    and flags are such data, standardized or not. A working column is then the bytes less `offset`.

    Many columns are held by rows, too, and the working columns of each class side by side. Few columns
    (NARROW_WIDTH) are held once, since K packed copies of them would be K times the data.
    """

    X: Floats  # (n, p), as given
    rows: Numbers  # (rows, columns): the working copy by rows; no rows where columns are few
    columns: Numbers  # (columns, rows): the working copy by columns
    levels: (
        Floats | None
    )  # (p, 256): the entry of X that each byte of a column represents, if there are bytes

    @classmethod
    def from_data(
        cls,
        X: Floats,
        labels: Indices,
        weight: Floats,
        tol: float,
        l1_ratio: float = 1.0,
        fit_intercept: bool = True,  # noqa: FBT001, FBT002 - `Workers.call` passes arguments by position
    ) -> DenseProblem:
        """Make the working copy for X (n, p), labels (n,) 0 to K - 1, row weights (n,) and the tolerance."""
        n, p = X.shape
        reduced_precision = float32_suffices(X.size, tol)
        height, width = round_up(n + 1, 8), round_up(p + 2, 16)
        in_class, s, class_share = class_indicators(labels, weight, height)
        low, high, mean = kernels.column_ranges(X, s)
        constant = is_constant(low, high, mean, fit_intercept=fit_intercept)
        if not fit_intercept:
            low, high, mean = np.minimum(low, 0), np.maximum(high, 0), np.zeros(p)
        offset = np.zeros(width)
        column_width = np.where(constant, 0.0, high - low)
        if reduced_precision and (copy := _byte_copy(X, low, column_width, height, width)):
            rows, columns, levels, scale = copy
            offset[:p] = (mean - low) / scale
        else:
            dtype = np.float32 if reduced_precision else np.float64
            (rows, columns), levels = _empty_copy(height, width, dtype), None
            largest = np.where(constant, 1.0, np.maximum(high - mean, mean - low))
            scale = np.where(constant, np.inf, np.ldexp(1.0, np.frexp(largest)[1]))
            kernels.float_copy(X, mean, 1 / scale, rows, columns)
        rows, columns = _with_intercept(rows, columns, n, p, fit_intercept=fit_intercept)
        factor = np.ones(width)
        factor[:p] = np.where(constant, 1.0, 1 / scale)
        factor[p] = 0
        norm = kernels.column_norms(columns, offset, s)
        ridge_ratio = (1 - l1_ratio) / l1_ratio
        return cls(
            in_class=in_class,
            s=s,
            class_share=class_share,
            offset=offset,
            center=mean,
            scale=scale,
            penalty_factor=factor,
            ridge_ratio=ridge_ratio,
            ridge_factor=ridge_ratio * factor**2,
            column_norm=norm,
            repeated=np.zeros(width, np.bool_) if ridge_ratio else _repeated(columns, norm, factor),
            min_penalty_per_norm=least_penalty_per_norm(factor[:p], norm[:p]),
            fit_intercept=fit_intercept,
            X=X,
            rows=rows,
            columns=columns,
            levels=levels,
        )

    def in_float64(self) -> DenseProblem:
        """Return this problem with a working copy in float64, on the same scale."""
        rows, columns = _empty_copy(len(self.s), self.width, np.float64)
        kernels.float_copy(self.X, self.center, 1 / self.scale, rows, columns)
        rows, columns = _with_intercept(rows, columns, *self.X.shape, fit_intercept=self.fit_intercept)
        offset = np.zeros(len(self.offset))
        norm = kernels.column_norms(columns, offset, self.s)
        return replace(self, rows=rows, columns=columns, offset=offset, levels=None, column_norm=norm)

    @property
    def is_reduced(self) -> bool:
        """Whether the working copy is in bytes or float32."""
        return self.columns.dtype != np.float64

    @property
    def sum_dtype(self) -> np.dtype[np.floating]:
        """The type of sums over rows or columns: float32 for bytes."""
        return np.promote_types(self.columns.dtype, np.float32)

    @property
    def density(self) -> float:
        """The share of the working copy's numbers that products read."""
        return 1.0

    @property
    def product_error(self) -> tuple[np.dtype[np.floating], float]:
        """The type of the certificate's products, and their error relative to |x_j| |R|.

        Bytes have no rounding errors, so their products are computed in float64.
        """
        bytes_have_no_rounding = self.levels is not None
        dtype = np.dtype(np.float64) if bytes_have_no_rounding else self.sum_dtype
        rounding = GRADIENT_ROUNDINGS * float(np.finfo(dtype).eps) / 2
        return dtype, rounding + (kernels.INTEGER_TOL if bytes_have_no_rounding else 0.0)

    @property
    def reference_error(self) -> float:
        """The error of a full gradient's products relative to |x_j| |R|."""
        return GRADIENT_ROUNDINGS * float(np.finfo(self.sum_dtype).eps) / 2

    @property
    def reference_dtype(self) -> np.dtype[np.floating]:
        """The type in which the gradient of a reference is kept: passes go on from it."""
        return np.dtype(np.float64)

    def full_gradient(self, sR: Reals) -> Floats:
        """Return sR (K, rows) times the working columns, (K, columns)."""
        K = len(sR)
        if not self.rows.size:
            gradient = np.zeros((K, self.width))
            chosen, classes = np.indices((self.p + 1, K)).reshape(2, -1)
            self.gradient_entries(sR.astype(self.sum_dtype, copy=False), classes, chosen, gradient)
            return gradient
        residuals = np.zeros((round_up(K, 2), len(self.s)), self.sum_dtype)
        residuals[:K] = sR
        gradient = np.zeros((len(residuals), self.width))
        part = np.empty(gradient.shape, self.sum_dtype)
        share(
            kernels.full_gradient,
            [
                (self.rows, residuals[a:z], part[a:z], gradient[a:z])
                for a, z in equal_parts(len(residuals), residuals[0].size * gradient.size, 2)
            ],
        )
        return np.asarray((gradient - row_sums(residuals)[:, None] * self.offset)[:K])

    def gradient_entries(self, sR: Reals, classes: Indices, chosen: Indices, out: Floats) -> None:
        """Set out[classes, chosen], out (K, columns), to the products of these classes and columns."""
        share(
            kernels.gradient_entries,
            [
                (self.columns, sR, classes[a:z], chosen[a:z], out)
                for a, z in equal_parts(classes.size, classes.size * len(self.s))
            ],
        )
        out[classes, chosen] -= row_sums(sR)[classes] * self.offset[chosen]

    def combine(self, chosen: Indices, weights: Floats, out: Reals) -> None:
        """Set `out` (rows,) to the sum of the working columns `chosen` with these weights."""
        start = -kernels.dot(weights, self.offset[chosen])
        kernels.combine_columns(self.columns, chosen, weights, start, out)

    def scores(self, coef: Floats, b: Floats, out: Floats) -> None:
        """Set `out` (K, rows) to the scores of `coef` (K, p) and b (K,), in float64 on the data as given."""
        nonzero = coef != 0
        starts, chosen = np.append(0, np.cumsum(np.count_nonzero(coef, axis=1))), np.nonzero(coef)[1]
        data = (self.X,) if self.levels is None else (self.levels, self.columns)
        out[:, len(self.X) :] = 0
        share(
            kernels.scores if self.levels is None else kernels.scores_from_bytes,
            [
                (*data, starts[a : z + 1], chosen, coef[nonzero], b[a:z], out[a:z])
                for a, z in equal_parts(len(coef), chosen.size * len(self.s))
            ],
        )

    def hessian_work(self, chosen: Indices) -> float:
        """Return the multiply-adds that the Hessian over the weights of the columns `chosen` takes."""
        return len(self.s) * chosen.size**2 / 2

    def joint_hessian(self, P: Floats, chosen: Indices, starts: Indices) -> Floats:
        """Return the Hessian over the weights of the columns `chosen`, as `kernels.joint_hessian` has it."""
        H = np.zeros((chosen.size, chosen.size))
        kernels.joint_hessian(self.columns, self.offset, P, self.s, chosen, starts, H)
        return H

    def packed_columns(self, capacity: int) -> Numbers:
        """Return zeros for a class's working columns, packed side by side; no rows where columns are few."""
        return np.zeros((len(self.rows), capacity), self.columns.dtype)

    def pack(self, columns: Indices, at: int, packed: Numbers) -> None:
        """Write these columns into `packed`, from place `at` on."""
        if packed.size:
            kernels.pack_columns(self.columns, columns, at, packed)

    def class_step(
        self, state: State, k: int, above: Floats, below: Floats, target: float, move: Reals
    ) -> float:
        """Minimize over class k by a quadratic model, in place; return its violation before.

        `move` (rows,), in the precision of sums, is set to what is added to the scores.
        """
        working_set, done = state.working_sets[k], False
        working_set.own_gram()
        while not done:
            violation, working_set.gram_size, done = kernels.class_step(
                self.in_class[k], self.s, self.columns, self.offset, self.penalty_factor, self.ridge_factor,
                state.lam, self.intercept_unit(state.lam), target,
                RESIDUAL_UPDATE_THRESHOLD * target * state.lam * self.min_penalty_per_norm,
                above, below, state.shift,
                state.eta[k], state.e[k], state.gradient_residual[k], state.V[k], state.gradient[k],
                working_set.columns, working_set.packed, working_set.gram, working_set.gram_size,
                working_set.gram_weights, move,
            )  # fmt: skip
            if not done:
                stop_if_unwanted()
                self._complete_gram(working_set)
        return float(violation)

    def _complete_gram(self, working_set: WorkingSet) -> None:
        """Extend the Gram matrix of a working set from its `gram_size` to all columns."""
        w, G, chosen = working_set.gram_weights, working_set.gram, working_set.columns
        offset = self.offset[chosen].astype(self.sum_dtype)
        start, stop = working_set.gram_size, chosen.size
        if working_set.packed.size:
            heavy = kernels.select_heavy_rows(w, GRAM_ROW_THRESHOLD * kernels.total(w), self.s)
            parts = triangle_parts(start, stop, heavy.size * (stop**2 - start**2) // 2)
            share(kernels.gram_rows, [(working_set.packed, offset, w, heavy, *part, G) for part in parts])
        else:
            kernels.gram_rows_by_columns(self.columns, chosen, offset, w, start, stop, G)
        kernels.mirror(start, stop, G)
        working_set.gram_size = stop

    def eligible(self, lam: float) -> npt.NDArray[np.bool_]:  # noqa: ARG002 - the same at every lambda
        """Return the mask (columns,) of the columns that may have a weight: those that repeat none."""
        return ~self.repeated

    def original_coefficients(self, V: Floats) -> tuple[Floats, Floats]:
        """Return W (K, p) and b (K,) for the data as given from coefficients of the working copy."""
        coef = V[:, : self.p] / self.scale
        shift = np.array([kernels.dot(row, self.center) for row in coef])
        return coef, V[:, self.p] - shift

    @property
    def has_all_columns(self) -> bool:
        """Whether the working copy has every column that may have a weight at any lambda: it has."""
        return True

    @property
    def sums_over_working_columns(self) -> bool:
        """Whether sums over coefficients are over the columns of the working sets alone."""
        return False


def equal_parts(count: int, work: int, step: int = 1) -> list[tuple[int, int]]:
    """Return bounds, multiples of `step`, of the parts of `count` outputs that take `work` multiply-adds."""
    ends = step * np.rint(np.linspace(0, count / step, number_of_parts(work) + 1)).astype(int)
    return list(pairwise(ends.tolist()))


def triangle_parts(start: int, stop: int, work: int) -> list[tuple[int, int]]:
    """Return even bounds of parts of equal size of the rows start to stop of a lower triangle."""
    ends = np.sqrt(np.linspace(start**2, stop**2, number_of_parts(work) + 1))
    return list(pairwise((2 * np.rint(ends / 2).astype(int)).tolist()))


def _repeated(columns: Numbers, norm: Floats, penalty_factor: Floats) -> npt.NDArray[np.bool_]:
    """Return for each of `columns` whether it equals one before it, with the same penalty, and is not 0."""
    repeated = np.zeros(len(columns), np.bool_)
    seen: dict[tuple[int, float], list[int]] = {}
    for j in np.flatnonzero(norm).tolist():
        alike = seen.setdefault((hash(columns[j].tobytes()), penalty_factor[j]), [])
        repeated[j] = any(np.array_equal(columns[j], columns[i]) for i in alike)
        if not repeated[j]:
            alike.append(j)
    return repeated


def _empty_copy(height: int, width: int, dtype: npt.DTypeLike) -> tuple[Numbers, Numbers]:
    """Return zeros for a working copy by rows and by columns; few columns need scratch for a tile of rows."""
    rows = kernels.TILE if width <= NARROW_WIDTH else height
    return np.zeros((rows, width), dtype), np.zeros((width, height), dtype)


def _with_intercept(
    rows: Numbers, columns: Numbers, n: int, p: int, *, fit_intercept: bool
) -> tuple[Numbers, Numbers]:
    """Return the copies with the intercept's column; few columns without the rows."""
    columns[p, :n] = fit_intercept
    if len(columns) <= NARROW_WIDTH:
        return rows[:0], columns
    rows[:n, p] = fit_intercept
    return rows, columns


def _byte_copy(
    X: Floats, low: Floats, column_width: Floats, height: int, width: int
) -> tuple[Numbers, Numbers, Floats, Floats] | None:
    """Return X in bytes by rows and by columns, levels and steps; None if bytes cannot represent X."""
    step = kernels.byte_steps(X, low, column_width)
    if not step.any():
        return None
    scale = np.where(step > 0, step, np.inf)
    rows, columns = _empty_copy(height, width, np.uint8)
    levels = np.full((X.shape[1], 256), np.nan)
    if not kernels.byte_copy(X, low, 1 / scale, rows, columns, levels):
        return None
    return rows, columns, np.nan_to_num(levels), scale
