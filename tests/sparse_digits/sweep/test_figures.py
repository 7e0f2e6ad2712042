"""The figures of a sweep show the numbers that they are given, on scales that can be compared."""

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

import synthetic_sweep
from sparse_digits import figures as base_figures
from sparse_digits.sweep import figures
from sparse_digits.sweep.csv_table import filter_rows
from sparse_digits.sweep.selection import select
from sparse_digits.sweep.selection_display import TITLES


@pytest.fixture(scope="module")
def points():
    """Return the points of one train size over three split seeds."""
    return synthetic_sweep.points_of(train_sizes=[1000])


@pytest.fixture(scope="module")
def path(points):
    return filter_rows(points, points["split_seed"] == 0)


@pytest.fixture(scope="module")
def selection(points):
    return select(points, 297)["train_size_1000"]


def test_every_entry_of_a_selection_has_a_marker_and_a_color():
    assert list(figures.MARKERS) == list(figures.COLORS) == list(TITLES)


def test_over_seeds_returns_mean_smallest_and_largest_at_each_C():
    table = {"C": np.array([2.0, 1, 2, 1]), "accuracy": np.array([0.2, 0.5, 0.4, 0.7])}
    Cs, mean, low, high = figures.over_seeds(table, "accuracy")
    assert Cs.tolist() == [1, 2]
    assert mean == pytest.approx([0.6, 0.3])
    assert low.tolist() == [0.5, 0.2]
    assert high.tolist() == [0.7, 0.4]


def test_every_C_is_written_beside_its_point_in_one_of_the_two_panels(points, selection):
    whole, enlarged = figures.accuracy_against_sparsity(points, selection).axes[:2]
    labels = [label for ax in (whole, enlarged) for text in ax.texts for label in text.get_text().split(", ")]
    assert sorted(map(float, labels)) == synthetic_sweep.CS


def test_points_at_one_position_share_a_label():
    ax = Figure().subplots()
    x = np.array([100.0, 100.0])
    figures._label_points(ax, x, x / 1000, np.array([0.001, 0.002]), (1, "left"))
    assert [text.get_text() for text in ax.texts] == ["0.001, 0.002"]


def test_the_selected_points_stand_at_their_sparsity_and_accuracy(points, selection):
    ax = figures.accuracy_against_sparsity(points, selection).axes[0]
    for name, marker in figures.MARKERS.items():
        (line,) = (line for line in ax.lines if line.get_marker() == marker)
        entry = selection[name]
        assert (line.get_xdata()[0], line.get_ydata()[0]) == (entry["sparsity"], entry["accuracy"])


def test_the_selected_Cs_are_marked_in_both_panels_against_C(points, selection):
    figure = figures.along_C(points, selection)
    for ax in figure.axes:
        marked = {line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"}
        assert marked == {selection[name]["C"] for name in TITLES}
    bands = [len(ax.collections) for ax in figure.axes]  # over the split seeds
    assert bands == [2, 1]  # of test and validation accuracy, and of sparsity


def test_each_class_has_a_panel_with_a_line_for_each_weight_that_is_ever_nonzero(path, selection):
    figure = figures.weights_along_C(path["C"], path["coef"], path["classes"][0], selection, "title")
    assert len(figure.axes) == synthetic_sweep.K
    for k, ax in enumerate(figure.axes):
        (curves,) = (each.get_segments() for each in ax.collections)
        used = path["coef"][:, k, path["coef"][:, k].any(axis=0)]
        assert sorted(curve[:, 1].tolist() for curve in curves) == sorted(used.T.tolist())
        assert ax.get_title() == f"Class {k}: {len(curves)} of 64 pixels enter"


def test_all_images_along_C_have_one_symmetric_color_scale(path):
    figure = figures.images_along_C(path["coef"], path["classes"][0], ["row"] * len(path["C"]), "title")
    (image,) = figure.axes[0].images
    limit = base_figures.path_limit(path["coef"])
    assert image.get_clim() == (-limit, limit)
    assert image.get_cmap().name == base_figures.COLOR_MAP
    values, rows, columns = image.get_array(), figure.axes[0].get_yticks(), figure.axes[0].get_xticks()
    assert (len(rows), len(columns)) == path["coef"].shape[:2]
    for row, weights in zip(rows, path["coef"], strict=True):
        for column, of_class in zip(columns, weights, strict=True):
            y, x = (math.ceil(center - 4) for center in (row, column))
            assert values[y : y + 8, x : x + 8].ravel().tolist() == of_class.tolist()
    assert values.count() == path["coef"].size  # white lies between the images


def test_the_three_models_stand_at_their_mean_number_of_weights_and_accuracy(points, selection):
    baselines = synthetic_sweep.baselines_of(train_sizes=[1000])
    (ax,) = figures.three_models(points, baselines, selection).axes
    positions = {line.get_marker(): (line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines}
    assert positions["^"] == (600, pytest.approx(0.951))
    assert positions["P"] == (7400, pytest.approx(0.971))
    best = selection["best"]
    assert positions["*"] == (best["nonzero_weights"], best["accuracy"])


def test_the_selection_frequency_is_the_percentage_of_split_seeds_with_a_nonzero_weight(points):
    coef = points["coef"][points["C"] == 0.05]
    figure = figures.selection_frequency(coef, np.arange(10), "title")
    images = np.array([image.get_array() for ax in figure.axes for image in ax.images])
    assert np.allclose(images.reshape(10, 64), 100 * (coef != 0).mean(axis=0))
    assert set(np.unique(images.round(1))) == {0, 33.3, 66.7, 100}
