"""The path solver and its peers, side by side: ``python benchmarks/path.py [--full]``.

The unit is one fit of the example in the same process: scikit-learn's SAGA at tol 0.1 on 5,000 rows. Every
gap is recomputed from the definition, in float64 on the standardized data. A peer that is not installed is
listed as such. The times include the solver's working copy, not its compilation. `--full` runs the peers on
C = 1 and on 60,000 rows too, which takes half an hour; no peer finishes a path of 40 points to C = 1. The
benchmark needs 3 GB, and Linux for the memory.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from l1path import multinomial_l1_path
from l1path.objective import log_softmax, one_hot, scores

Points = Iterable[tuple[np.ndarray, np.ndarray, float]]  # coef (K, p), intercept (K,), lambda


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """Return MNIST's images (70000, 784) and labels in OpenML's order, from the folder of IDX files."""
    folder = os.environ.get("SPARSE_DIGITS_MIRROR")
    if not folder:
        sys.exit("SPARSE_DIGITS_MIRROR: expected the folder with MNIST's four IDX files, got nothing")

    def read(name: str, offset: int) -> np.ndarray:
        return np.frombuffer(gzip.decompress(Path(folder, name).read_bytes()), np.uint8, offset=offset)

    images = [read(f"{part}-images-idx3-ubyte.gz", 16) for part in ("train", "t10k")]
    labels = [read(f"{part}-labels-idx1-ubyte.gz", 8) for part in ("train", "t10k")]
    return np.concatenate(images).reshape(-1, 784), np.concatenate(labels).astype(int)


def example_rows(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 5,000 standardized training rows of the example at split seed 0."""
    order = check_random_state(0).permutation(len(labels))
    X, _, y, _ = train_test_split(
        images[order].astype(float), labels[order], train_size=5000, test_size=10000, random_state=0
    )
    return StandardScaler().fit_transform(X), y


def gap(X: np.ndarray, y: np.ndarray, coef: np.ndarray, intercept: np.ndarray, lam: float) -> float:
    """Return the relative duality gap from the definition; the dual at the best intercepts."""
    n, Y = len(y), one_hot(y, len(intercept))
    eta = scores(X, coef, intercept)
    primal = -np.sum(Y * log_softmax(eta)) / n + lam * np.abs(coef).sum()
    for _ in range(10):
        P = np.exp(log_softmax(eta))
        eta = eta - np.linalg.pinv(np.diag(P.sum(axis=0)) - P.T @ P, rcond=1e-12) @ (P - Y).sum(axis=0)
    R = np.exp(log_softmax(eta)) - Y
    Q = np.maximum(Y + min(1.0, lam * n / np.abs(X.T @ R).max()) * R, 1e-300)
    return float((primal + np.sum(Q * np.log(Q)) / n) / primal)


def seconds(call: Callable[[], object], repeat: int = 1) -> np.ndarray:
    """Return the least seconds of `repeat` calls, and the least processor seconds of all threads together."""
    times = []
    for _ in range(repeat):
        start = np.array([time.perf_counter(), time.process_time()])
        call()
        times.append(np.array([time.perf_counter(), time.process_time()]) - start)
    return np.min(times, axis=0)


def memory(name: str) -> float:
    """Return a line of Linux's status of this process in MB: VmRSS is what it has, VmHWM the peak."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) / 1024


def example_fit(X: np.ndarray, y: np.ndarray) -> LogisticRegression:
    """Return the example's fit."""
    return LogisticRegression(C=50 / len(y), l1_ratio=1, solver="saga", tol=0.1, random_state=0).fit(X, y)


def l1path_solver(
    X: np.ndarray, y: np.ndarray, lambdas: np.ndarray, threads: int
) -> tuple[np.ndarray, Points]:
    """Return the seconds and points of this project's solver."""
    repeat = 3 if len(y) < 10_000 and lambdas[-1] > 0.01 else 1  # noqa: PLR2004 - what takes part of a second
    paths = []
    took = seconds(
        lambda: paths.append(multinomial_l1_path(X, y, 1 / (len(y) * lambdas), threads=threads)), repeat
    )
    return took, zip(paths[-1].coef, paths[-1].intercept, lambdas, strict=True)


def growth(X: np.ndarray, y: np.ndarray, sizes: tuple[int, ...] = (5000, 10000, 20000, 40000, 60000)) -> None:
    """Print the seconds of 20 points to lambda 0.02 for more and more rows, the least of three rounds."""
    lambdas = np.geomspace(0.2, 0.02, 20)
    rounds = [
        [seconds(lambda n=n: multinomial_l1_path(X[:n], y[:n], 1 / (n * lambdas))) for n in sizes]
        for _ in range(3)
    ]
    for n, took in zip(sizes, np.min(rounds, axis=0), strict=True):
        wall, processor = 1e6 * took / n
        print(
            f"{n} rows, 20 points to lambda 0.02: {took[0]:.2f} s, {wall:.0f} us a row, "
            f"by processor time {processor:.0f} us",
            flush=True,
        )


def cyanure(
    X: np.ndarray, y: np.ndarray, lambdas: np.ndarray, tol: float = 1e-3
) -> tuple[np.ndarray, Points]:
    """Return the seconds and the last point of cyanure, which has no path: one cold fit."""
    from cyanure.estimators import Classifier  # noqa: PLC0415 - may not be installed

    model = Classifier(
        loss="multiclass-logistic", penalty="l1", lambda_1=lambdas[-1], fit_intercept=True, tol=tol,
        max_iter=2000, verbose=False,
    )  # fmt: skip
    took = seconds(lambda: model.fit(X, y))
    return took, [(np.atleast_2d(model.get_weights()[0]).T, np.ravel(model.get_weights()[1]), lambdas[-1])]


def glmstar(
    X: np.ndarray, y: np.ndarray, lambdas: np.ndarray, thresh: float = 2e-8
) -> tuple[np.ndarray, Points]:
    """Return the seconds and points of glmnet's C++ code as `glmstar` packs it (module `glmnet`)."""
    from glmnet import MultiClassNet  # noqa: PLC0415 - may not be installed

    model = MultiClassNet(lambda_values=lambdas, standardize=False)
    model.control.thresh = thresh
    took = seconds(lambda: model.fit(X, y))
    path = zip(np.asarray(model.coefs_), np.asarray(model.intercepts_), lambdas, strict=False)
    return took, [(coef.T, intercept, lam) for coef, intercept, lam in path]


def glmnet(
    X: np.ndarray, y: np.ndarray, lambdas: np.ndarray, thresh: float = 2e-8
) -> tuple[np.ndarray, Points]:
    """Return the seconds and points of R's glmnet; the threshold is the one that reaches 1e-3 on MNIST."""
    K, p = y.max() + 1, X.shape[1]
    with tempfile.TemporaryDirectory() as folder:
        for name, array in {
            "X": X, "y": y.astype(np.int32), "lambda": lambdas, "shape": np.array(X.shape, np.int32)
        }.items():  # fmt: skip
            array.tofile(Path(folder, name))
        script = Path(__file__).with_name("glmnet.R")
        out = subprocess.run(
            ["Rscript", str(script), folder, str(thresh)], capture_output=True, text=True, check=True
        ).stdout
        coef = np.fromfile(Path(folder, "coef")).reshape(K, len(lambdas), p)
        intercept = np.fromfile(Path(folder, "intercept")).reshape(len(lambdas), K)
    return np.array(out.split(), float), zip(coef.transpose(1, 0, 2), intercept, lambdas, strict=True)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="the peers on C = 1 and 60,000 rows too")
    full = parser.parse_args().full
    images, labels = mnist()
    X, y = example_rows(images, labels)
    no_bytes = X * (1 + 1e-9 * np.random.default_rng(0).normal(size=X.shape))
    everything = StandardScaler().fit_transform(images[:60000].astype(float))
    multinomial_l1_path(X, y, [1e-3])  # compiled or loaded
    multinomial_l1_path(no_bytes, y, [1e-3])
    twenty, all_peers = np.geomspace(0.2, 0.02, 20), "cyanure glmstar glmnet"
    problems = [
        ("5,000 rows, 20 points to lambda 0.02", X, y, twenty, all_peers),
        ("the same, of numbers that bytes cannot represent", no_bytes, y, twenty, ""),
        ("5,000 rows, 40 points to C = 1", X, y, np.geomspace(0.3, 1 / len(y), 40), ""),
        ("5,000 rows, C = 1 alone", X, y, np.array([1 / len(y)]), "cyanure" if full else ""),
        (
            "60,000 rows, 30 points to 0.002",
            everything,
            labels[:60000],
            np.geomspace(0.2, 0.002, 30),
            all_peers if full else "",
        ),
    ]
    peers = {
        "cyanure": (importlib.util.find_spec("cyanure") is not None, cyanure),
        "glmstar": (importlib.util.find_spec("glmnet") is not None, glmstar),
        "glmnet": (shutil.which("Rscript") is not None, glmnet),
    }
    print(
        "| problem | solver | seconds | in fits of the example | by processor time | worst gap "
        "| MB beyond the data |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    example_gap = gap(X, y, example_fit(X, y).coef_, example_fit(X, y).intercept_, 0.02)
    for name, rows, classes, lambdas, named in problems:
        unit = seconds(lambda: example_fit(X, y), 3)
        print(
            f"| 5,000 rows, lambda 0.02 | SAGA, tol 0.1 | {unit[0]:.2f} | 1 | 1 | {example_gap:.1e} | |",
            flush=True,
        )
        solvers = {
            f"path, {threads} thread{'s' * (threads > 1)}": (
                True, lambda *problem, threads=threads: l1path_solver(*problem, threads)
            )
            for threads in (1, 2)
        } | {peer: peers[peer] for peer in named.split()}  # fmt: skip
        for solver, (installed, fit) in solvers.items():
            if not installed:
                print(f"| {name} | {solver} | not installed | | | | |", flush=True)
                continue
            Path("/proc/self/clear_refs").write_text("5")  # resets the peak
            before = memory("VmRSS")
            took, points = fit(rows, classes, lambdas)
            peak = memory("VmHWM") - before
            worst = max(gap(rows, classes, *point) for point in points)
            wall, processor = took / unit
            print(
                f"| {name} | {solver} | {took[0]:.2f} | {wall:.2f} | {processor:.2f} | {worst:.1e} "
                f"| {peak:.0f} |",
                flush=True,
            )
    growth(everything, labels)


if __name__ == "__main__":
    main()
