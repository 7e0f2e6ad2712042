"""The selection of C by cross-validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import check_cv

from l1path.objective import log_softmax, scores
from l1path.problem.validation import naming
from l1path.workers import Workers

if TYPE_CHECKING:
    from l1path.path import RegularizationPath

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


def split(
    cv: Any, X: Any, labels: Indices, weight: Floats, K: int, params: dict[str, Any]
) -> list[tuple[Indices, Indices]]:
    """Return the training and held-out rows of each fold of `cv`, whose `split` takes X, labels and params.

    Raises ValueError if training rows lack one of the K classes, or held-out rows have no weight.
    """
    with naming("cv"):
        rows = np.arange(len(labels))
        splits = check_cv(cv, labels, classifier=True).split(X, labels, **params)
        folds = [(rows[train], rows[held_out]) for train, held_out in splits]
    if not folds:
        raise ValueError("cv: expected at least one fold, got none")
    for number, (train, held_out) in enumerate(folds):
        if (present := len(np.unique(labels[train][weight[train] > 0]))) < K:
            raise ValueError(
                f"cv: expected all {K} classes in the training rows of fold {number}, got {present}. "
                "Use a stratified splitter."
            )
        if not weight[held_out].any():
            raise ValueError(f"cv: expected held-out rows with a weight in fold {number}, got none")
    return folds


def held_out_losses(
    path: RegularizationPath, X: Any, labels: Indices, weight: Floats, held_out: Indices
) -> list[float]:
    """Return the mean log-loss of the held-out rows at each point of the path, in nats."""
    X, labels, weight = X[held_out], labels[held_out], weight[held_out]

    def mean_loss(coef: Any, intercept: Floats) -> float:
        coef = coef if isinstance(coef, np.ndarray) else coef.toarray()
        losses = -log_softmax(scores(X, coef, intercept))[np.arange(len(labels)), labels]
        return float(np.average(losses, weights=weight))

    with Workers(1) as worker:
        return [worker.call(mean_loss, *point) for point in zip(path.weights, path.intercept, strict=True)]


def one_standard_error(Cs: Floats, loss: Floats) -> int:
    """Return the index of the smallest C whose mean loss is within one standard error of the best.

    Cs : (points,).  loss : (folds, points).  The standard error is that of the best C's mean over the folds.
    """
    mean = loss.mean(axis=0)
    best = mean.argmin()
    error = loss[:, best].std(ddof=1) / np.sqrt(len(loss)) if len(loss) > 1 else 0.0
    return int(min(np.flatnonzero(mean <= mean[best] + error), key=lambda k: Cs[k]))
