"""The baselines: the L2 model and the network, on the rows of a replicate."""

import pytest

from sparse_digits.datasets.load import load_dataset
from sparse_digits.sweep.baselines import baselines
from sparse_digits.sweep.replicates import Replicate
from sweeps import DIGITS


@pytest.fixture(scope="module")
def raw():
    return load_dataset("digits", mirror=None)


@pytest.fixture(scope="module")
def table(raw):
    return baselines(Replicate(1000, 1), *raw, params=DIGITS)


def test_the_baselines_are_the_same_when_computed_again(raw, table):
    assert baselines(Replicate(1000, 1), *raw, params=DIGITS) == table


def test_the_weights_are_those_that_multiply_an_input_or_a_hidden_unit(table):
    weights = {row["model"]: row["weights"] for row in table}
    assert weights == {"L2": 64 * 10, "MLP": 64 * 100 + 100 * 10}
    assert all(0 < row["nonzero_weights"] <= row["weights"] for row in table)


def test_the_network_is_more_accurate_than_the_linear_model_and_both_are_good(table):
    accuracy = {row["model"]: row["accuracy"] for row in table}
    assert 0.93 < accuracy["L2"] < accuracy["MLP"]
