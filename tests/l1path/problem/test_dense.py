"""The working copy represents the data."""

import numpy as np
import pytest

from l1_problems import KINDS, data_of_kind, problem, stored_as, working_copy
from l1path import multinomial_l1_path
from l1path.problem import dense


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("narrow_width", [0, 128])
def test_the_working_copy_is_the_data_centered(kind, narrow_width, monkeypatch):
    monkeypatch.setattr(dense, "NARROW_WIDTH", narrow_width)
    X, y = problem(n=300)
    X = data_of_kind(kind, X)
    X[:, 3], X[:, 5] = 0.1, X[:, 4] > 0  # a constant and a flag
    with stored_as(kind):
        data = working_copy(X, y)
    assert data.columns.dtype == kind
    np.testing.assert_array_equal(data.rows, data.columns.T[: 0 if narrow_width else None])
    scale = np.where(np.isinf(data.scale), 0, data.scale)
    columns = (data.columns.T - data.offset)[:300, :12] * scale
    np.testing.assert_allclose(columns, X - X.mean(axis=0), atol=1e-6 if kind == "float32" else 1e-13)
    np.testing.assert_allclose(data.column_norm[:12] * scale, X.std(axis=0), atol=1e-15)
    if kind == "uint8":
        np.testing.assert_array_equal(data.levels[np.arange(12), data.columns[:12, :300].T], X)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("narrow_width", [0, 128])
def test_the_full_gradient_is_that_of_the_working_columns(kind, narrow_width, monkeypatch):
    monkeypatch.setattr(dense, "NARROW_WIDTH", narrow_width)
    X, y = problem(n=1500)
    with stored_as(kind):
        data = working_copy(data_of_kind(kind, X), y)
    sR = np.random.default_rng(0).normal(size=(3, len(data.s))) * data.s
    expected = sR @ (data.columns.T - data.offset)
    found = data.full_gradient(sR)
    np.testing.assert_allclose(found[:, :13], expected[:, :13], atol=1e-13 if kind == "float64" else 1e-5)
    assert not found[:, 13:].any()


@pytest.mark.parametrize("kind", KINDS)
def test_few_columns_give_the_same_minimum_whether_their_rows_are_copied_or_not(kind, monkeypatch):
    X, y = problem(n=1500)
    paths = []
    for narrow_width in (0, 128):
        monkeypatch.setattr(dense, "NARROW_WIDTH", narrow_width)
        with stored_as(kind):
            paths.append(multinomial_l1_path(data_of_kind(kind, X), y, [0.01, 0.1, 10.0]))
    assert all(path.converged.all() for path in paths)
    np.testing.assert_allclose(*(path.objective for path in paths), rtol=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        lambda X: X + 1e-9 * np.arange(len(X))[:, None],
        lambda X: np.where(np.arange(len(X))[:, None] == len(X) - 1, np.nextafter(X, 9), X),
        lambda X: np.hstack([X, np.arange(len(X))[:, None]]),
    ],
    ids=["not whole", "off by the last bit", "more than 256"],
)
def test_data_that_bytes_cannot_represent_are_stored_in_float32(change):
    X, y = problem(n=300)
    with stored_as("uint8"):
        assert working_copy(change(data_of_kind("uint8", X)), y).columns.dtype == np.float32
