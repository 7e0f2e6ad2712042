"""Families of classification problems that are no images, and a fuzzer that draws from them."""

import numpy as np


def clustered(rng, n, p, K):
    """Return X (n, p) with a cluster for each class, 2 % of labels wrong."""
    y = rng.integers(0, K, n)
    X = rng.normal(size=(n, p)) + rng.normal(size=(K, p))[y]
    return X, np.where(rng.random(n) < 0.02, rng.integers(0, K, n), y)


def noise(rng, n, p, K):
    """Return noise X (n, p), and classes of geometric size down to single rows."""
    return rng.normal(size=(n, p)), np.minimum(rng.geometric(0.5, n) - 1, K - 1)


def correlated(rng, n, p, K, rho=0.999):
    """Return X (n, p) whose neighboring columns have correlation rho."""
    X = rng.normal(size=(n, p))
    for j in range(1, p):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    few = X[:, :: max(1, p // 10)]
    return X, np.argmax(few @ rng.normal(size=(few.shape[1], K)) + rng.gumbel(size=(n, K)), axis=1)


def separable(rng, n, p, K):
    """Return X (n, p) and classes that a linear function separates."""
    X = rng.normal(size=(n, p))
    return X, np.argmax(X @ rng.normal(size=(p, K)), axis=1)


def counts(rng, n, p, K):
    """Return Poisson counts X (n, p), most of them 0."""
    X = rng.poisson(0.2, (n, p)).astype(float)
    return X, np.argmax(X @ rng.normal(size=(p, K)) + rng.gumbel(size=(n, K)), axis=1)


def flags(rng, n, p, K):
    """Return binary X (n, p), some columns rare."""
    X = (rng.random((n, p)) < rng.choice([0.01, 0.1, 0.5], p)).astype(float)
    return X, np.argmax(2 * X @ rng.normal(size=(p, K)) + rng.gumbel(size=(n, K)), axis=1)


FAMILIES = {f.__name__: f for f in (clustered, noise, correlated, separable, counts, flags)}
CHANGES = {
    "none": lambda _, X: X,
    "shifted": lambda _, X: X + 1e6,
    "duplicated": lambda _, X: np.hstack([X, X[:, : X.shape[1] // 2 + 1]]),
    "scaled": lambda rng, X: X * rng.choice([1e-8, 1.0, 1e8], X.shape[1]),
    "wide range": lambda _, X: X * np.geomspace(1e-3, 1e3, X.shape[1]),
    "heavy tails": lambda rng, X: X * np.exp(rng.normal(size=(len(X), 1)) * 1.5),
}


def fuzzed(seed, max_size):
    """Return a name, X, y in which every class occurs, and C relative to C_max, drawn by `seed`."""
    rng = np.random.default_rng(seed)
    family, change = rng.choice(list(FAMILIES)), rng.choice(list(CHANGES))
    K = int(np.exp(rng.uniform(np.log(2), np.log(30))))
    p = int(np.exp(rng.uniform(0, np.log(min(2000, max_size / 40)))))
    n = int(max(2 * K, 20, np.exp(rng.uniform(np.log(20), np.log(max_size / p)))))
    X, y = FAMILIES[family](rng, n, p, K)
    y[:K] = np.arange(K)
    if rng.random() < 0.3:  # a class of one row
        y[1:][y[1:] == 0] = 1
    X = CHANGES[change](rng, X)
    times = 10 ** rng.uniform(0.1, 4)
    return f"{family}, {change}, {n} x {X.shape[1]}, {K} classes, C = {times:.3g} C_max", X, y, times
