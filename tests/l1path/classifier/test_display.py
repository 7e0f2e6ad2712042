"""The figure of a path."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from l1_problems import problem
from l1path import L1MultinomialPath, RegularizationPathDisplay


@pytest.fixture(scope="module")
def fitted():
    X, y = problem()
    model = L1MultinomialPath([1.0, 0.1, 0.3], cv=2)
    return model.fit(pd.DataFrame(X).add_prefix("pixel "), np.array(["a", "b", "c"])[y])


@pytest.fixture(autouse=True)
def without_a_window():
    with mpl.rc_context():
        mpl.use("agg")
        yield
        mpl.pyplot.close("all")


def test_it_draws_the_norm_of_the_weights_of_each_used_feature_along_C(fitted):
    display = RegularizationPathDisplay.from_estimator(fitted)
    norms = np.sqrt((fitted.coef_path_**2).sum(axis=1))[[1, 2, 0]]
    np.testing.assert_array_equal(display.features_, np.flatnonzero(norms.any(axis=0)))
    for line, j in zip(display.lines_, display.features_, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), [0.1, 0.3, 1.0])
        np.testing.assert_allclose(line.get_ydata(), norms[:, j])
        assert line.get_label() == f"pixel {j}"
    assert display.selected_.get_xdata() == [fitted.C_] * 2
    assert display.figure_ is display.ax_.figure
    assert display.ax_.get_xscale() == "log"


def test_it_draws_the_weights_of_one_class_on_given_axes(fitted):
    _, ax = mpl.pyplot.subplots()
    display = RegularizationPathDisplay.from_estimator(fitted, target="b", ax=ax, line_kw={"color": "red"})
    assert display.ax_ is ax
    assert {line.get_color() for line in display.lines_} == {"red"}
    drawn = np.column_stack([line.get_ydata() for line in display.lines_])
    np.testing.assert_array_equal(drawn, fitted.coef_path_[[1, 2, 0], 1][:, display.features_])
    assert display.plot(target="a").ax_ is not ax


def test_it_takes_a_pipeline_that_ends_with_a_path_and_no_names():
    pipeline = make_pipeline(StandardScaler(), L1MultinomialPath(1.0)).fit(*problem())
    display = RegularizationPathDisplay.from_estimator(pipeline)
    assert [line.get_label() for line in display.lines_] == [f"x{j}" for j in display.features_]


def test_an_unknown_class_and_an_unfitted_path_are_errors(fitted):
    with pytest.raises(ValueError, match=r"target: expected None or one of the classes .*, got 'z'"):
        RegularizationPathDisplay.from_estimator(fitted, target="z")
    with pytest.raises(NotFittedError):
        RegularizationPathDisplay.from_estimator(L1MultinomialPath())
