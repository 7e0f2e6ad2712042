"""Check the input of the path, and report all faults in one error."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array, issparse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from l1path.problem.base import Floats, Indices

MAX_MAGNITUDE = 1e100  # of a number: products of three such numbers are still finite in float64


def check_data(
    X: Any, y: npt.ArrayLike, Cs: npt.ArrayLike, sample_weight: npt.ArrayLike | None
) -> tuple[Any, Indices, Floats, Floats, list[str]]:
    """Return X, dense or CSC, class numbers, Cs and row weights as arrays, and a list of their faults."""
    X, y, Cs = _as_matrix(X), np.asarray(y), np.atleast_1d(_as_floats("Cs", Cs))
    weight = np.ones(y.shape) if sample_weight is None else _as_floats("sample_weight", sample_weight)
    low, high, numbers = 1 / MAX_MAGNITUDE, MAX_MAGNITUDE, X.data if issparse(X) else X
    faults = []
    if X.ndim != 2 or 0 in X.shape:  # noqa: PLR2004 - rows and columns
        faults.append(f"X: expected rows and columns, got shape {X.shape}")
    elif not np.isfinite(largest := max(numbers.max(initial=0), -numbers.min(initial=0))):
        faults.append("X: expected finite numbers, got NaN or infinity")
    elif largest > high:
        faults.append(f"X: expected numbers up to {high:g} in size, got {largest:g}")
    faults += _label_faults(y, X.shape[0])
    if weight.shape != y.shape:
        faults.append(f"sample_weight: expected shape {y.shape}, got {weight.shape}")
    elif not (valid := (weight == 0) | ((weight >= low) & (weight <= high))).all():
        example = weight[~valid].flat[0]
        faults.append(
            f"sample_weight: expected finite weights >= 0, 0 or from {low:g} to {high:g}, got {example:g}"
        )
    elif not faults and len(np.unique(y[weight > 0])) < len(np.unique(y)):
        faults.append("sample_weight: expected a weight above 0 in every class, got a class with none")
    faults += _Cs_faults(Cs)
    return X, np.zeros(0, np.intp) if faults else np.unique(y, return_inverse=True)[1], Cs, weight, faults


def check_Cs(Cs: npt.ArrayLike) -> Floats:
    """Return Cs as an array (points,); raise ValueError if one is not a finite number > 0."""
    Cs = np.atleast_1d(_as_floats("Cs", Cs))
    if faults := _Cs_faults(Cs):
        raise ValueError(*faults)
    return Cs


def check_limits(tol: Any, max_iter: Any, threads: Any) -> list[str]:
    """Return the faults of these arguments."""
    faults = []
    if not (isinstance(tol, int | float | np.number) and 0 < tol < np.inf):
        faults.append(f"tol: expected a number > 0, got {tol!r}")
    for name, number in {"max_iter": max_iter, "threads": threads}.items():
        if not (isinstance(number, int | np.integer) and number >= 1):
            faults.append(f"{name}: expected an integer of at least 1, got {number!r}")
    return faults


def check_penalty(l1_ratio: Any, fit_intercept: Any) -> list[str]:
    """Return the faults of these arguments."""
    faults = []
    if not (isinstance(l1_ratio, int | float | np.number) and 0 < l1_ratio <= 1):
        faults.append(
            f"l1_ratio: expected a number above 0 and up to 1, got {l1_ratio!r}. "
            "For an L2 penalty alone use scikit-learn's LogisticRegression"
        )
    if not isinstance(fit_intercept, bool | np.bool_):
        faults.append(f"fit_intercept: expected True or False, got {fit_intercept!r}")
    return faults


def missing_labels_fault(y: npt.NDArray[Any]) -> str:
    """Return a message if labels (n,) are NaN, None or pandas' NA; otherwise ""."""
    is_object = y.dtype.kind == "O"
    missing = [_is_missing(label) for label in y.tolist()] if is_object else y != y  # noqa: PLR0124 - finds NaN
    if not (count := np.count_nonzero(missing)):
        return ""
    return f"y: expected labels, got NaN, None or NA in {count} of {len(y)} rows. Leave out these rows"


def _is_missing(label: Any) -> bool:
    try:
        return label is None or bool(label != label)  # noqa: PLR0124 - finds NaN
    except TypeError:  # pandas' NA is neither true nor false
        return True


def sorting_fault(y: npt.NDArray[Any]) -> str:
    """Return a message if the labels (n,) cannot be sorted, such as 1 and "one"; otherwise ""."""
    try:
        np.sort(y)
    except TypeError:
        types = sorted({type(label).__name__ for label in y.tolist()})
        return f"y: expected labels that sort, got {' and '.join(types)}"
    return ""


@contextmanager
def naming(argument: str) -> Iterator[None]:
    """Begin the errors of the block with the name of the argument at fault."""
    try:
        yield
    except (IndexError, TypeError, ValueError) as error:
        raise ValueError(f"{argument}: {error}") from error


def _Cs_faults(Cs: Floats) -> list[str]:
    low, high = 1 / MAX_MAGNITUDE, MAX_MAGNITUDE
    if Cs.ndim == 1 and Cs.size and ((Cs >= low) & (Cs <= high)).all():
        return []
    return [f"Cs: expected finite numbers > 0, from {low:g} to {high:g}, got {Cs}"]


def _label_faults(y: npt.NDArray[Any], n: int) -> list[str]:
    """Return the faults of the labels for n rows."""
    if y.ndim != 1 or len(y) != n:
        return [f"y: expected one label for each of {n} rows, got shape {y.shape}"]
    if fault := missing_labels_fault(y):
        return [fault]
    if y.dtype.kind == "f" and np.isinf(y).any():
        return ["y: expected labels, got infinity"]
    if fault := sorting_fault(y):
        return [fault]
    return [] if len(np.unique(y)) > 1 else ["y: expected at least two classes, got one"]


def _as_matrix(X: Any) -> Any:
    """Return X as an array or, if it is sparse, as a CSC array with ascending rows in each column."""
    if not issparse(X):
        return np.atleast_1d(_as_floats("X", X))
    if np.iscomplexobj(X):
        raise ValueError("X: expected real numbers, got complex ones")
    if X.ndim != 2:  # noqa: PLR2004 - rows and columns
        raise ValueError(f"X: expected rows and columns, got shape {X.shape}")
    columns = csc_array(X, dtype=np.float64)
    if not columns.has_canonical_format:
        columns = columns.copy()  # it may share its arrays with X
        columns.sum_duplicates()
    if columns.nnz <= np.iinfo(np.int32).max:  # half the memory, and one compiled kernel for both
        rows, starts = (
            columns.indices.astype(np.int32, copy=False),
            columns.indptr.astype(np.int32, copy=False),
        )
        columns = csc_array((columns.data, rows, starts), shape=columns.shape)
    return columns


def _as_floats(name: str, given: npt.ArrayLike) -> Floats:
    if np.iscomplexobj(given):
        raise ValueError(f"{name}: expected real numbers, got complex ones")
    try:
        return np.asarray(given, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected a dense array of numbers ({error})") from None
