"""The grid is as coarse as interpolation allows, and the data and the tolerance determine it."""

from dataclasses import replace

import numpy as np
import pytest

import l1path.path
from l1_families import FAMILIES
from l1_problems import problem, working_copy
from l1path import multinomial_l1_path
from l1path.grid import GRID_RATIO, GRID_TOL, next_step
from l1path.objective import C_max
from l1path.warm_start import grid_point, initial_state

NOISE = FAMILIES["noise"](np.random.default_rng(0), 2000, 10, 3)


def grid_of(monkeypatch, X, y, Cs):
    """Return the lambdas of the grid points that a path of these C solves, relative to the one before."""
    ratios = []

    def recorded(problem, last, tol):
        step = next_step(problem, last, tol)
        ratios.append(step.lam / last.lam)
        return step

    monkeypatch.setattr(l1path.path, "next_step", recorded)
    multinomial_l1_path(X, y, Cs, threads=1)
    return ratios


def test_where_the_data_explain_little_a_step_is_two_factors(monkeypatch):
    X, y = NOISE
    ratios = grid_of(monkeypatch, X, y, [100 * C_max(X, y, 3)])
    assert ratios[0] == pytest.approx(GRID_RATIO)
    assert ratios[-5:] == pytest.approx([GRID_RATIO**2] * 5)


def test_where_the_data_explain_much_every_step_is_one_factor(monkeypatch):
    X, y = problem()
    ratios = grid_of(monkeypatch, X, y, [20 * C_max(X, y, 3)])
    assert ratios == pytest.approx([GRID_RATIO] * len(ratios))


def test_the_step_follows_the_growth_of_the_penalty_relative_to_the_objective():
    X, y = problem()
    data = working_copy(X, y)
    first = grid_point(data, initial_state(data), None)
    assert next_step(data, first, 1e-3) == (1, GRID_RATIO * first.lam, GRID_TOL)
    lam = GRID_RATIO * first.lam
    added = (lam - GRID_RATIO**2 * lam) * 2 / 4  # to the objective for each unit of growth
    for growth, factors in [(0.0, 2), (0.39e-3 / added, 2), (0.41e-3 / added, 1), (-1.0, 2)]:
        penalty = first.penalty + growth
        last = replace(first, lam=lam, loss=1 - lam * penalty, penalty=penalty, previous=first)
        step = next_step(data, last, 1e-3)
        assert (step.factors, step.lam) == (factors, pytest.approx(lam * GRID_RATIO**factors))
        assert step.tol == (GRID_TOL if factors == 1 else 1e-3)


def test_on_a_coarse_grid_a_point_is_the_same_bits_alone_and_in_any_list():
    X, y = NOISE
    Cs = C_max(X, y, 3) * np.array([100.0, 3.0, 31.0, 30.0])
    path = multinomial_l1_path(X, y, Cs)
    for k, C in enumerate(Cs):
        np.testing.assert_array_equal(multinomial_l1_path(X, y, [C]).coef[0], path.coef[k])
