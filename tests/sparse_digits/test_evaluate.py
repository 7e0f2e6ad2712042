"""The metrics are those of scikit-learn and of plain counting."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import accuracy_score, log_loss

from l1path.objective import duality_gap
from sparse_digits import evaluate, model
from sparse_digits.runtime.npz import read_npz


@pytest.fixture(scope="module")
def fit(digits):
    return model.read(digits / "results/model.npz")


@pytest.fixture(scope="module")
def rows(digits):
    return read_npz(digits / "data/split.npz")[1]


@pytest.fixture(scope="module")
def training(digits):
    return read_npz(digits / "data/scaled.npz")[1]


def measured(model, rows, scaled):
    """Return the metrics of a model by the rows of split.npz and scaled.npz."""
    return evaluate.measure(model, evaluate.standardize_held_out(model, rows), scaled)


def test_the_metrics_are_those_of_scikit_learn_and_of_plain_counting(digits, fit, rows, training):
    metrics = json.loads((digits / "results/metrics.json").read_text())
    X, y = training["X_train"], training["y_train"]
    score = {part: fit.decision_function(rows[f"{part}_images"]) for part in ("validation", "test")}
    of_training = softmax(X @ fit.coef.T + fit.intercept, axis=1)
    weights = fit.coef.ravel().tolist()
    assert metrics["accuracy"] == accuracy_score(rows["test_labels"], score["test"].argmax(axis=1))
    assert metrics["validation_accuracy"] == pytest.approx(
        accuracy_score(rows["validation_labels"], score["validation"].argmax(axis=1)), rel=1e-9
    )
    assert metrics["sparsity"] == 100 * weights.count(0.0) / len(weights)
    assert metrics["nonzero_weights"] == len(weights) - weights.count(0.0)
    assert metrics["pixels_used"] == sum(any(column) for column in fit.coef.T.tolist())
    assert metrics["log_loss"] == pytest.approx(log_loss(rows["test_labels"], softmax(score["test"], axis=1)))
    assert metrics["objective"] == pytest.approx(
        0.05 * log_loss(y, of_training, normalize=False) + np.abs(fit.coef).sum()
    )
    assert metrics["n_iter"] == fit.n_iter
    assert metrics["converged"] is True
    assert 0.3 < metrics["duality_gap"] < 0.5


def test_the_certificate_is_about_what_the_model_was_fitted_on(fit, rows, training):
    half = {name: training[name][:500] for name in ("X_train", "y_train")}
    y = np.searchsorted(fit.classes, half["y_train"])
    expected = duality_gap(half["X_train"], y, fit.coef, fit.intercept, 0.05, 1)
    assert measured(fit, rows, half)["duality_gap"] == expected


def test_without_validation_rows_there_is_no_validation_accuracy(fit, rows, training):
    none = rows | {name: rows[name][:0] for name in ("validation_images", "validation_labels")}
    with_rows, without = (measured(fit, some, training) for some in (rows, none))
    assert without == {key: value for key, value in with_rows.items() if key != "validation_accuracy"}
    assert "validation_accuracy" in with_rows


def test_a_test_row_of_a_class_that_was_not_trained_counts_as_wrong_and_has_no_log_loss(fit, rows, training):
    seen = training["y_train"] != 9
    of_seen = {name: training[name][seen] for name in ("X_train", "y_train")}
    smaller = replace(fit, coef=fit.coef[:9], intercept=fit.intercept[:9], classes=fit.classes[:9])
    metrics = measured(smaller, rows, of_seen)
    assert "log_loss" not in metrics
    right = smaller.predict(rows["test_images"]) == rows["test_labels"]
    assert not right[rows["test_labels"] == 9].any()
    assert metrics["accuracy"] == right.mean()


def test_labels_need_not_be_the_numbers_from_zero(fit, rows, training):
    moved = rows | {name: rows[name] * 2 + 5 for name in ("validation_labels", "test_labels")}
    moved_training = training | {"y_train": training["y_train"] * 2 + 5}
    same = measured(replace(fit, classes=fit.classes * 2 + 5), moved, moved_training)
    assert same == measured(fit, rows, training)


def test_the_confusion_table_has_the_label_and_the_prediction_of_every_test_row(digits, fit, rows):
    with (digits / "results/confusion.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [int(row["actual"]) for row in table] == rows["test_labels"].tolist()
    assert [int(row["predicted"]) for row in table] == fit.predict(rows["test_images"]).tolist()


def test_the_stage_writes_the_same_bytes_in_another_process(digits, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(digits)
    targets = [tmp_path / name for name in evaluate.OUTPUTS]
    evaluate.main(["data/split.npz", "data/scaled.npz", "results/model.npz", *map(str, targets)])
    for target in targets:
        assert target.read_bytes() == (digits / "results" / target.name).read_bytes()
    assert capsys.readouterr().out.startswith(
        "Sparsity with L1 penalty: 47.50%\n"
        "Test score with L1 penalty: 0.9480\n"
        "Relative duality gap: 0.4 (so large"
    )
