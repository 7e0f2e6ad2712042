"""The split is the example's, and the validation rows are from those that it does not use."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from sparse_digits import split
from sparse_digits.params import Split
from sparse_digits.runtime.errors import TooFewRowsError
from sparse_digits.runtime.npz import read_npz

seeds = st.integers(0, 2**32 - 1)


@st.composite
def sizes(draw_from):
    """Draw a number of rows and what of them trains, chooses and tests."""
    n = draw_from(st.integers(2, 500))
    test = draw_from(st.integers(1, n - 1))
    train = draw_from(st.integers(1, n - test))
    return n, {"train": train, "validation": draw_from(st.integers(0, n - test - train)), "test": test}


def draw(n, permutation_seed, seed, train, validation, test):
    how = Split(
        permutation_seed=permutation_seed,
        seed=seed,
        train_size=train,
        validation_size=validation,
        test_size=test,
    )
    return split.draw_rows(n, how)


def rows_of_the_example(n, permutation_seed, seed, train, test):
    """Return the training and test rows by scikit-learn's own functions, as the example calls them."""
    rows = check_random_state(permutation_seed).permutation(n)
    return train_test_split(rows, train_size=train, test_size=test, random_state=seed)


@given(sizes(), seeds, seeds)
def test_training_and_test_rows_are_those_of_train_test_split(drawn, permutation_seed, seed):
    n, parts = drawn
    mine = draw(n, permutation_seed, seed, **parts)
    train, test = rows_of_the_example(n, permutation_seed, seed, parts["train"], parts["test"])
    np.testing.assert_array_equal(mine.train, train)
    np.testing.assert_array_equal(mine.test, test)


@pytest.mark.parametrize("seed", range(3))
def test_training_and_test_rows_are_those_of_train_test_split_at_the_size_of_mnist(seed):
    mine = draw(70_000, 0, seed, train=5000, validation=5000, test=10_000)
    train, test = rows_of_the_example(70_000, 0, seed, 5000, 10_000)
    assert (mine.train == train).all()
    assert (mine.test == test).all()


@given(sizes(), seeds, seeds)
def test_no_row_is_drawn_twice(drawn, permutation_seed, seed):
    n, parts = drawn
    mine = draw(n, permutation_seed, seed, **parts)
    rows = np.concatenate(mine)
    assert {name: len(part) for name, part in mine._asdict().items()} == parts
    assert len(np.unique(rows)) == len(rows)
    assert rows.min() >= 0
    assert rows.max() < n


@given(sizes(), seeds, seeds)
def test_validation_rows_change_neither_the_training_nor_the_test_rows(drawn, permutation_seed, seed):
    n, parts = drawn
    some, none = (draw(n, permutation_seed, seed, **(parts | more)) for more in ({}, {"validation": 0}))
    np.testing.assert_array_equal(some.train, none.train)
    np.testing.assert_array_equal(some.test, none.test)


def test_each_image_keeps_its_label_and_the_file_says_what_it_was_made_with(digits):
    made_with, raw = read_npz(digits / "data/raw.npz")
    made_with_too, parts = read_npz(digits / "data/split.npz")
    label_of = {image.tobytes(): label for image, label in zip(raw["images"], raw["labels"], strict=True)}
    for part, n in [("train", 1000), ("validation", 297), ("test", 500)]:
        images, labels = parts[f"{part}_images"], parts[f"{part}_labels"]
        assert images.dtype == labels.dtype == np.uint8
        assert images.shape == (n, 64)
        assert [label_of[image.tobytes()] for image in images] == labels.tolist()
    assert made_with == {"fetch.dataset": "digits"}
    assert made_with_too == made_with | {
        "split.permutation_seed": 0,
        "split.seed": 0,
        "split.train_size": 1000,
        "split.validation_size": 297,
        "split.test_size": 500,
    }


def test_the_stage_writes_the_same_bytes_in_another_process(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(digits)
    split.main(["data/raw.npz", str(tmp_path / "split.npz")])
    assert (tmp_path / "split.npz").read_bytes() == (digits / "data/split.npz").read_bytes()


def test_a_split_of_more_rows_than_there_are_is_refused():
    how = Split(permutation_seed=0, seed=0, train_size=60, validation_size=30, test_size=30)
    with pytest.raises(TooFewRowsError, match=r"split: expected .* <= 119, the rows of .*, got 120"):
        split.draw_rows(119, how)
