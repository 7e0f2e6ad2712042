"""Stage train: multinomial logistic regression with an L1 penalty, by SAGA or by the certified path."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from dvc_mlflow.errors import UserError
from l1path.objective import Floats, Ints
from sparse_digits.model import Model
from sparse_digits.params import Train
from sparse_digits.runtime.files import read_npz
from sparse_digits.runtime.stage_harness import parse_paths, stage_harness

FEWEST = 3  # classes


class Fitted(NamedTuple):
    """What a solver found: coef (K, p), intercept (K,), classes (K,), and how it stopped."""

    coef: Floats
    intercept: Floats
    classes: npt.NDArray[Any]
    n_iter: int
    converged: bool


def train(
    X: Floats,
    y: Ints,
    Cs: Sequence[float],
    how: Train,
    threads: int | None = None,
    progress: Callable[[], None] | None = None,
) -> list[Fitted]:
    """Fit on standardised X (n, p) and labels y (n,) at each C, none of which changes the fit at another.

    threads : how many the path solver uses, one for each processor if None; they change no bit.
    progress : called once for each C that is fitted.
    Raises `Fault` if y has fewer than three classes: of two, scikit-learn fits another model, one vector of
    weights instead of one for each class.
    """
    if len(classes := np.unique(y)) < FEWEST:
        found = " and ".join(map(str, classes))
        raise UserError(
            f"split.train_size: expected training rows of three classes or more, got only {found}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the metrics say it: `converged`
        if how.solver == "path":
            return _path(X, y, Cs, how, threads, progress)
        fits = []
        for C in Cs:
            fits.append(_saga(X, y, how.model_copy(update={"C": C})))
            if progress:
                progress()
        return fits


def estimator(how: Train) -> LogisticRegression:
    """Build scikit-learn's estimator: the one place where its arguments stand."""
    return LogisticRegression(
        C=how.C,
        l1_ratio=how.l1_ratio,
        solver="saga",
        tol=how.tol,
        max_iter=how.max_iter,
        random_state=how.random_state,
    )


def _saga(X: Floats, y: Ints, how: Train) -> Fitted:
    fitted = estimator(how).fit(X, y)
    n_iter = int(fitted.n_iter_[0])
    return Fitted(fitted.coef_, fitted.intercept_, fitted.classes_, n_iter, n_iter < how.max_iter)


def _path(
    X: Floats,
    y: Ints,
    Cs: Sequence[float],
    how: Train,
    threads: int | None,
    progress: Callable[[], None] | None,
) -> list[Fitted]:
    from l1path import multinomial_l1_path  # noqa: PLC0415 - saga does without numba

    path = multinomial_l1_path(
        X, y, Cs, tol=how.tol, max_iter=how.max_iter, threads=threads, progress=progress
    )
    classes = np.unique(y)
    return [
        Fitted(coef, intercept, classes, int(n_iter), bool(converged))
        for coef, intercept, n_iter, converged in zip(
            path.coef, path.intercept, path.n_iter, path.converged, strict=True
        )
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Train on the standardised rows; what is written predicts from raw pixels."""
    source, target = parse_paths(argv, "scaled.npz", "model.npz")
    with stage_harness("train", target) as params:
        made_with, scaled = read_npz(source)
        (fitted,) = train(scaled["X_train"], scaled["y_train"], [params.train.C], params.train)
        Model(
            **fitted._asdict(),
            mean=scaled["mean"],
            scale=scaled["scale"],
            params=made_with | params.flat("train"),
        ).write(target)


if __name__ == "__main__":
    main()
