"""The estimator by scikit-learn's own conventions, and the choice of C."""

import numpy as np
import pandas as pd
import pytest
from sklearn import clone, config_context
from sklearn.datasets import load_digits, make_classification
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from l1path import L1MultinomialPath, multinomial_l1_path
from l1path.classifier.cross_validation import one_standard_error


@pytest.mark.parametrize(
    "estimator", [L1MultinomialPath(), L1MultinomialPath([0.1, 1.0], cv=3, class_weight="balanced", n_jobs=1)]
)
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


def test_balanced_classes_count_the_rows_by_their_weights(data):
    X, y = data
    weight = np.random.default_rng(0).integers(0, 4, len(y)).astype(float)
    weight[y == "a"] *= 3
    repeated = np.repeat(np.arange(len(y)), weight.astype(int))
    balanced = L1MultinomialPath(0.1, class_weight="balanced", tol=1e-8)
    by_weight = balanced.fit(X, y, sample_weight=weight).coef_
    np.testing.assert_allclose(balanced.fit(X[repeated], y[repeated]).coef_, by_weight, atol=1e-6)


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


@pytest.fixture
def groups(data):
    return np.arange(len(data[1])) % 5


@pytest.mark.parametrize("routing", [False, True])
def test_groups_reach_cv(*, data, groups, routing):
    X, y = data
    with config_context(enable_metadata_routing=routing):
        by_groups = L1MultinomialPath([0.1, 1.0], cv=GroupKFold(5)).fit(X, y, groups=groups)
    folds = list(GroupKFold(5).split(X, y, groups))
    np.testing.assert_array_equal(
        by_groups.loss_path_, L1MultinomialPath([0.1, 1.0], cv=folds).fit(X, y).loss_path_
    )


def test_an_outer_search_routes_weights_and_groups_to_the_fit(data, groups):
    X, y = data
    weight = np.where(groups == 0, 0.5, 2.0)
    with config_context(enable_metadata_routing=True):
        model = L1MultinomialPath([0.1, 1.0], cv=GroupKFold(2)).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=False)
        search = GridSearchCV(model, {"tol": [1e-3]}, cv=GroupKFold(2))
        search.fit(X, y, sample_weight=weight, groups=groups)
        alone = model.fit(X, y, sample_weight=weight, groups=groups)
    np.testing.assert_array_equal(search.best_estimator_.loss_path_, alone.loss_path_)


def test_metadata_that_nothing_takes_is_refused(data):
    X, y = data
    with pytest.raises(ValueError, match="weights"):
        L1MultinomialPath(cv=3).fit(X, y, weights=np.ones(len(y)))


def test_select_from_model_keeps_the_features_that_are_used(data):
    X, y = data
    selector = SelectFromModel(L1MultinomialPath(0.1)).fit(X, y)
    used = np.any(selector.estimator_.coef_ != 0, axis=0)
    assert 0 < used.sum() < 20
    np.testing.assert_array_equal(selector.get_support(), used)


def test_prediction_computes_no_exponentials(data, monkeypatch):
    X, y = data
    model = L1MultinomialPath(1.0).fit(X, y)
    expected = model.classes_[model.predict_proba(X).argmax(axis=1)]
    monkeypatch.setattr("l1path.classifier.estimator.log_softmax", None)
    np.testing.assert_array_equal(model.predict(X), expected)


def test_a_refit_leaves_no_attribute_of_the_fit_before(data):
    X, y = data
    model = L1MultinomialPath([0.1, 1.0], cv=2).fit(pd.DataFrame(X).add_prefix("f"), y)
    assert (
        vars(model.set_params(cv=None).fit(X, y)).keys()
        == vars(L1MultinomialPath([0.1, 1.0]).fit(X, y)).keys()
    )


def test_its_html_and_its_text_show_arrays(data):
    X, y = data
    Cs = np.geomspace(0.1, 1.0, 2)
    folds = [(np.arange(0, 300, 2), np.arange(1, 300, 2))]
    model = L1MultinomialPath(Cs, cv=folds)
    for shown in (
        model,
        clone(model).fit(X, y),
        make_pipeline(model),
        GridSearchCV(model, {"Cs": [Cs, Cs / 2]}),
    ):
        assert "L1MultinomialPath" in shown._repr_html_()
        assert "array" in repr(shown)


def at_cv(cv, error):
    return {"cv": cv}, {}, f"^cv: .*{error}"


@pytest.mark.parametrize(
    ("params", "changed", "message"),
    [
        ({"Cs": "large"}, {}, "^Cs: expected"),
        ({"Cs": [1.0, -1.0]}, {}, "^Cs: expected finite numbers > 0"),
        ({"n_jobs": 0}, {}, "^n_jobs: expected None or an integer other than 0, got 0"),
        ({"n_jobs": 1.5}, {}, "^n_jobs: expected"),
        ({"class_weight": {"a": -1.0}}, {}, "^class_weight: expected numbers > 0, got -1 for class a"),
        ({"class_weight": {"a": np.nan}}, {}, "^class_weight: expected numbers > 0, got nan for class a"),
        ({"class_weight": {"z": 1.0}}, {}, "^class_weight: .*not in class_weight"),
        ({"class_weight": "equal"}, {}, "^class_weight: expected None, .*got 'equal'"),
        at_cv("x", "integer"),
        at_cv(1, "n_splits=1"),
        at_cv(200, "n_splits=200"),
        at_cv([1, 2], "unpack"),
        at_cv([], "at least one fold"),
        at_cv([(np.arange(500), np.arange(3))], "out of bounds"),
        at_cv([(np.arange(300), np.arange(0))], "held-out rows with a weight in fold 0, got none"),
        at_cv([(np.arange(1), np.arange(1, 300))], "all 3 classes in the training rows of fold 0, got 1"),
        ({}, {"y": np.linspace(0, 1, 300)}, "^y: Unknown label type: continuous"),
        ({}, {"y": np.arange(299) % 3}, r"^y: .*\[300, 299\]"),
        ({}, {"y": np.zeros(300)}, "^y: expected at least two classes, got 1 class"),
        ({}, {"y": np.array(["one", 1] * 150, object)}, "^y: expected labels that sort, got int and str"),
    ],
)
def test_an_error_names_the_argument_at_fault(*, data, params, changed, message):
    with pytest.raises(ValueError, match=message):
        L1MultinomialPath(**params).fit(**{"X": data[0], "y": data[1]} | changed)


@pytest.mark.parametrize("dtype", ["Int64", "string", "category", "boolean", "object"])
def test_a_missing_label_is_named_so(data, dtype):
    y = pd.Series(np.arange(300) % 2 if dtype in {"Int64", "boolean"} else data[1], dtype=dtype)
    y[3] = pd.NA
    with pytest.raises(ValueError, match=r"^y: expected labels, got NaN, None or NA in 1 of 300 rows"):
        L1MultinomialPath().fit(data[0], y)
