"""The problem that the solver sees: labels, row weights, penalty, and products with a centered working copy.

`dense` and `sparse` are the two kinds of working copies. The rest of the solver calls the methods declared
here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from l1path import kernels

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from l1path.state import State

Floats = npt.NDArray[np.float64]
Reals = npt.NDArray[np.floating]
Numbers = npt.NDArray[np.number]  # floating, or bytes
Indices = npt.NDArray[np.intp]
Columns = Indices | slice  # some columns, or all

CONSTANT_COLUMN_TOL = 1e-12  # a column is constant if its entries are this near to their mean, relatively
MIN_COLUMN_WIDTH = 1e-100  # a narrower column is constant too: the inverse of its scale could overflow
FLOAT64_MAX_SIZE = 2**18  # numbers stored in X: up to this size float32 would save no time
FLOAT32_MIN_TOL = 5e-4  # relative duality gap: below it the rounding of float32 could limit the certificate
HALF_ULP = float(np.finfo(np.float64).eps) / 2


@dataclass(frozen=True, slots=True)
class Problem(ABC):
    """A working copy of the data, and the penalty of its coefficients.

    The copy has p columns, then the column of the intercept, which is all ones, and at least one empty
    column. It is centered, which a free intercept allows: a working column is what is stored less its
    `offset`. Without an intercept nothing is centered, and the intercept's column is empty too, so its weight
    stays 0.
    After the n rows follows at least one empty row, of weight 0.
    """

    in_class: npt.NDArray[np.bool_]  # (K, rows): whether the row is of the class
    s: Floats  # (rows,): the row weights, which sum to 1; 0 for an empty row
    class_share: Floats  # (K,): the sum of the row weights of each class
    offset: Floats  # (columns,): the mean of what is stored; 0 where that is centered already
    center: Floats  # (p,): the mean of the data as given
    scale: Floats  # (p,): of the data as given to the working copy
    penalty_factor: Floats  # (columns,): the L1 part for a working column is lambda times this |V|
    ridge_ratio: float  # of the L2 part of the penalty, lambda ridge_ratio |W|^2 / 2; 0 without one
    ridge_factor: Floats  # (columns,): the L2 part for a working column is lambda times this V^2 / 2
    column_norm: Floats  # (columns,): sqrt(sum_i s_i x_ij^2) of the working columns
    repeated: npt.NDArray[np.bool_]  # (columns,): whether a column before it is the same; its weights are 0
    min_penalty_per_norm: float  # the least of penalty_factor / column_norm: 1 if X is standardized
    fit_intercept: bool

    @property
    def p(self) -> int:
        """The number of columns of data, which is the intercept's column number."""
        return len(self.center)

    @property
    def width(self) -> int:
        """The number of columns of the working copy."""
        return len(self.penalty_factor)

    @property
    @abstractmethod
    def is_reduced(self) -> bool:
        """Whether the working copy, or sums over it, are in less than float64."""

    @abstractmethod
    def in_float64(self) -> Problem:
        """Return this problem with a working copy in float64, on the same scale."""

    @property
    @abstractmethod
    def sum_dtype(self) -> np.dtype[np.floating]:
        """The type of sums over rows or columns."""

    @property
    @abstractmethod
    def density(self) -> float:
        """The share of the working copy's numbers that products read."""

    @property
    @abstractmethod
    def product_error(self) -> tuple[np.dtype[np.floating], float | Floats]:
        """The type of the certificate's products, and a bound of their error relative to |x_j| |R|."""

    @property
    @abstractmethod
    def reference_error(self) -> float | Floats:
        """The same bound for the products of a full gradient."""

    @property
    @abstractmethod
    def reference_dtype(self) -> np.dtype[np.floating]:
        """The type in which the gradient of a reference is kept."""

    @abstractmethod
    def full_gradient(self, sR: Reals) -> Floats:
        """Return sR (K, rows) times the working columns, (K, columns)."""

    @abstractmethod
    def gradient_entries(self, sR: Reals, classes: Indices, chosen: Indices, out: Floats) -> None:
        """Set out[classes, chosen], out (K, columns), to the products of these classes and columns."""

    @abstractmethod
    def combine(self, chosen: Indices, weights: Floats, out: Reals) -> None:
        """Set `out` (rows,) to the sum of the working columns `chosen` with these weights."""

    @abstractmethod
    def scores(self, coef: Any, b: Floats, out: Floats) -> None:
        """Set `out` (K, rows) to the scores of `coef` (K, p as given) and b (K,), from the data as given."""

    @abstractmethod
    def hessian_work(self, chosen: Indices) -> float:
        """Return the multiply-adds that the Hessian over the weights of the columns `chosen` takes."""

    @abstractmethod
    def joint_hessian(self, P: Floats, chosen: Indices, starts: Indices) -> Floats:
        """Return the Hessian over the weights of the columns `chosen`, as `kernels.joint_hessian` has it."""

    @abstractmethod
    def packed_columns(self, capacity: int) -> Numbers:
        """Return zeros for a class's working columns, packed side by side if the products need them so."""

    @abstractmethod
    def pack(self, columns: Indices, at: int, packed: Numbers) -> None:
        """Write these columns into `packed`, from place `at` on."""

    @abstractmethod
    def class_step(
        self, state: State, k: int, above: Floats, below: Floats, target: float, move: Reals
    ) -> float:
        """Minimize over class k by a quadratic model, in place; return its violation before.

        `move` (rows,), in the precision of sums, is set to what is added to the scores.
        """

    @abstractmethod
    def eligible(self, lam: float) -> npt.NDArray[np.bool_]:
        """Return the mask (columns,) of the columns that may have a weight at lambda."""

    @abstractmethod
    def original_coefficients(self, V: Floats) -> tuple[Floats | csr_array, Floats]:
        """Return W (K, p as given) and b (K,) for the data as given from coefficients of the working copy."""

    @property
    @abstractmethod
    def has_all_columns(self) -> bool:
        """Whether the working copy has every column that may have a weight at any lambda."""

    @property
    @abstractmethod
    def sums_over_working_columns(self) -> bool:
        """Whether sums over coefficients are over the columns of the working sets alone, or over all."""

    def intercept_unit(self, lam: float) -> float:
        """Return what an intercept's violation is relative to: the least penalty of a column of norm 1.

        To the nearest power of two times lambda, so that it is lambda itself where X is standardized.
        """
        return float(np.ldexp(lam, np.frexp(np.sqrt(2) * self.min_penalty_per_norm)[1] - 1))

    def l1_norm(self, V: Floats, columns: Columns = slice(None)) -> float:
        """Return |W|_1 for the data as given from coefficients V (K, columns) of the working copy."""
        factor = self.penalty_factor[columns]
        return float(sum(kernels.dot(np.abs(row), factor) for row in V))

    def penalty(self, V: Floats, columns: Columns = slice(None)) -> float:
        """Return the penalty in units of lambda: |W|_1, and in an elastic net its L2 part."""
        if not self.ridge_ratio:
            return self.l1_norm(V, columns)
        factor = self.ridge_factor[columns]
        return self.l1_norm(V, columns) + float(sum(kernels.dot(row * row, factor) for row in V)) / 2


def float32_suffices(size: int, tol: float) -> bool:
    """Return whether sums may be in float32, by the numbers stored in X and the tolerance."""
    return size > FLOAT64_MAX_SIZE and tol >= FLOAT32_MIN_TOL


def least_penalty_per_norm(factor: Floats, norm: Floats) -> float:
    """Return the least of the penalty factors (p,) relative to the norms of their columns."""
    return float((factor / np.maximum(norm, factor * 1e-300)).min())


def class_indicators(
    labels: Indices, weight: Floats, height: int
) -> tuple[npt.NDArray[np.bool_], Floats, Floats]:
    """Return `in_class`, `s` and `class_share` for labels (n,) and row weights (n,)."""
    n = len(labels)
    s = np.zeros(height)
    s[:n] = weight / kernels.total(weight)
    in_class = np.zeros((labels.max() + 1, height), dtype=np.bool_)
    in_class[labels, np.arange(n)] = True
    return in_class, s, np.array([kernels.dot(row.astype(np.float64), s) for row in in_class])


def is_constant(low: Floats, high: Floats, mean: Floats, *, fit_intercept: bool) -> npt.NDArray[np.bool_]:
    """Return which columns count as constant, by their least and largest entries and their means.

    Without an intercept only a column of zeros does.
    """
    constant = np.maximum(high, 0) - np.minimum(low, 0) < MIN_COLUMN_WIDTH
    if not fit_intercept:
        return np.asarray(constant)
    largest = np.maximum(high - mean, mean - low)
    relative = largest <= CONSTANT_COLUMN_TOL * np.maximum(abs(high), abs(low))
    return np.asarray(relative | (high - low < MIN_COLUMN_WIDTH))


def large_entries(A: Floats, limit: Floats) -> npt.NDArray[np.bool_]:
    """Return the mask abs(A) >= limit, by rows: A (K, columns) may be most of the memory."""
    return np.array([np.abs(row) >= limit for row in A])


def row_sums(R: Reals) -> Floats:
    """Return the sum of each row in a fixed order."""
    return np.array([kernels.total(row) for row in R])


def round_up(number: int, multiple: int) -> int:
    """Return the least multiple of `multiple` that is at least `number`."""
    return -(-number // multiple) * multiple
