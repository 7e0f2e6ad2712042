"""Text-like sparse data: the path solver beside scikit-learn's SAGA: ``python benchmarks/sparse.py``.

10,000 documents, 50,000 terms, 20 classes. Terms are drawn from Zipf's law, each class prefers terms of its
own, and a row is tf-idf of length 1. The path has 10 points. SAGA fits the last C alone and from zero, with
more and more epochs until its gap, recomputed from the definition in float64, is at most 1e-3, or until it
has had ten times the time of the whole path, and has lost. Each runs in a process of its own, which measures
its memory; it needs Linux.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from scipy.special import log_softmax, softmax, xlogy

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

TOL = 1e-3
LARGEST_C = (0.3, 3.0)
POINTS = 10
MAX_TIME_RATIO = 10  # of SAGA to the path: with a larger gap after this time it has lost


def documents(
    n: int = 10_000, p: int = 50_000, K: int = 20, words: int = 200, seed: int = 0
) -> tuple[csr_array, np.ndarray]:
    """Return tf-idf of documents (n, p) of some `words` words each, and their classes (n,)."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, K, n)
    common = 1 / np.arange(1, p + 1)
    cumulative = [
        np.cumsum(np.where(rng.random(p) < 300 / p, 20.0, 1.0) * common)
        for _ in range(K)  # topics
    ]
    length = rng.poisson(words * rng.gamma(2, 0.5, n)) + 5
    terms = [
        np.searchsorted(cumulative[k], rng.random(m) * cumulative[k][-1])
        for k, m in zip(y, length, strict=True)
    ]
    counts = csr_array(
        (
            np.ones(length.sum()),
            np.concatenate(terms).astype(np.int32),
            np.append(0, np.cumsum(length)).astype(np.int32),
        ),
        shape=(n, p),
    )
    counts.sum_duplicates()
    counts.data = 1 + np.log(counts.data)
    frequency = np.bincount(counts.indices, minlength=p)
    counts.data *= np.log((1 + n) / (1 + frequency[counts.indices])) + 1
    norm = np.sqrt(np.add.reduceat(counts.data**2, counts.indptr[:-1]))
    counts.data /= np.repeat(norm, np.diff(counts.indptr))
    return counts, y


def gap(X: csr_array, y: np.ndarray, coef: np.ndarray, intercept: np.ndarray, C: float) -> float:
    """Return the relative duality gap from the definition, with SciPy alone."""
    n, Y = len(y), np.eye(len(coef))[y]
    eta = X @ coef.T + intercept
    primal = -np.sum(Y * log_softmax(eta, axis=1)) * C + np.abs(coef).sum()
    for _ in range(20):
        P = softmax(eta, axis=1)
        eta = eta - np.linalg.lstsq(np.diag(P.sum(axis=0)) - P.T @ P, (P - Y).sum(axis=0))[0]
    R = softmax(eta, axis=1) - Y
    R *= min(1, 1 / (C * np.abs(X.T @ R).max()))
    return float((primal + C * xlogy(Y + R, np.maximum(Y + R, 0)).sum()) / primal) if n else 0.0


def memory(name: str) -> float:
    """Return a line of Linux's status of this process in MB: VmRSS is what it has, VmHWM the peak."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) / 1024


def measure(solver: str, C: float, epochs: int) -> dict[str, float]:
    """Return seconds, gap, and memory beyond the data of one fit, in this process."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - not of the parent process

    from l1path import multinomial_l1_path  # noqa: PLC0415

    X, y = documents()
    Cs = np.geomspace(C / 100, C, POINTS)
    multinomial_l1_path(X[:300], y[:300], [1e-3])  # compiled or loaded
    multinomial_l1_path(X[:300], y[:300], [1e3], max_iter=20, tol=1.0)
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before, start = memory("VmRSS"), time.perf_counter()
    if solver == "path":
        path = multinomial_l1_path(X, y, Cs, threads=1, tol=TOL)
        intercept, passes = path.intercept[-1], int(path.n_iter.sum())
        result = sum(W.data.nbytes + W.indices.nbytes + W.indptr.nbytes for W in path.weights)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = LogisticRegression(
                C=C, l1_ratio=1, solver="saga", tol=1e-12, max_iter=epochs, random_state=0
            ).fit(X, y)
        coef, intercept, passes, result = fit.coef_, fit.intercept_, epochs, fit.coef_.nbytes
    seconds, peak = time.perf_counter() - start, memory("VmHWM") - before
    if solver == "path":
        coef = path.weights[-1].toarray()
    return {
        "seconds": seconds,
        "gap": gap(X, y, coef, intercept, C),
        "passes": passes,
        "matrix MB": (X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) / 2**20,
        "MB beyond the data": peak,
        "of which result MB": result / 2**20,
        "zero weights": float(np.mean(coef == 0)),
    }


def main() -> None:
    """Print one line for each fit."""

    def child(*arguments: object) -> dict[str, float]:
        command = [sys.executable, __file__, *map(str, arguments)]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    for C in LARGEST_C:
        path = child("path", C, 0)
        print(f"C = {C:g}: path of {POINTS} points {path}", flush=True)
        epochs, saga = 4, {"gap": np.inf, "seconds": 0.0}
        allowed = MAX_TIME_RATIO * path["seconds"]
        while saga["gap"] > TOL and saga["seconds"] < 0.9 * allowed:
            in_time = epochs * allowed / saga["seconds"] if saga["seconds"] else np.inf
            epochs = int(np.ceil(min(4 * epochs, in_time)))
            saga = child("saga", C, epochs)
            print(f"C = {C:g}: SAGA at the last C alone {saga}", flush=True)
        ratio = saga["seconds"] / path["seconds"]
        end = "reaches" if saga["gap"] <= TOL else "has lost: it is at"
        print(f"C = {C:g}: SAGA {end} gap {saga['gap']:.1e} in {ratio:.1f} times the time", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))))
    else:
        main()
