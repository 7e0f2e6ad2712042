"""Faults in the input are reported before any work."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from l1_problems import problem
from l1path import multinomial_l1_path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.full((80, 12), np.nan)}, "X: expected finite"),
        ({"X": np.zeros(80)}, "X: expected rows and columns"),
        ({"y": np.zeros(79, int)}, "y: expected one label for each of 80 rows"),
        ({"y": np.zeros(80, int)}, "y: expected at least two classes"),
        ({"Cs": [1.0, 0.0]}, "Cs: expected finite numbers > 0"),
        ({"Cs": []}, "Cs: expected finite numbers > 0"),
        ({"Cs": [np.inf]}, "Cs: expected finite numbers > 0"),
        ({"tol": 0.0}, "tol: expected a number > 0"),
        ({"tol": np.nan}, "tol: expected a number > 0"),
        ({"max_iter": 0}, "max_iter: expected an integer of at least 1, got 0"),
        ({"sample_weight": -np.ones(80)}, "sample_weight: expected finite weights >= 0"),
        ({"sample_weight": np.zeros(80)}, "sample_weight: expected a weight above 0 in every class"),
        ({"sample_weight": np.ones(79)}, r"sample_weight: expected shape \(80,\)"),
        ({"X": csr_matrix(np.ones((80, 12)), dtype=complex)}, "X: expected real numbers, got complex ones"),
        ({"X": np.ones((80, 12), complex)}, "X: expected real numbers, got complex ones"),
        ({"y": np.array([1, "one"] * 40, object)}, "y: expected labels that sort, got int and str"),
        ({"y": np.array([1.0, np.nan] * 40, object)}, "got NaN, None or NA in 40 of 80 rows"),
        ({"y": np.repeat([1.0, np.inf], 40)}, "y: expected labels, got infinity"),
        ({"y": pd.array([0, 1] * 39 + [1, pd.NA])}, "got NaN, None or NA in 1 of 80 rows"),
        ({"tol": "x"}, "tol: expected a number > 0, got 'x'"),
        ({"max_iter": 1.5}, "max_iter: expected an integer of at least 1, got 1.5"),
        ({"l1_ratio": 0.0}, "l1_ratio: expected a number above 0 and up to 1, got 0.0. For an L2 penalty"),
        ({"l1_ratio": 1.5}, "l1_ratio: expected a number above 0 and up to 1, got 1.5"),
        ({"fit_intercept": "no"}, "fit_intercept: expected True or False, got 'no'"),
        ({"threads": 0}, "threads: expected an integer of at least 1, got 0"),
    ],
)
def test_a_fault_in_the_input_is_an_error_that_names_argument_and_expectation(change, message):
    X, y = problem()
    with pytest.raises(ValueError, match=message):
        multinomial_l1_path(**{"X": X, "y": y, "Cs": [1.0]} | change)


def test_all_faults_are_reported_at_once():
    X, y = problem()
    with pytest.raises(ValueError, match=r"Cs: .*tol: .*max_iter: "):
        multinomial_l1_path(X, y, [-1.0], tol=-1, max_iter=0)
