"""The estimator by scikit-learn's own conventions, and the choice of C."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from l1path import L1MultinomialPath, multinomial_l1_path
from l1path.estimator import one_standard_error


@pytest.mark.parametrize("estimator", [L1MultinomialPath(), L1MultinomialPath([0.1, 1.0], cv=2)])
def test_it_is_a_scikit_learn_estimator(estimator):
    results = check_estimator(estimator, on_skip=None)  # raises where one fails; no exceptions are listed
    assert len(results) > 40
    skipped = {result["check_name"] for result in results if result["status"] != "passed"}
    assert skipped <= {"check_array_api_input"}  # wants SCIPY_ARRAY_API=1; about arrays that are not NumPy's


@pytest.fixture(scope="module")
def data():
    X, y = make_classification(300, 20, n_informative=6, n_classes=3, random_state=0)
    return StandardScaler().fit_transform(X), np.array(["a", "b", "c"])[y]


def test_it_holds_the_path_that_the_solver_finds(data):
    X, y = data
    Cs = [0.03, 0.3, 0.1]
    model = L1MultinomialPath(Cs).fit(X, y)
    path = multinomial_l1_path(X, y, Cs)
    np.testing.assert_array_equal(model.coef_path_, path.coef)
    np.testing.assert_array_equal(model.coef_, path.coef[1])
    assert model.C_ == 0.3
    assert list(model.classes_) == ["a", "b", "c"]
    assert model.converged_.all()


def test_it_predicts_what_saga_predicts_at_the_optimum(data):
    X, y = data
    saga = LogisticRegression(
        C=0.1, l1_ratio=1, solver="saga", tol=1e-6, max_iter=100_000, random_state=0
    ).fit(X, y)
    model = L1MultinomialPath(0.1, tol=1e-8).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), saga.predict_proba(X), atol=1e-4)
    np.testing.assert_allclose(model.decision_function(X), saga.decision_function(X), atol=1e-3)
    assert np.mean(model.predict(X) == saga.predict(X)) > 0.99


def test_probabilities_sum_to_one_and_agree_with_their_logarithms(data):
    X, y = data
    model = L1MultinomialPath(1.0).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    np.testing.assert_allclose(np.log(model.predict_proba(X)), model.predict_log_proba(X))


def test_balanced_classes_weigh_as_scikit_learn_weighs_them(data):
    X, y = data
    X, y = X[40:], np.sort(y)[40:]
    weight = {c: len(y) / (3 * np.sum(y == c)) for c in "abc"}
    balanced = L1MultinomialPath(0.1, class_weight="balanced").fit(X, y)
    by_rows = L1MultinomialPath(0.1).fit(X, y, sample_weight=[weight[c] for c in y])
    np.testing.assert_allclose(balanced.coef_, by_rows.coef_, atol=1e-12)


def test_it_works_in_a_pipeline_under_cross_validation_and_grid_search():
    X, y = load_digits(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), L1MultinomialPath(0.05))
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.88
    search = GridSearchCV(pipeline, {"l1multinomialpath__Cs": [0.001, 0.05]}, cv=2).fit(X, y)
    assert search.best_params_ == {"l1multinomialpath__Cs": 0.05}


def test_the_chosen_one_is_the_sparsest_within_one_standard_error(data):
    X, y = data
    Cs = np.geomspace(0.01, 10, 7)
    model = L1MultinomialPath(Cs, cv=StratifiedKFold(5)).fit(X, y)
    assert model.loss_path_.shape == (5, 7)
    mean = model.loss_path_.mean(axis=0)
    error = model.loss_path_[:, mean.argmin()].std(ddof=1) / np.sqrt(5)
    assert mean[Cs == model.C_][0] <= mean.min() + error
    assert np.all(mean[Cs < model.C_] > mean.min() + error)
    np.testing.assert_array_equal(model.coef_, model.coef_path_[Cs == model.C_][0])


def test_one_standard_error_takes_the_smallest_that_is_near_enough_in_any_order():
    loss = np.array([[0.5, 0.31, 0.30, 0.4], [0.5, 0.33, 0.34, 0.4]])
    assert one_standard_error(np.array([1.0, 2.0, 4.0, 8.0]), loss) == 1
    assert one_standard_error(np.array([1.0, 9.0, 4.0, 8.0]), loss) == 2


def test_a_fold_that_lacks_a_class_is_refused(data):
    X, y = data
    with pytest.raises(ValueError, match="expected all 3 classes in the training rows of fold 0, got 2"):
        L1MultinomialPath(cv=[(np.flatnonzero(y != "a"), np.flatnonzero(y == "a"))]).fit(X, y)


def test_labels_that_do_not_sort_are_one_error_that_says_so():
    y = np.array(["one", 1] * 5, object)
    with pytest.raises(ValueError, match="y: expected labels that sort, got int and str"):
        L1MultinomialPath().fit(np.eye(10), y)
