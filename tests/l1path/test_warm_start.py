"""A point's start is consistent in itself."""

import numpy as np
import pytest

from l1_problems import problem, working_copy
from l1path.solve import solve_grid_point
from l1path.warm_start import extrapolate, grid_point, initial_state


@pytest.mark.parametrize("overshot", [False, True])
def test_the_loss_of_an_extrapolated_start_is_that_of_its_scores(overshot):
    X, y = problem()
    data = working_copy(X, y)
    last = grid_point(data, initial_state(data), None)
    for _ in range(6):
        last = grid_point(data, solve_grid_point(data, extrapolate(data, last), 1e-3, 100)[1], last)
    if overshot:  # the line through the two last grid points ends above the last
        last.V[:, last.columns < data.p] *= 10
        data.scores(*data.original_coefficients(last.coefficients(np.arange(data.width))), last.eta)
    start = extrapolate(data, last)
    assert np.array_equal(start.V[:, last.columns], last.V) == overshot
    loss = start.loss
    start.recompute_loss(data)
    assert loss == pytest.approx(start.loss, rel=1e-12)
