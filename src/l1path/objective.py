"""The objective, C_max and the duality gap from their definitions, in NumPy alone.

scikit-learn minimizes ``C * sum_i CE_i + |W|_1``. The papers, and the comments here, divide it by ``C n``::

    P(W, b) = (1/n) sum_i CE(y_i, softmax(W x_i + b)) + lambda |W|_1,      lambda = 1 / (C n)

The intercept b is free. CE is the cross-entropy of the true class, in nats.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer]

ROUNDING = 1e-15  # a mean of float64 numbers between -1 and 1 comes no closer to 0


def scores(X: Floats, coef: Floats, intercept: Floats) -> Floats:
    """Return the linear scores X W' + b, (n, K): what scikit-learn calls the decision function."""
    return np.asarray(X @ coef.T + intercept)


def log_softmax(eta: Floats) -> Floats:
    """Return the log-probabilities of the scores `eta` (n, K), in nats.

    The row maxima are subtracted first, so no exponential overflows.
    """
    shifted = eta - eta.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def cross_entropy(eta: Floats, y: Ints) -> float:
    """Return the mean cross-entropy of classes `y` (n,), 0 to K - 1, under the scores `eta`, in nats."""
    return float(-log_softmax(eta)[np.arange(len(y)), y].mean())


def one_hot(y: Ints, K: int) -> Floats:
    """Return the (n, K) indicator matrix of classes `y`, 0 to K - 1."""
    return np.asarray(np.arange(K) == np.asarray(y)[:, None], dtype=np.float64)


def C_max(X: Floats, y: Ints, K: int) -> float:
    """Return the largest C at which every weight is zero: 1 / max |X' (Y - class frequencies)|.

    X : (n, p) float64.  y : (n,) classes 0 to K - 1.  Infinite if no column distinguishes the classes.
    Source: the subgradient of P at W = 0 with the intercepts at the log class frequencies.
    """
    Y = one_hot(y, K)
    steepest = np.abs(X.T @ (Y - Y.mean(axis=0))).max()
    return float(1 / steepest) if steepest > 0 else float("inf")


def objective(X: Floats, y: Ints, coef: Floats, intercept: Floats, C: float, l1_ratio: float = 1.0) -> float:
    """Return the objective that scikit-learn minimizes: C times the summed cross-entropy, plus the penalty.

    Shapes as in `duality_gap`. The penalty is ``l1_ratio |W|_1 + (1 - l1_ratio) / 2 |W|_2^2``.
    """
    penalty = l1_ratio * np.abs(coef).sum() + (1 - l1_ratio) / 2 * np.square(coef).sum()
    return float(C * len(y) * cross_entropy(scores(X, coef, intercept), y) + penalty)


def best_intercept(eta: Floats, y: Ints) -> Floats:
    """Return the intercepts (K,), which sum to 0 and minimize the cross-entropy of the scores `eta` (n, K).

    Damped Newton steps; every class must occur in `y`. At the minimum the residuals of each class sum to 0,
    which makes them a feasible dual point.
    """
    n, K = eta.shape
    Y = one_hot(y, K)
    b = np.zeros(K)
    loss = cross_entropy(eta, y)
    for _ in range(100):
        P = np.exp(log_softmax(eta + b))
        gradient = (P - Y).mean(axis=0)
        if np.abs(gradient).max() < ROUNDING:
            break
        hessian = np.diag(P.mean(axis=0)) - P.T @ P / n
        try:  # 1 / K, since the loss is constant along (1, ..., 1)
            step = np.linalg.solve(hessian + 1 / K, gradient)
        except np.linalg.LinAlgError:  # every probability is 0 or 1: the loss is flat here
            break
        size = 1.0
        while (trial := cross_entropy(eta + b - size * step, y)) > loss and size > ROUNDING:
            size /= 2
        if trial > loss:  # no step is short enough to decrease the loss
            break
        b, loss = b - size * step, trial
    return np.asarray(b - b.mean())


def duality_gap(
    X: Floats, y: Ints, coef: Floats, intercept: Floats, C: float, l1_ratio: float = 1.0
) -> float:
    """Return the relative gap between the primal and a feasible dual point: 0 is optimal.

    X : (n, p) float64.  y : (n,) classes 0 to K - 1, each of which occurs.  coef : (K, p).  intercept : (K,).
    The primal is computed at the given intercept, the dual at the best one for `coef`. The minimum is between
    the two, so the objective exceeds it by at most the gap. Returns gap / primal, from 0 to 1.

    Dual point: the residuals R = softmax - Y, scaled by s = min(1, lambda / max |X'R / n|) into the box of
    the L1 penalty (Ndiaye, Fercoq, Gramfort, Salmon 2017, sec. 3); its value is the mean entropy of the rows
    of Y + sR. With an L2 part in the penalty every dual point is feasible, and the dual objective has a
    further term.
    """
    n, K = len(y), len(coef)
    l1, l2 = l1_ratio / (C * n), (1 - l1_ratio) / (C * n)
    primal = objective(X, y, coef, intercept, C, l1_ratio) / (C * n)
    eta = X @ coef.T
    Y = one_hot(y, K)
    R = np.exp(log_softmax(eta + best_intercept(eta, y))) - Y
    excess, frequencies = R.mean(axis=0), Y.mean(axis=0)
    R -= excess  # rounding errors, or more where the intercepts did not converge
    surplus = np.maximum(excess, 0)
    t = (
        surplus / (surplus + frequencies)
    ).max()  # mixing in this much of the dual point at W = 0 restores Y + R >= 0
    R = (1 - t) * R + t * (frequencies - Y)
    slopes = np.abs(X.T @ R) / n
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
    positive = np.where(Q > 0, Q, 1.0)
    return float(-(positive * np.log(positive)).sum() / len(Q))
