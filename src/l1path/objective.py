"""The objective, C_max and the duality gap from their definitions.

scikit-learn minimizes ``C * sum_i CE_i + |W|_1``. The papers, and the comments here, divide it by ``C n``::

    P(W, b) = (1/n) sum_i CE(y_i, softmax(W x_i + b)) + lambda |W|_1,      lambda = 1 / (C n)

The intercept b is free. CE is the cross-entropy of the true class, in nats.

Sums over rows or columns, exp and log are the solver's kernels, each in one fixed order, so the results are
the same bits on every processor: BLAS and NumPy's exp differ between them in the last digits. The kernels are
imported when they are first called, since numba takes a while.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer]

ROUNDING = 1e-15  # of a step: a shorter one changes nothing
MIN_IMBALANCE = 1e-12  # of a class: rounding allows no better
SHORT_STEP = 1e-6  # of a Newton step that is near enough to rounding
MAX_INTERCEPT_STEP = 10.0
MAX_IMBALANCE = 1e-9  # of a class: intercepts that leave more are sought again from another start


def scores(X: Any, coef: Floats, intercept: Floats) -> Floats:
    """Return the linear scores X W' + b, (n, K): what scikit-learn calls the decision function."""
    from l1path import kernels  # noqa: PLC0415 - imports numba

    if _is_sparse(X):
        columns, out = _csc(X), np.empty((len(coef), X.shape[0]))
        for row, b, own in zip(np.asarray(coef, np.float64), intercept, out, strict=True):
            chosen = np.flatnonzero(row)
            kernels.sparse_combine(*columns, False, chosen, row[chosen], float(b), own)  # noqa: FBT003
        return np.ascontiguousarray(out.T)
    X, coef = np.ascontiguousarray(X, np.float64), np.asarray(coef, np.float64)
    nonzero = coef != 0
    starts = np.append(0, np.cumsum(np.count_nonzero(nonzero, axis=1)))
    eta = np.empty((len(coef), -(-len(X) // 4) * 4))
    if len(X):
        intercept = np.array(intercept, np.float64)
        kernels.scores(X, starts, np.nonzero(nonzero)[1], coef[nonzero], intercept, eta)
    return np.ascontiguousarray(eta[:, : len(X)].T)


def _is_sparse(X: Any) -> bool:
    """Return whether X is one of SciPy's sparse matrices, without importing SciPy."""
    return hasattr(X, "tocsc")


def _csc(X: Any) -> tuple[Any, Any, Any]:
    """Return a sparse X by columns: numbers, row numbers, and where each column begins."""
    X = X.tocsc().astype(np.float64, copy=False)
    return X.data, X.indices, X.indptr


def _exp(x: Floats) -> Floats:
    """Return exp(x) in one fixed order of operations."""
    from l1path import kernels  # noqa: PLC0415 - imports numba

    out = np.empty(x.shape)
    kernels.exp(np.ravel(x), out.reshape(-1))
    return out


def _log(x: Floats) -> Floats:
    """Return log(x), x > 0, in one fixed order of operations."""
    from l1path import kernels  # noqa: PLC0415 - imports numba

    out = np.empty(x.shape)
    kernels.log(np.ravel(x), out.reshape(-1))
    return out


def _products(X: Any, R: Floats) -> Floats:
    """Return R' X, (K, p), in one fixed order of operations."""
    from l1path import kernels  # noqa: PLC0415 - imports numba

    (n, p), K = X.shape, R.shape[1]
    if _is_sparse(X):
        gradient = np.zeros((K, p))
        kernels.sparse_full_gradient(*_csc(X), np.ascontiguousarray(R), gradient)
        return gradient
    height, even = -(-n // 4) * 4, K + K % 2
    rows = np.ascontiguousarray(X, np.float64)
    if height > n:
        rows = np.vstack([rows, np.zeros((height - n, p))])
    residuals, out = np.zeros((even, height)), np.zeros((even, p))
    residuals[:K, :n] = R.T
    kernels.full_gradient(rows, residuals, np.empty((even, p)), out)
    return out[:K]


def log_softmax(eta: Floats) -> Floats:
    """Return the log-probabilities of the scores `eta` (n, K), in nats.

    The row maxima are subtracted first, so no exponential overflows.
    """
    shifted = eta - eta.max(axis=1, keepdims=True)
    return np.asarray(shifted - _log(_exp(shifted).sum(axis=1, keepdims=True)))


def cross_entropy(eta: Floats, y: Ints) -> float:
    """Return the mean cross-entropy of classes `y` (n,), 0 to K - 1, under the scores `eta`, in nats."""
    return float(-log_softmax(eta)[np.arange(len(y)), y].mean())


def one_hot(y: Ints, K: int) -> Floats:
    """Return the (n, K) indicator matrix of classes `y`, 0 to K - 1."""
    return np.asarray(np.arange(K) == np.asarray(y)[:, None], dtype=np.float64)


def C_max(X: Any, y: Ints, K: int, *, l1_ratio: float = 1.0, fit_intercept: bool = True) -> float:
    """Return the largest C at which every weight is zero: l1_ratio / max |X' (Y - class frequencies)|.

    X : (n, p) float64, dense or sparse.  y : (n,) classes 0 to K - 1.  Infinite if no column distinguishes
    the classes.
    Source: the subgradient of P at W = 0 with the intercepts at the log class frequencies. Without an
    intercept 1 / K is in the place of the frequencies.
    """
    Y = one_hot(y, K)
    steepest = np.abs(_products(X, Y - (Y.mean(axis=0) if fit_intercept else 1 / K))).max()
    return float(l1_ratio / steepest) if steepest > 0 else float("inf")


def objective(X: Any, y: Ints, coef: Floats, intercept: Floats, C: float, l1_ratio: float = 1.0) -> float:
    """Return the objective that scikit-learn minimizes: C times the summed cross-entropy, plus the penalty.

    Shapes as in `duality_gap`. The penalty is ``l1_ratio |W|_1 + (1 - l1_ratio) / 2 |W|_2^2``.
    """
    penalty = l1_ratio * np.abs(coef).sum() + (1 - l1_ratio) / 2 * np.square(coef).sum()
    return float(C * len(y) * cross_entropy(scores(X, coef, intercept), y) + penalty)


def best_intercept(eta: Floats, y: Ints, start: Floats | None = None) -> Floats:
    """Return the intercepts (K,), which sum to 0 and minimize the cross-entropy of the scores `eta` (n, K).

    Damped Newton steps from `start`, and from 0 where those end without balance; every class must occur in
    `y`. At the minimum the residuals of each class sum to 0, which makes them a feasible dual point.
    """
    b, imbalance = _balanced_intercept(eta, y, np.zeros(eta.shape[1]) if start is None else start)
    if imbalance > MAX_IMBALANCE and start is not None:
        other, other_imbalance = _balanced_intercept(eta, y, np.zeros(eta.shape[1]))
        b = other if other_imbalance < imbalance else b
    return np.asarray(b - b.mean())


def _balanced_intercept(eta: Floats, y: Ints, start: Floats) -> tuple[Floats, float]:
    """Return the intercepts that Newton's method reaches from `start`, and the imbalance it leaves.

    The imbalance is the largest mean residual of a class relative to the class's share of the rows. The
    largest class keeps its intercept, since one number added to all changes nothing.
    """
    from l1path import kernels  # noqa: PLC0415 - imports numba

    n, K = eta.shape
    in_class, s = np.ascontiguousarray(one_hot(y, K).T, np.bool_), np.full(n, 1 / n)
    share = in_class.sum(axis=1) / n
    others = np.delete(np.arange(K), share.argmax())
    b = origin = best = start.astype(np.float64)
    R, step, size, loss, least = np.empty((K, n)), np.zeros(K), 1.0, np.inf, np.inf
    for _ in range(100):
        e, shift, losses = np.empty((K, n)), np.empty(n), np.empty(n)
        kernels.exponentials(np.ascontiguousarray((eta + b).T), in_class, shift, e, losses)
        kernels.residuals(e, in_class, R)
        gradient = np.array([kernels.dot(row, s) for row in R])
        imbalance = float(np.abs(gradient / share).max())
        if imbalance < least:
            least, best = imbalance, b
        if imbalance < MIN_IMBALANCE or (size < SHORT_STEP and least < MAX_IMBALANCE):
            break
        trial = kernels.dot(losses, s)
        if trial > loss and size > ROUNDING:
            size /= 2
            b = origin - size * step
            continue
        loss, origin, size = min(trial, loss), b, 1.0
        hessian = kernels.intercept_hessian(R, in_class, s)[np.ix_(others, others)]
        hessian += 1e-12 * np.diag(np.diag(hessian)) + 1e-300 * np.eye(K - 1)
        step = np.zeros(K)
        step[others] = kernels.solve_linear(hessian, gradient[others])
        if not np.isfinite(step).all():  # every probability is 0 or 1: the loss is flat here
            break
        step /= max(1.0, np.abs(step).max() / MAX_INTERCEPT_STEP)
        b = origin - step
    return best, least


def duality_gap(
    X: Any,
    y: Ints,
    coef: Floats,
    intercept: Floats,
    C: float,
    l1_ratio: float = 1.0,
    *,
    fit_intercept: bool = True,
) -> float:
    """Return the relative gap between the primal and a feasible dual point: 0 is optimal.

    X : (n, p) float64, dense or sparse.  y : (n,) classes 0 to K - 1, each of which occurs.  coef : (K, p).
    intercept : (K,).
    The primal is computed at the given intercept, the dual at the best one for `coef`, which is sought from
    the given one. The minimum is between the two, so the objective exceeds it by at most the gap. Returns
    gap / primal, from 0 to 1.

    Dual point: the residuals R = softmax - Y, scaled by s = min(1, lambda / max |X'R / n|) into the box of
    the L1 penalty (Ndiaye, Fercoq, Gramfort, Salmon 2017, sec. 3); its value is the mean entropy of the rows
    of Y + sR. With an L2 part in the penalty every dual point is feasible, and the dual objective has a
    further term. Without an intercept R need not sum to 0 in a class, and X is not centered.
    """
    X = X if _is_sparse(X) else np.ascontiguousarray(X, np.float64)
    n, K = len(y), len(coef)
    l1, l2 = l1_ratio / (C * n), (1 - l1_ratio) / (C * n)
    primal = objective(X, y, coef, intercept, C, l1_ratio) / (C * n)
    eta = scores(X, coef, np.zeros(K))
    Y = one_hot(y, K)
    R = _exp(log_softmax(eta + best_intercept(eta, y, intercept) if fit_intercept else eta)) - Y
    if fit_intercept:
        excess, frequencies = R.mean(axis=0), Y.mean(axis=0)
        R -= excess  # rounding errors, or more where the intercepts did not converge
        surplus = np.maximum(excess, 0)
        # Mixing in this much of the dual point at W = 0 restores Y + R >= 0.
        t = (surplus / (surplus + frequencies)).max()
        R = (1 - t) * R + t * (frequencies - Y)
        if not _is_sparse(X):
            X = X - X.mean(axis=0)  # which changes no product but for its rounding: R sums to 0
    slopes = np.abs(_products(X, R)) / n
    largest = slopes.max()
    s = min(1.0, l1 / largest) if largest > 0 else 1.0
    dual = max(
        _entropy(Y + scale * R)
        - (np.square(np.maximum(scale * slopes - l1, 0)).sum() / (2 * l2) if l2 else 0)
        for scale in ([s, 1.0] if l2 else [s])
    )
    return float(min(max(primal - dual, 0.0) / primal, 1.0)) if primal > 0 else 0.0


def _entropy(Q: Floats) -> float:
    """Return the mean entropy of the rows of Q, in nats, with 0 log 0 = 0."""
    positive = np.where(Q > 1e-300, Q, 1.0)  # noqa: PLR2004 - what log takes
    return float(-(positive * _log(positive)).sum() / len(Q))
