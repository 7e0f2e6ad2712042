"""scikit-learn's logistic regression: the one place where it is built."""

from typing import Any

from sklearn.linear_model import LogisticRegression


def logistic_regression(C: float, l1_ratio: float, max_iter: int, **others: Any) -> LogisticRegression:
    """Return the unfitted estimator.

    C : inverse strength of the penalty.  l1_ratio : 1 is L1, 0 is L2, between them the elastic net.
    others : `solver`, `tol` and `random_state`, where they are not scikit-learn's defaults.
    """
    return LogisticRegression(C=C, l1_ratio=l1_ratio, max_iter=max_iter, **others)
