"""What a model answers on the test rows, as the page shows it."""

import numpy as np
import pytest
from scipy.special import softmax

import synthetic_sweep
from sparse_digits.sweep.page import answers

K = synthetic_sweep.K


@pytest.fixture(scope="module")
def path():
    return synthetic_sweep.points_of(split_seeds=[0], train_sizes=[1000])


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 17, size=(200, synthetic_sweep.P))


def test_an_answer_is_the_class_of_the_highest_probability(path, images):
    found = answers.answer(path, images)
    for i, coef in enumerate(path["coef"]):
        probabilities = softmax(images @ coef.T, axis=1)
        np.testing.assert_array_equal(found.predicted[i], probabilities.argmax(axis=1))
        np.testing.assert_allclose(found.probability[i], probabilities.max(axis=1), atol=1e-8)


def test_the_confusion_matrix_and_the_histograms_count_every_row_once(path, images):
    labels = np.arange(len(images)) % K
    found = answers.answer(path, images)
    matrix = np.array(answers.confusion(labels, found.predicted[2], K))
    right = found.predicted[2] == labels
    assert matrix.sum() == len(images)
    assert np.trace(matrix) == right.sum()
    assert matrix[3, found.predicted[2][3]] >= 1
    bins = answers.histograms(right, found.probability[2])
    assert (sum(bins["right"]), sum(bins["wrong"])) == (right.sum(), (~right).sum())


def test_a_probability_on_an_edge_is_in_the_upper_bin_and_a_certain_one_in_the_last():
    just_below = np.nextafter(0.1, 0)  # as another processor may compute it
    bins = answers.histograms(np.array([True] * 3), np.array([0.1, just_below, 1.0]))
    assert [i for i, count in enumerate(bins["right"]) if count] == [2, 19]


def test_the_samples_have_right_rows_of_each_class_and_rows_of_the_most_confused_pair_of_each_point():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, K, size=2000)
    predicted = np.where(rng.random((4, 2000)) < 0.8, labels, rng.integers(0, K, size=(4, 2000)))
    predicted[2, labels == 4] = 9
    rows = answers.pick_samples(labels, predicted, K)
    assert rows == sorted(set(rows))
    for k in set(range(K)) - {4}:  # no point gets a 4 right
        assert ((labels[rows] == k) & (predicted[:, rows] == k).all(axis=0)).any()
    assert ((labels[rows] == 4) & (predicted[2, rows] == 9)).sum() >= answers.MAX_ROWS_OF_PAIR
    assert len(rows) < 300


def test_an_image_is_kept_as_the_box_of_its_ink():
    image = np.zeros((8, 8), np.uint8)
    image[2:5, 3:7] = 9
    top, left, height, width, _ = answers.encode_image(image)
    assert (top, left, height, width) == (2, 3, 3, 4)
    assert answers.encode_image(np.zeros((8, 8), np.uint8)) == [0, 0, 0, 0, ""]
