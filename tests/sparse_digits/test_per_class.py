"""What is measured of each class is what scikit-learn measures of it against the rest."""

import csv

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score, roc_curve

from sparse_digits import per_class

CLASSES = np.array([3, 5, 8])


@pytest.fixture(scope="module")
def labels():
    return CLASSES[np.random.default_rng(0).integers(0, 3, 400)]


@pytest.fixture(scope="module")
def scores(labels):
    noise = np.random.default_rng(1).normal(size=(len(labels), 3))
    return np.round(noise + (labels[:, None] == CLASSES), 1)  # rounded, so that some are equal


def test_the_table_has_scikit_learns_precision_recall_f1_and_area(labels, scores):
    of_classes = per_class.one_against_rest(labels, scores, CLASSES)
    rows = list(csv.DictReader(per_class.table_csv(CLASSES, of_classes).decode().splitlines()))
    predicted = CLASSES[scores.argmax(axis=1)]
    expected = precision_recall_fscore_support(labels, predicted, labels=CLASSES)
    for name, values in zip(("precision", "recall", "f1", "rows"), expected, strict=True):
        np.testing.assert_allclose([float(row[name]) for row in rows], values, rtol=1e-9)
    probability = softmax(scores, axis=1).round(9)
    areas = [roc_auc_score(labels == label, probability[:, k]) for k, label in enumerate(CLASSES)]
    np.testing.assert_allclose([float(row["roc_auc"]) for row in rows], areas, rtol=1e-9)


def test_the_curves_are_scikit_learns(labels, scores):
    probability = softmax(scores, axis=1).round(9)
    for k, rows in enumerate(per_class.one_against_rest(labels, scores, CLASSES)):
        x, y, _ = roc_curve(labels == CLASSES[k], probability[:, k], drop_intermediate=False)
        np.testing.assert_allclose(per_class.roc_curve(rows), (x, y))
        share, mean = calibration_curve(labels == CLASSES[k], probability[:, k], n_bins=per_class.BINS)
        in_bin = np.histogram(probability[:, k], np.linspace(0, 1, per_class.BINS + 1))[0]
        enough = in_bin[in_bin > 0] >= per_class.MIN_ROWS
        np.testing.assert_allclose(per_class.calibration_curve(rows), (mean[enough], share[enough]))


def test_what_is_not_defined_is_an_empty_cell():
    labels, scores = np.array([3, 3, 8]), np.array([[1.0, 0, 0], [1.0, 0, 0], [0, 0, 1.0]])
    of_classes = per_class.one_against_rest(labels, scores, CLASSES)
    lines = per_class.table_csv(CLASSES, of_classes).decode().splitlines()
    assert lines == ["class,precision,recall,f1,roc_auc,rows", "3,1,1,1,1,2", "5,,,,,0", "8,1,1,1,1,1"]
