"""The regularization path as a scikit-learn classifier, and the selection of C by cross-validation."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import check_cv
from sklearn.utils import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from l1path.objective import log_softmax, scores
from l1path.path import RegularizationPath, multinomial_l1_path
from l1path.validation import sorting_fault

Floats = npt.NDArray[np.float64]


class L1MultinomialPath(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """L1-penalized multinomial logistic regression on a certified path of C.

    Minimizes, for each C, ``C * sum_i weight_i CE(y_i, softmax(W x_i + b)) + |W|_1`` with b free, which is
    ``LogisticRegression(l1_ratio=1, solver="saga")``'s objective, to a relative duality gap of `tol`.

    Parameters
    ----------
    Cs : float or array of floats > 0
        The values of C on the path. Without `cv` the model predicts with the largest.
    tol : float
        The relative duality gap at which a point is done.
    max_iter : int
        Passes over the classes for one point.
    class_weight : None, "balanced" or dict
        Weights of the classes, multiplied with the rows' weights, as in scikit-learn.
    cv : None, int, splitter or iterable of splits
        The cross-validation that selects C; None takes the largest. The one-standard-error rule selects the
        smallest C, so the sparsest model, whose mean log-loss over the folds is within one standard error of
        the best (Breiman et al. 1984, section 3.4.3; Hastie, Tibshirani and Friedman 2009, section 7.10).

    Attributes
    ----------
    classes_ : (K,)
    coef_ : (K, p), intercept_ : (K,)
        The point that predicts. Two classes have two rows, and the penalty includes both.
    C_ : float
        Its C.
    Cs_ : (points,), coef_path_ : (points, K, p), intercept_path_ : (points, K)
        The path, in the order of `Cs`.
    duality_gap_, objective_, n_iter_, converged_ : (points,)
        As `l1path.RegularizationPath` has them.
    loss_path_ : (folds, points)
        Log-loss of the held-out rows in nats, if `cv` is given.
    n_features_in_ : int
    """

    def __init__(
        self,
        Cs: float | npt.ArrayLike = 1.0,
        *,
        tol: float = 1e-3,
        max_iter: int = 1000,
        class_weight: dict[Any, float] | str | None = None,
        cv: Any = None,
    ) -> None:
        self.Cs = Cs
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.cv = cv

    def fit(self, X: Any, y: Any, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Fit the path on X (n, p) and labels y (n,); sample_weight : (n,) >= 0, where 0 excludes a row."""
        X, y = validate_data(self, X, y, dtype=np.float64, order="C", accept_large_sparse=False)
        if fault := sorting_fault(y):
            raise ValueError(fault)
        check_classification_targets(y)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        weight = weight * compute_sample_weight(self.class_weight, y)
        self.classes_ = np.unique(y[weight > 0])
        if len(self.classes_) < 2:  # noqa: PLR2004 - a class and another
            raise ValueError(f"y: expected at least two classes, got {len(self.classes_)} class")
        labels = np.searchsorted(self.classes_, y)
        self.Cs_ = np.atleast_1d(np.asarray(self.Cs, dtype=np.float64))
        path = self._path(X, labels, weight)
        self.coef_path_, self.intercept_path_ = path.coef, path.intercept
        self.duality_gap_, self.objective_ = path.duality_gap, path.objective
        self.n_iter_, self.converged_ = path.n_iter, path.converged
        selected = int(np.argmax(self.Cs_)) if self.cv is None else self._select(X, labels, weight)
        self.C_ = float(self.Cs_[selected])
        self.coef_, self.intercept_ = path.coef[selected].copy(), path.intercept[selected].copy()
        return self

    def _path(self, X: Floats, y: npt.NDArray[np.intp], weight: Floats) -> RegularizationPath:
        """Return the path on the rows of positive weight."""
        X, y, weight = X[weight > 0], y[weight > 0], weight[weight > 0]
        return multinomial_l1_path(X, y, self.Cs_, sample_weight=weight, tol=self.tol, max_iter=self.max_iter)

    def _select(self, X: Floats, y: npt.NDArray[np.intp], weight: Floats) -> int:
        """Return the index in `Cs_` that the folds select by the one-standard-error rule."""
        folds = list(check_cv(self.cv, y, classifier=True).split(X, y))
        self.loss_path_ = np.empty((len(folds), len(self.Cs_)))
        for fold, (train, held_out) in enumerate(folds):
            if (present := len(np.unique(y[train][weight[train] > 0]))) < len(self.classes_):
                raise ValueError(
                    f"cv: expected all {len(self.classes_)} classes in the training rows of fold {fold}, "
                    f"got {present}. Use a stratified splitter."
                )
            path = self._path(X[train], y[train], weight[train])
            for k, (coef, intercept) in enumerate(zip(path.coef, path.intercept, strict=True)):
                log_p = log_softmax(scores(X[held_out], coef, intercept))
                loss = -log_p[np.arange(len(held_out)), y[held_out]]
                self.loss_path_[fold, k] = np.average(loss, weights=weight[held_out])
        return one_standard_error(self.Cs_, self.loss_path_)

    def decision_function(self, X: Any) -> Floats:
        """Return the scores, (n, K); for two classes the second score minus the first, (n,)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64, order="C")
        eta = scores(X, self.coef_, self.intercept_)
        two = len(self.classes_) == 2  # noqa: PLR2004 - where scikit-learn has one score
        return eta[:, 1] - eta[:, 0] if two else eta

    def predict_log_proba(self, X: Any) -> Floats:
        """Return the log-probabilities of the classes, (n, K), in nats."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64, order="C")
        return log_softmax(scores(X, self.coef_, self.intercept_))

    def predict_proba(self, X: Any) -> Floats:
        """Return the probabilities of the classes, (n, K)."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the class of the highest score, (n,)."""
        best = self.predict_log_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])


def one_standard_error(Cs: Floats, loss: Floats) -> int:
    """Return the index of the smallest C whose mean loss is within one standard error of the best.

    Cs : (points,).  loss : (folds, points).  The standard error is that of the best C's mean over the folds.
    """
    mean = loss.mean(axis=0)
    best = mean.argmin()
    error = loss[:, best].std(ddof=1) / np.sqrt(len(loss)) if len(loss) > 1 else 0.0
    return int(min(np.flatnonzero(mean <= mean[best] + error), key=lambda k: Cs[k]))
