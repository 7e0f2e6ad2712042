"""Data that are no images: the path solver and its peers to one true gap: ``python benchmarks/families.py``.

A path of 25 points from C_max to 100 C_max, on the families of data that the tests draw, standardized, one
thread each. A peer runs with a tighter and tighter tolerance; the first run in which the gap of every point,
recomputed from the definition in float64, is at most 1e-3 counts alone. A run that takes more than ten times
the processor time of the path is ended, and the peer has lost, as it has where no tolerance suffices. Times
are of the processor, with the set-up of each solver and without compilation. SAGA is warm-started along the
path; cyanure has no path and begins each point anew. It needs Linux.
"""

from __future__ import annotations

import importlib.util
import json
import resource
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/support"))

from path import Points, cyanure, gap, glmnet, glmstar, multinomial_l1_path, seconds

from l1_families import FAMILIES

TOL = 1e-3
POINTS = 25
LARGEST_C = 100.0  # in units of C_max
MAX_TIME_RATIO = 10  # of a peer's run to the path's
START_UP = 10  # seconds of the processor: imports, the data, and the gaps of all points
PROBLEMS = {  # the family, rows, columns and classes
    "clustered": ("clustered", 20_000, 50, 8),
    "clustered-50": ("clustered", 10_000, 50, 50),
    "clustered-100": ("clustered", 10_000, 50, 100),
    "noise": ("noise", 10_000, 50, 6),
    "correlated": ("correlated", 10_000, 40, 4),
    "separable": ("separable", 5_000, 100, 5),
    "counts": ("counts", 3_000, 500, 5),
    "flags": ("flags", 10_000, 200, 6),
}
TOLERANCES = {
    "path": [TOL],
    "SAGA": [1e-2, 1e-3, 1e-4, 1e-5],
    "cyanure": [1e-3, 1e-4, 1e-5],
    "glmstar": [1e-7, 1e-8, 1e-9, 1e-10, 1e-12],
    "glmnet": [1e-7, 1e-8, 1e-9, 1e-10, 1e-12],
}


def data(problem: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return standardized X, labels in which every class occurs, and the path's lambdas."""
    family, n, p, K = PROBLEMS[problem]
    X, y = FAMILIES[family](np.random.default_rng(0), n, p, K)
    y[:K] = np.arange(K)
    X, Y = StandardScaler().fit_transform(X), np.eye(K)[y]
    largest = np.abs(X.T @ (Y - Y.mean(axis=0))).max() / n
    return X, y, largest / np.geomspace(1, LARGEST_C, POINTS)


def path(X: np.ndarray, y: np.ndarray, lambdas: np.ndarray, tol: float) -> tuple[np.ndarray, Points]:
    """Return the seconds and points of this project's solver."""
    multinomial_l1_path(X, y, 1 / (len(y) * lambdas[:3]), threads=1)  # compiled or loaded
    multinomial_l1_path(X[:500], y[:500], 1 / (500 * lambdas[-1:]), threads=1, tol=1e-6)
    paths = []
    took = seconds(
        lambda: paths.append(multinomial_l1_path(X, y, 1 / (len(y) * lambdas), threads=1, tol=tol))
    )
    return took, zip(paths[0].coef, paths[0].intercept, lambdas, strict=True)


def saga(X: np.ndarray, y: np.ndarray, lambdas: np.ndarray, tol: float) -> tuple[np.ndarray, Points]:
    """Return the seconds and points of scikit-learn's SAGA, each point from the one before."""
    model = LogisticRegression(
        l1_ratio=1, solver="saga", tol=tol, max_iter=100_000, warm_start=True, random_state=0
    )
    points = []

    def fit() -> None:
        for lam in lambdas:
            model.set_params(C=1 / (len(y) * lam)).fit(X, y)
            points.append((model.coef_.copy(), model.intercept_.copy(), lam))

    return seconds(fit), points


def cyanure_path(X: np.ndarray, y: np.ndarray, lambdas: np.ndarray, tol: float) -> tuple[np.ndarray, Points]:
    """Return the seconds and points of cyanure, each point from zero."""
    fits = [cyanure(X, y, lambdas[k : k + 1], tol) for k in range(len(lambdas))]
    return np.sum([took for took, _ in fits], axis=0), [point for _, points in fits for point in points]


SOLVERS = {"path": path, "SAGA": saga, "cyanure": cyanure_path, "glmstar": glmstar, "glmnet": glmnet}
INSTALLED = {
    "cyanure": importlib.util.find_spec("cyanure") is not None,
    "glmstar": importlib.util.find_spec("glmnet") is not None,
    "glmnet": shutil.which("Rscript") is not None,
}


def measure(problem: str, solver: str, tol: float) -> dict[str, float]:
    """Return the processor seconds and the worst gap of one path, in this process."""
    X, y, lambdas = data(problem)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        took, points = SOLVERS[solver](X, y, lambdas, tol)
        gaps = [gap(X, y, *point) for point in points]
    return {"seconds": took[1], "gap": max(gaps) if len(gaps) == POINTS else 1.0}


def child(problem: str, solver: str, tol: float, limit: float) -> dict[str, float] | None:
    """Return `measure` of a process of its own; None if it takes more than `limit` processor seconds."""

    def limit_time() -> None:
        if np.isfinite(limit):
            resource.setrlimit(resource.RLIMIT_CPU, (int(np.ceil(limit + START_UP)),) * 2)

    done = subprocess.run(
        [sys.executable, __file__, problem, solver, str(tol)],
        capture_output=True, text=True, check=False, preexec_fn=limit_time,
    )  # fmt: skip
    if done.returncode or not done.stdout.startswith("{"):
        return None
    result = json.loads(done.stdout)
    return result if result["seconds"] <= limit else None


def verdict(problem: str, solver: str, unit: float) -> str:
    """Return a peer's time in units of the path's, or how it lost."""
    reached = ""
    for tol in TOLERANCES[solver]:
        result = child(problem, solver, tol, MAX_TIME_RATIO * unit)
        if result is None:
            return f"lost{reached or ' in its first run'}"
        if result["gap"] <= TOL:
            return f"{result['seconds'] / unit:.1f}"
        reached = f", at {result['gap']:.1e} after {result['seconds'] / unit:.1f}"
    return f"lost{reached}"


def main() -> None:
    """Print one line for each family."""
    peers = [solver for solver in SOLVERS if solver != "path" and INSTALLED.get(solver, True)]
    print(f"| data | path: seconds, worst gap | {' | '.join(peers)} |")
    print(f"| --- | --- |{' --- |' * len(peers)}")
    for problem, (family, n, p, K) in PROBLEMS.items():
        own = child(problem, "path", TOL, np.inf)
        if own is None:
            raise SystemExit(f"{problem}: the path solver failed")
        verdicts = [verdict(problem, solver, own["seconds"]) for solver in peers]
        print(
            f"| {family}, {n:,} x {p}, {K} classes | {own['seconds']:.2f}, {own['gap']:.1e} "
            f"| {' | '.join(verdicts)} |",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
    else:
        main()
