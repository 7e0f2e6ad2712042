"""The model as a scikit-learn pipeline from raw pixels to a class, and back."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sparse_digits.model import Model


def to_pipeline(fitted: Model) -> Pipeline:
    """Return a pipeline of scaler and classifier that answers as the model does."""
    scaler, classifier = StandardScaler(), LogisticRegression()
    scaler.mean_, scaler.scale_ = fitted.mean, fitted.scale
    scaler.n_features_in_ = classifier.n_features_in_ = len(fitted.mean)
    scaler.n_samples_seen_ = int(fitted.params["split.train_size"])
    classifier.coef_, classifier.intercept_ = fitted.coef, fitted.intercept
    classifier.classes_ = fitted.classes
    classifier.n_iter_ = np.array([fitted.n_iter])
    return Pipeline([("scale", scaler), ("classify", classifier)])


def from_pipeline(pipeline: Pipeline, C: float) -> Model:
    """Return the model of a pipeline that `to_pipeline` made. Raises ValueError for any other.

    C : of the model, which a pipeline does not have. How the fit ended is not known.
    """
    try:
        scaler, classifier = pipeline["scale"], pipeline["classify"]
        return Model(
            coef=classifier.coef_,
            intercept=classifier.intercept_,
            classes=classifier.classes_,
            mean=scaler.mean_,
            scale=scaler.scale_,
            n_iter=int(classifier.n_iter_[0]),
            converged=False,
            params={"train.C": C, "split.train_size": int(scaler.n_samples_seen_)},
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no pipeline of a scaler and a linear classifier: {error}") from None
