"""The regularization path as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_consistent_length, compute_class_weight
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _raise_for_params,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from l1path.classifier.cross_validation import held_out_losses, one_standard_error, split
from l1path.objective import log_softmax, scores
from l1path.path import RegularizationPath, multinomial_l1_path
from l1path.problem.validation import check_Cs, missing_labels_fault, naming, sorting_fault
from l1path.workers import usable_threads

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


class L1MultinomialPath(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """L1-penalized multinomial logistic regression on a certified path of C.

    Minimizes, for each C, ``C * sum_i weight_i CE(y_i, softmax(W x_i + b)) + |W|_1`` with b free, which is
    ``LogisticRegression(l1_ratio=1, solver="saga")``'s objective, to a relative duality gap of `tol`. With
    `l1_ratio` below 1 the penalty is the elastic net ``l1_ratio |W|_1 + (1 - l1_ratio) / 2 |W|_2^2``.

    Parameters
    ----------
    Cs : float or array of floats > 0
        The values of C on the path. Without `cv` the model predicts with the largest.
    l1_ratio : float above 0, up to 1
        The share of L1 in the penalty, as in scikit-learn.
    fit_intercept : bool
        False keeps the intercepts at 0.
    tol : float
        The relative duality gap at which a point is done.
    max_iter : int
        Passes over the classes for one point.
    class_weight : None, "balanced" or dict
        Weights of the classes, multiplied with the rows' weights, as in scikit-learn. "balanced" gives each
        class the same sum of weights.
    cv : None, int, splitter or iterable of splits
        The cross-validation that selects C; None takes the largest. The one-standard-error rule selects the
        smallest C, so the sparsest model, whose mean log-loss over the folds is within one standard error of
        the best (Breiman et al. 1984, section 3.4.3; Hastie, Tibshirani and Friedman 2009, section 7.10).
    n_jobs : None or int
        The number of points solved side by side, in threads, as joblib counts them: -1 means every processor.
        None means so too, but one within a worker of joblib's. It changes no bit of the result.

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
    n_features_in_ : int, feature_names_in_ : (p,) if X has names
    """

    def __init__(
        self,
        Cs: float | npt.ArrayLike = 1.0,
        *,
        l1_ratio: float = 1.0,
        fit_intercept: bool = True,
        tol: float = 1e-3,
        max_iter: int = 1000,
        class_weight: dict[Any, float] | str | None = None,
        cv: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.Cs = Cs
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.cv = cv
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: X may be sparse."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def penalty(self) -> str:
        """The penalty's name: SelectFromModel reads it, and with "l1" keeps the features that are used."""
        return "l1" if self.l1_ratio == 1 else "elasticnet"

    def fit(self, X: Any, y: Any, sample_weight: npt.ArrayLike | None = None, **params: Any) -> Self:
        """Fit the path on X (n, p) and labels y (n,); sample_weight : (n,) >= 0, where 0 excludes a row.

        params : the metadata of `cv`, such as `groups` (n,).
        """
        X, y, weight = self._check_data(X, y, sample_weight)
        split_params = self._split_params(sample_weight, params)
        Cs = check_Cs(self.Cs)
        threads = self._threads()
        has_weight = weight > 0
        classes = np.unique(y[has_weight])
        if len(classes) < 2:  # noqa: PLR2004 - a class and another
            raise ValueError(f"y: expected at least two classes, got {len(classes)} class")
        labels = np.searchsorted(classes, y)
        weight[has_weight] *= self._class_weights(classes, y[has_weight], weight[has_weight])[
            labels[has_weight]
        ]

        def path(rows: Indices) -> RegularizationPath:
            rows = rows[weight[rows] > 0]
            return multinomial_l1_path(
                X if np.array_equal(rows, np.arange(len(y))) else X[rows], labels[rows], Cs,
                sample_weight=weight[rows], l1_ratio=self.l1_ratio, fit_intercept=self.fit_intercept,
                tol=self.tol, max_iter=self.max_iter, threads=threads,
            )  # fmt: skip

        folds = [] if self.cv is None else split(self.cv, X, labels, weight, len(classes), split_params)
        whole = path(np.arange(len(y)))
        losses = [held_out_losses(path(train), X, labels, weight, held_out) for train, held_out in folds]
        selected = one_standard_error(Cs, np.array(losses)) if losses else int(np.argmax(Cs))
        self.__dict__.pop("loss_path_", None)  # of a fit with `cv` before this one
        if losses:
            self.loss_path_ = np.array(losses)
        self.classes_, self.Cs_, self.C_ = classes, Cs, float(Cs[selected])
        self.coef_path_, self.intercept_path_ = whole.coef, whole.intercept
        self.duality_gap_, self.objective_ = whole.duality_gap, whole.objective
        self.n_iter_, self.converged_ = whole.n_iter, whole.converged
        self.coef_, self.intercept_ = whole.coef[selected].copy(), whole.intercept[selected].copy()
        return self

    def _check_data(
        self, X: Any, y: Any, sample_weight: npt.ArrayLike | None
    ) -> tuple[Any, npt.NDArray[Any], Floats]:
        """Return X, the labels and the rows' weights as arrays."""
        if (given := np.asarray(y)).ndim == 1 and (fault := missing_labels_fault(given)):
            raise ValueError(fault)
        with naming("y"):
            check_consistent_length(X, y)
        X, y = validate_data(self, X, y, dtype=np.float64, order="C", accept_sparse=["csr", "csc"])
        if fault := sorting_fault(y):
            raise ValueError(fault)
        with naming("y"):
            check_classification_targets(y)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True, copy=True)
        return X, y, weight

    def _threads(self) -> int:
        if not (self.n_jobs is None or (isinstance(self.n_jobs, int | np.integer) and self.n_jobs != 0)):
            raise ValueError(f"n_jobs: expected None or an integer other than 0, got {self.n_jobs!r}")
        return usable_threads(self.n_jobs)

    def _class_weights(self, classes: npt.NDArray[Any], y: npt.NDArray[Any], weight: Floats) -> Floats:
        """Return the weight of each class for labels and weights of the rows that have a weight."""
        given = self.class_weight
        if not (
            given is None or isinstance(given, Mapping) or (isinstance(given, str) and given == "balanced")
        ):
            raise ValueError(f'class_weight: expected None, "balanced" or a dict, got {given!r}')
        with naming("class_weight"):
            weights: Floats = compute_class_weight(given, classes=classes, y=y, sample_weight=weight)
        if not (valid := (weights > 0) & (weights < np.inf)).all():
            k = int(np.argmin(valid))
            raise ValueError(
                f"class_weight: expected numbers > 0, got {weights[k]:g} for class {classes[k]}. "
                "To exclude a class, leave out its rows."
            )
        return weights

    def _split_params(self, sample_weight: npt.ArrayLike | None, params: dict[str, Any]) -> dict[str, Any]:
        """Return what `cv` takes beside X and y."""
        if _routing_enabled():
            routed = process_routing(self, "fit", sample_weight=sample_weight, **params)
            return dict(routed.splitter.split)
        groups = {name: value for name, value in params.items() if name == "groups"}
        _raise_for_params({name: params[name] for name in params.keys() - groups}, self, "fit")
        return groups

    def get_metadata_routing(self) -> MetadataRouter:
        """Return which metadata `fit` takes itself, and which it passes on to `cv`."""
        mapping = MethodMapping().add(caller="fit", callee="split")
        return MetadataRouter(owner=self).add_self_request(self).add(splitter=self.cv, method_mapping=mapping)

    def decision_function(self, X: Any) -> Floats:
        """Return the scores, (n, K); for two classes the second score minus the first, (n,)."""
        eta = self._scores(X)
        two = len(self.classes_) == 2  # noqa: PLR2004 - where scikit-learn has one score
        return eta[:, 1] - eta[:, 0] if two else eta

    def predict_log_proba(self, X: Any) -> Floats:
        """Return the log-probabilities of the classes, (n, K), in nats."""
        return log_softmax(self._scores(X))

    def predict_proba(self, X: Any) -> Floats:
        """Return the probabilities of the classes, (n, K)."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the class of the highest score, (n,)."""
        best = self._scores(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def _scores(self, X: Any) -> Floats:
        """Return the scores, (n, K)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64, order="C", accept_sparse=["csr", "csc"])
        return scores(X, self.coef_, self.intercept_)
