"""Stage train: multinomial logistic regression with an L1 penalty, by SAGA or by the certified path."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sparse_digits.runtime.stage_harness import parse_paths, stage_harness

import numpy as np
import numpy.typing as npt

from sparse_digits.model import Model
from sparse_digits.params import Train
from sparse_digits.runtime.errors import TooFewClassesError
from sparse_digits.runtime.npz import Arrays, Params, read_npz

MIN_CLASSES = 3  # of two, scikit-learn fits another model: one vector of weights instead of one per class

Floats = npt.NDArray[np.float64]


class Fit(NamedTuple):
    """What a solver returns: coef (K, p), intercept (K,), and how it stopped."""

    coef: Floats
    intercept: Floats
    n_iter: int
    converged: bool


def train(
    scaled: Arrays,
    made_with: Params,
    Cs: Sequence[float],
    how: Train,
    *,
    threads: int | None = None,
    progress: Callable[[], None] | None = None,
) -> list[Model]:
    """Fit a model at each C. The other C's do not change it, nor does `how.C`.

    scaled : the arrays of scaled.npz.  made_with : the params that they were made with.
    threads : of the path solver, by default one for each processor; they do not change a bit.
    progress : called after each fit.
    Raises TooFewClassesError.
    """
    X, y = scaled["X_train"], scaled["y_train"]
    classes = np.unique(y)
    if len(classes) < MIN_CLASSES:
        raise TooFewClassesError(MIN_CLASSES, [str(label) for label in classes])
    if how.solver == "path":
        fits = fit_path(X, y, Cs, how, threads, progress)
    else:
        fits = fit_saga(X, y, Cs, how, progress)
    return [
        Model(
            classes=classes,
            mean=scaled["mean"],
            scale=scaled["scale"],
            params=made_with | how.model_copy(update={"C": C}).flat(),
            **fit._asdict(),
        )
        for C, fit in zip(Cs, fits, strict=True)
    ]


def fit_saga(
    X: Floats, y: npt.NDArray[Any], Cs: Sequence[float], how: Train, progress: Callable[[], None] | None
) -> list[Fit]:
    """Fit at each C by scikit-learn's SAGA, each from zero: a warm start would change the bits."""
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - a second, which the path solver saves

    from sparse_digits.estimator import logistic_regression  # noqa: PLC0415 - likewise

    fits = []
    for C in Cs:
        estimator = logistic_regression(**how.model_dump() | {"C": C, "solver": "saga"})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # reported as the metric `converged`
            fitted = estimator.fit(X, y)
        n_iter = int(fitted.n_iter_[0])
        fits.append(Fit(fitted.coef_, fitted.intercept_, n_iter, n_iter < how.max_iter))
        if progress:
            progress()
    return fits


def fit_path(
    X: Floats,
    y: npt.NDArray[Any],
    Cs: Sequence[float],
    how: Train,
    threads: int | None,
    progress: Callable[[], None] | None,
) -> list[Fit]:
    """Fit at each C by the certified regularization path, whose points share their warm starts."""
    from l1path import multinomial_l1_path  # noqa: PLC0415 - SAGA does not need numba

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "relative duality gap above tol")  # as in `fit_saga`
        path = multinomial_l1_path(
            X,
            y,
            Cs,
            l1_ratio=how.l1_ratio,
            tol=how.tol,
            max_iter=how.max_iter,
            threads=threads,
            progress=progress,
        )
    return [
        Fit(coef, intercept, int(n_iter), bool(converged))
        for coef, intercept, n_iter, converged in zip(
            path.coef, path.intercept, path.n_iter, path.converged, strict=True
        )
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Train on the standardized rows; write a model that predicts from raw pixels."""
    source, target = parse_paths(argv, "scaled.npz", "model.npz")
    with stage_harness("train", target) as params:
        made_with, scaled = read_npz(source)
        (model,) = train(scaled, made_with, [params.train.C], params.train)
        model.write(target)


if __name__ == "__main__":
    main()
