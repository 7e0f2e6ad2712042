"""A point's start is consistent in itself."""

import numpy as np
import pytest

from l1_problems import next_grid_point, problem, working_copy
from l1path.warm_start import extrapolate, grid_point, initial_state, interpolate


def after_grid_points(number, tol):
    """Return X, its problem, and the last of so many grid points after the first, solved to the gap `tol`."""
    X, y = problem()
    data = working_copy(X, y)
    last = grid_point(data, initial_state(data), None)
    for _ in range(number):
        last = next_grid_point(data, last, tol)
    return X, data, last


@pytest.mark.parametrize("overshot", [False, True])
def test_the_loss_of_an_extrapolated_start_is_that_of_its_scores(overshot):
    _, data, last = after_grid_points(6, 1e-3)
    if overshot:  # the line through the two last grid points ends above the last
        last.V[:, last.columns < data.p] *= 10
        data.scores(*data.original_coefficients(last.coefficients(np.arange(data.width))), last.eta)
    start = extrapolate(data, last, 0.8 * last.lam)
    assert np.array_equal(start.V[:, last.columns], last.V) == overshot
    loss = start.loss
    start.recompute_loss(data)
    assert loss == pytest.approx(start.loss, rel=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_between_grid_points_a_coefficient_enters_where_its_gradient_was(share):
    X, data, last = after_grid_points(4, 1e-6)
    every, p, previous = np.arange(data.width), data.p, last.previous
    lam = previous.lam + share * (last.lam - previous.lam)
    old, new = previous.coefficients(every)[:, :p], last.coefficients(every)[:, :p]
    start = interpolate(data, last.fork(), lam)
    scores = np.empty_like(start.eta)
    data.scores(*data.original_coefficients(start.V), scores)
    np.testing.assert_allclose(start.eta[:, : len(X)], scores[:, : len(X)], atol=1e-12)
    enters = (old == 0) & (new != 0)
    assert enters.any()
    gradient = np.array([previous.reference.row(k)[1][:p] for k in range(len(old))])
    entry = (np.abs(gradient) / data.penalty_factor[:p])[enters]
    assert not start.V[:, :p][enters][entry < lam * (1 - 1e-5)].any() or share == 1
    if share == 1:
        np.testing.assert_allclose(start.V[:, :p], new, atol=1e-12)
    else:
        assert start.V[:, :p][enters][entry > lam * (1 + 1e-5)].all()
    np.testing.assert_allclose(start.V[:, :p][~enters], (old + share * (new - old))[~enters], atol=1e-12)
