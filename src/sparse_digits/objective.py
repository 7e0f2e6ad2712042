"""The objective, the C at which every weight is zero, and the certificate: mathematics, no I/O.

scikit-learn minimises ``C * sum_i CE_i + |W|_1``; here it stands divided by ``C n``, as the papers have it::

    P(W, b) = (1/n) sum_i CE(y_i, softmax(W x_i + b)) + lambda |W|_1,      lambda = 1 / (C n)

The intercept b is free. CE is the cross-entropy of the true class, in nats.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer]


def scores(X: Floats, coef: Floats, intercept: Floats) -> Floats:
    """Return the linear scores X W' + b, (n, K): what scikit-learn calls the decision function."""
    return np.asarray(X @ coef.T + intercept)


def log_softmax(eta: Floats) -> Floats:
    """Return the log-probabilities of the scores `eta` (n, K), in nats.

    The row maxima are subtracted first, so no exponent overflows or has to be clamped.
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

    X : (n, p) float64.  y : (n,) classes 0 to K - 1.  Infinite if no column tells the classes apart.
    Source: the subgradient of P at W = 0 with the intercepts at the log class frequencies.
    """
    Y = one_hot(y, K)
    steepest = np.abs(X.T @ (Y - Y.mean(axis=0))).max()
    return float(1 / steepest) if steepest > 0 else float("inf")
