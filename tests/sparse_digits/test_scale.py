"""Scaling is scikit-learn's, by the training rows alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.preprocessing import StandardScaler

from sparse_digits import scale
from sparse_digits.model import standardize
from sparse_digits.runtime.npz import read_npz


def test_the_training_rows_are_scaled_as_by_fit_transform_bit_for_bit(digits):
    _, split = read_npz(digits / "data/split.npz")
    made_with, scaled = read_npz(digits / "data/scaled.npz")
    theirs = StandardScaler()
    assert scaled["X_train"].tobytes() == theirs.fit_transform(split["train_images"]).tobytes()
    assert scaled["mean"].tobytes() == theirs.mean_.tobytes()
    assert scaled["scale"].tobytes() == theirs.scale_.tobytes()
    assert scaled["y_train"].tobytes() == split["train_labels"].tobytes()
    assert made_with == read_npz(digits / "data/split.npz")[0]


def assert_scaled_as_by_scikit_learn(images):
    scaled, theirs = scale.scale({"train_images": images, "train_labels": images[:, 0]}), StandardScaler()
    assert scaled["X_train"].tobytes() == theirs.fit_transform(images).tobytes()
    assert scaled["mean"].tobytes() == theirs.mean_.tobytes()
    assert scaled["scale"].tobytes() == theirs.scale_.tobytes()


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 300), st.integers(1, 9))))
def test_any_bytes_are_scaled_as_by_scikit_learn_bit_for_bit(images):
    assert_scaled_as_by_scikit_learn(images)


@pytest.mark.parametrize("value", [0, 1, 254])
def test_one_pixel_that_differs_by_1_in_70_000_rows_is_scaled_as_by_scikit_learn(value):
    images = np.full((70_000, 3), value, np.uint8)
    images[12_345, 0] += 1
    images[:5, 1] += 1
    assert_scaled_as_by_scikit_learn(images)


def test_every_pixel_has_mean_0_and_deviation_1_or_never_changes(digits):
    _, scaled = read_npz(digits / "data/scaled.npz")
    deviation = scaled["X_train"].std(axis=0)
    still = deviation == 0
    assert still.any()
    np.testing.assert_array_equal(scaled["scale"][still], 1)
    np.testing.assert_allclose(deviation[~still], 1)
    np.testing.assert_allclose(scaled["X_train"].mean(axis=0), 0, atol=1e-12)


def test_one_row_can_be_scaled():
    rows = {"train_images": np.array([[0, 255]], np.uint8), "train_labels": np.array([3], np.uint8)}
    scaled = scale.scale(rows)
    np.testing.assert_array_equal(scaled["X_train"], [[0, 0]])
    other = standardize(np.array([[0, 254]], np.uint8), scaled["mean"], scaled["scale"])
    np.testing.assert_array_equal(other, [[0, -1]])


def test_the_stage_writes_the_same_bytes_in_another_process(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(digits)
    scale.main(["data/split.npz", str(tmp_path / "scaled.npz")])
    assert (tmp_path / "scaled.npz").read_bytes() == (digits / "data/scaled.npz").read_bytes()
