"""Floats in tracked files are rounded to the digits that every processor agrees on."""

import json

from hypothesis import given
from hypothesis import strategies as st

from sparse_digits.runtime import rounding


@given(st.floats(-1e300, 1e300))
def test_a_rounded_float_has_ten_significant_digits_and_rounding_again_changes_nothing(value):
    rounded = rounding.round_float(value)
    assert f"{rounded:.10g}" == f"{value:.10g}"
    assert rounding.round_float(rounded) == rounded


def test_json_has_rounded_floats_and_other_values_as_they_are():
    values = {"n_iter": 12345678901234567, "converged": True, "name": "x", "accuracy": 1 / 3}
    text = rounding.rounded_json(values).decode()
    assert json.loads(text) == values | {"accuracy": 0.3333333333}
    assert text.endswith("}\n")
