"""Stage train: multinomial logistic regression with an L1 penalty."""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from sparse_digits.faults import Fault
from sparse_digits.files import read_npz
from sparse_digits.model import Model
from sparse_digits.objective import Floats, Ints
from sparse_digits.params import Train
from sparse_digits.stage import paths, stage


def estimator(train: Train) -> LogisticRegression:
    """Build scikit-learn's estimator: the one place where its arguments stand."""
    return LogisticRegression(
        C=train.C,
        l1_ratio=train.l1_ratio,
        solver=train.solver,
        tol=train.tol,
        max_iter=train.max_iter,
        random_state=train.random_state,
    )


def fit(X: Floats, y: Ints, train: Train) -> LogisticRegression:
    """Fit on standardised X (n, p) and labels y (n,). Raises `Fault` if y has fewer than three classes.

    With two scikit-learn fits another model: one vector of weights instead of one for each class.
    """
    if len(classes := np.unique(y)) < 3:  # noqa: PLR2004 - see above
        found = " and ".join(map(str, classes))
        raise Fault(f"split.train_size: expected training rows of three classes or more, got only {found}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the metrics say it: `converged`
        return estimator(train).fit(X, y)


def main(argv: Sequence[str] | None = None) -> None:
    """Train on the standardised rows; what is written predicts from raw pixels."""
    source, target = paths(argv, "scaled.npz", "model.npz")
    with stage("train", target) as params:
        made_with, scaled = read_npz(source)
        fitted = fit(scaled["X_train"], scaled["y_train"], params.train)
        n_iter = int(fitted.n_iter_[0])
        Model(
            coef=fitted.coef_,
            intercept=fitted.intercept_,
            classes=fitted.classes_,
            mean=scaled["mean"],
            scale=scaled["scale"],
            n_iter=n_iter,
            converged=n_iter < params.train.max_iter,
            params=made_with | params.flat("train"),
        ).write(target)


if __name__ == "__main__":
    main()
