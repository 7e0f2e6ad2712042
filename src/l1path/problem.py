"""The data as given, and the centered working copy on which the solver computes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from l1path import kernels

Floats = npt.NDArray[np.float64]
Reals = npt.NDArray[np.floating]
Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.number]  # floating, or bytes
Indices = npt.NDArray[np.intp]

FLOAT64_MAX_SIZE = 2**18  # numbers in X: up to this size float32 would save no time
FLOAT32_MIN_TOL = 5e-4  # relative duality gap: below it the rounding of float32 could limit the certificate
CONSTANT_COLUMN_TOL = 1e-12  # a column is constant if its entries are this near to their mean, relatively
MIN_COLUMN_WIDTH = 1e-100  # a narrower column is constant too: the inverse of its scale could overflow


@dataclass(frozen=True, slots=True)
class Problem:
    """The data as given and a working copy of them.

    The working copy is centered, which a free intercept allows, and each column is divided by a power of
    two near its largest number, so that float32 neither overflows nor cancels. If the entries of every column
    are whole steps above its least entry, 255 at most, the copy holds these numbers of steps in bytes: a
    quarter of the memory to read. Images, counts and flags are such data, standardized or not. A working
    column is then the bytes less `offset`.

    After the p columns follow the column of the intercept, which is all ones, and at least one empty column.
    Without an intercept nothing is centered, and the intercept's column is empty too, so its weight stays 0;
    after the n rows follows at least one empty row.
    """

    X: Floats  # (n, p), as given
    in_class: npt.NDArray[np.bool_]  # (K, rows): whether the row is of the class
    s: Floats  # (rows,): the row weights, which sum to 1; 0 for an empty row
    class_share: Floats  # (K,): the sum of the row weights of each class
    rows: Numbers  # (rows, columns): the working copy
    columns: Numbers  # (columns, rows): its transposed copy
    offset: Floats  # (columns,): the mean of the bytes; 0 where the numbers are centered already
    levels: (
        Floats | None
    )  # (p, 256): the entry of X that each byte of a column represents, if there are bytes
    center: Floats  # (p,)
    scale: Floats  # (p,)
    penalty_factor: (
        Floats  # (columns,): the penalty of a working column is lambda times this; the intercept's is 0
    )
    ridge_ratio: float  # of the L2 part of the penalty, lambda ridge_ratio |W|^2 / 2; 0 without one
    ridge_factor: Floats  # (columns,): the L2 part for a working column is lambda times this V^2 / 2
    column_norm: Floats  # (columns,): sqrt(sum_i s_i x_ij^2) of the working columns
    repeated: npt.NDArray[np.bool_]  # (columns,): whether a column before it is the same; its weights are 0
    min_penalty_per_norm: float  # the least of penalty_factor / column_norm: 1 if X is standardized
    fit_intercept: bool

    @classmethod
    def from_data(
        cls,
        X: Floats,
        labels: Indices,
        weight: Floats,
        tol: float,
        l1_ratio: float = 1.0,
        fit_intercept: bool = True,  # noqa: FBT001, FBT002 - `Workers.call` passes arguments by position
    ) -> Problem:
        """Make the working copy for X (n, p), labels (n,) 0 to K - 1, row weights (n,) and the tolerance."""
        n, p = X.shape
        reduced_precision = X.size > FLOAT64_MAX_SIZE and tol >= FLOAT32_MIN_TOL
        height, width = round_up(n + 1, 8), round_up(p + 2, 16)
        s = np.zeros(height)
        s[:n] = weight / kernels.total(weight)
        low, high, mean = kernels.column_ranges(X, s)
        if not fit_intercept:
            low, high, mean = np.minimum(low, 0), np.maximum(high, 0), np.zeros(p)
        largest = np.maximum(high - mean, mean - low)
        constant = (largest <= CONSTANT_COLUMN_TOL * np.maximum(abs(high), abs(low))) | (
            high - low < MIN_COLUMN_WIDTH
        )
        offset = np.zeros(width)
        column_width = np.where(constant, 0.0, high - low)
        if reduced_precision and (copy := _byte_copy(X, low, column_width, (height, width))):
            rows, columns, levels, scale = copy
            offset[:p] = (mean - low) / scale
        else:
            dtype = np.float32 if reduced_precision else np.float64
            rows, columns, levels = np.zeros((height, width), dtype), np.zeros((width, height), dtype), None
            scale = np.where(constant, np.inf, np.ldexp(1.0, np.frexp(np.where(constant, 1.0, largest))[1]))
            kernels.float_copy(X, mean, 1 / scale, rows, columns)
        rows[:n, p] = columns[p, :n] = fit_intercept
        in_class = np.zeros((labels.max() + 1, height), dtype=np.bool_)
        in_class[labels, np.arange(n)] = True
        factor = np.ones(width)
        factor[:p] = np.where(constant, 1.0, 1 / scale)
        factor[p] = 0
        norm = kernels.column_norms(rows, offset, s)
        return cls(
            X=X,
            in_class=in_class,
            s=s,
            class_share=np.array([kernels.dot(row.astype(np.float64), s) for row in in_class]),
            rows=rows,
            columns=columns,
            offset=offset,
            levels=levels,
            center=mean,
            scale=scale,
            penalty_factor=factor,
            ridge_ratio=(1 - l1_ratio) / l1_ratio,
            ridge_factor=(1 - l1_ratio) / l1_ratio * factor**2,
            column_norm=norm,
            repeated=_repeated(columns, norm, factor) if l1_ratio == 1 else np.zeros(width, np.bool_),
            min_penalty_per_norm=float((factor[:p] / np.maximum(norm[:p], factor[:p] * 1e-300)).min()),
            fit_intercept=fit_intercept,
        )

    def in_float64(self) -> Problem:
        """Return this problem with a working copy in float64, on the same scale."""
        rows, columns = np.zeros(self.rows.shape), np.zeros(self.columns.shape)
        kernels.float_copy(self.X, self.center, 1 / self.scale, rows, columns)
        rows[: len(self.X), self.p] = columns[self.p, : len(self.X)] = self.fit_intercept
        offset = np.zeros(len(self.offset))
        norm = kernels.column_norms(rows, offset, self.s)
        return replace(self, rows=rows, columns=columns, offset=offset, levels=None, column_norm=norm)

    @property
    def is_reduced(self) -> bool:
        """Whether the working copy is in bytes or float32."""
        return self.rows.dtype != np.float64

    @property
    def sum_dtype(self) -> np.dtype[np.floating]:
        """The type of sums over rows or columns: float32 for bytes."""
        return np.promote_types(self.rows.dtype, np.float32)

    @property
    def p(self) -> int:
        """The number of columns as given, which is the intercept's column number in the working copy."""
        return int(self.X.shape[1])

    def original_coefficients(self, V: Floats) -> tuple[Floats, Floats]:
        """Return W (K, p) and b (K,) for the data as given from coefficients of the working copy."""
        coef = V[:, : self.p] / self.scale
        shift = np.array([kernels.dot(row, self.center) for row in coef])
        return coef, V[:, self.p] - shift

    def l1_norm(self, V: Floats) -> float:
        """Return |W|_1 for the data as given from coefficients of the working copy."""
        return float(sum(kernels.dot(np.abs(row), self.penalty_factor) for row in V))

    def penalty(self, V: Floats) -> float:
        """Return the penalty in units of lambda: |W|_1, and in an elastic net its L2 part."""
        if not self.ridge_ratio:
            return self.l1_norm(V)
        return self.l1_norm(V) + float(sum(kernels.dot(row * row, self.ridge_factor) for row in V)) / 2


def round_up(number: int, multiple: int) -> int:
    """Return the least multiple of `multiple` that is at least `number`."""
    return -(-number // multiple) * multiple


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


def _byte_copy(
    X: Floats, low: Floats, width: Floats, shape: tuple[int, int]
) -> tuple[Bytes, Bytes, Floats, Floats] | None:
    """Return X in bytes by rows and by columns, levels and steps; None if bytes cannot represent X."""
    step = kernels.byte_steps(X, low, width)
    if not step.any():
        return None
    scale = np.where(step > 0, step, np.inf)
    rows, columns = np.zeros(shape, np.uint8), np.zeros(shape[::-1], np.uint8)
    levels = np.full((X.shape[1], 256), np.nan)
    if not kernels.byte_copy(X, low, 1 / scale, rows, columns, levels):
        return None
    return rows, columns, np.nan_to_num(levels), scale
