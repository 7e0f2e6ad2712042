"""Screening leaves out no column that could enter the model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l1_problems import KINDS, data_of_kind, next_grid_point, problem, stored_as, working_copy
from l1path import screening
from l1path.state import ReferenceLine
from l1path.warm_start import grid_point, initial_state


@settings(max_examples=60)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 10**6),
    decrease=st.floats(0, 1),
    share=st.floats(0.3, 1),
    full=st.booleans(),
)
def test_no_gradient_entry_above_lambda_is_screened_out(*, kind, seed, decrease, share, full):
    X, y = problem(n=60, p=40, seed=seed)
    X = data_of_kind(kind, X)
    with stored_as(kind), pytest.MonkeyPatch.context() as patch:
        patch.setattr(screening, "FULL_GRADIENT_FRACTION", 0.0 if full else 1.0)
        data = working_copy(X, y)
        state = initial_state(data)
        state.lam *= share
        R = (state.gradient_residual / np.where(data.s > 0, data.s, 1)) * (1 - decrease)
        largest = screening.update_gradient(data, state, R).max(initial=0)
    exact = (R * data.s)[:, :60] @ (X - X.mean(axis=0)) / data.scale
    above = np.abs(exact) > state.lam * data.penalty_factor[:40]
    tolerance = 1e-6 * data.column_norm[:40].max() if kind == "float32" else 1e-12
    np.testing.assert_allclose(state.gradient[:, :40][above], exact[above], rtol=0, atol=tolerance)
    if above.any():
        assert largest >= (np.abs(exact) / data.penalty_factor[:40]).max()


@pytest.mark.parametrize("kind", KINDS)
def test_a_reference_and_a_line_of_references_bound_the_rounding_of_their_gradient(kind):
    X, y = problem(n=60, p=40)
    X = data_of_kind(kind, X)
    with stored_as(kind):
        data = working_copy(X, y)
        first = grid_point(data, initial_state(data), None)
        second = next_grid_point(data, first, 1e-3)
    length = (data.column_norm + abs(data.offset))[:40]
    line = ReferenceLine(second.reference, first.reference, 0.3)
    for reference in (first.reference, second.reference, line):
        error = np.broadcast_to(reference.error, data.width)[:40]
        for k, (residual, gradient) in enumerate(map(reference.row, range(3))):
            exact = residual.astype(np.float64)[:60] @ (X - X.mean(axis=0)) / data.scale
            assert np.all(np.abs(gradient[:40] - exact) <= error * length), k


def test_a_line_of_references_has_the_larger_of_their_errors():
    X, y = problem(n=60, p=40)
    with stored_as("float32"):
        data = working_copy(X, y)
        first = initial_state(data).reference
    second = initial_state(data.in_float64()).reference
    assert first.error > second.error
    assert ReferenceLine(second, first, 0.5).error == ReferenceLine(first, second, 0.5).error == first.error
