"""The content of the page: the same bytes each time, and what it counts agrees with the metrics."""

import json

import numpy as np
import pytest

import synthetic_sweep
from sparse_digits.datasets.load import load_dataset
from sparse_digits.sweep.page import explanation
from sparse_digits.sweep.page.content import content
from sparse_digits.sweep.replicates import Replicate
from sparse_digits.sweep.selection import select
from sparse_digits.sweep.sweep import path
from sweeps import MADE_WITH, SAGA, wanting

CS = [0.005, 0.05]


@pytest.fixture(scope="module")
def arguments():
    """A sweep of two points on digits, its baselines, its selection, and what it was made of."""
    params, data = wanting(C=CS, **SAGA), load_dataset("digits", mirror=None)
    points = path(Replicate(1000, 0), *data, made_with=MADE_WITH, params=params)
    baselines = synthetic_sweep.baselines_of(split_seeds=[0], train_sizes=[1000])
    raw = dict(zip(("images", "labels"), data, strict=True))
    return points, baselines, select(points, 297), raw, params, MADE_WITH


@pytest.fixture(scope="module")
def made(arguments):
    return content(*arguments)


def test_the_content_is_json_that_is_the_same_again(arguments, made):
    assert json.dumps(content(*arguments)) == json.dumps(made)
    assert "NaN" not in json.dumps(made)


def test_the_confusion_matrix_of_a_point_has_its_accuracy_on_its_diagonal(made):
    for point in made["paths"][0]["points"]:
        matrix = np.array(point["confusion"])
        assert np.trace(matrix) / matrix.sum() == pytest.approx(point["metrics"]["accuracy"])
        assert sum(point["histograms"]["right"]) == np.trace(matrix)


def test_the_examples_model_stops_at_a_gap_that_the_page_states(arguments, made):
    (early,) = made["early"]
    assert (early["train_size"], early["split_seed"], early["C"]) == (1000, 0, 0.05)
    assert early["metrics"]["duality_gap"] > 0.01
    selection = arguments[2]["train_size_1000"]
    sentence = explanation.gap_at_example(selection, early["metrics"])
    assert f"a gap of {early['metrics']['duality_gap']:.2g}" in sentence
    assert f"has {selection['example']['sparsity']:.2f} %." in sentence
    assert explanation.gap_at_example({"best": {}}, early["metrics"]) == ""


def test_the_test_digits_are_of_the_split_seed_of_the_path(made):
    assert list(made["samples"]) == ["0"]
    assert {label for _, label, *_ in made["samples"]["0"]} == set(range(10))


def test_a_sweep_of_several_seeds_and_sizes_has_a_path_for_each(arguments):
    *_, raw, params, made_with = arguments
    params = params.model_copy(
        update={"sweep": params.sweep.model_copy(update={"split_seeds": (0, 1), "train_sizes": (400, 1000)})}
    )
    points = synthetic_sweep.points_of(split_seeds=[0, 1])
    baselines = synthetic_sweep.baselines_of(split_seeds=[0, 1])
    made = content(points, baselines, select(points, 297), raw, params, made_with)
    paths = [(one["train_size"], one["split_seed"]) for one in made["paths"]]
    assert paths == [(400, 0), (400, 1), (1000, 0), (1000, 1)]
    assert list(made["samples"]) == ["0", "1"]
    assert [(one["train_size"], one["split_seed"]) for one in made["early"]] == [(400, 0), (1000, 0)]
    assert set(made["selection"]) == {"400", "1000"}
