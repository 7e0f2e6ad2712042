"""The pictures of the coefficients: every class at one symmetric colour scale, the same bytes each time."""

import io
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from sparse_digits import figures

SHAPES = [(10, 784), (10, 64), (3, 64), (2, 4), (1, 1), (11, 784)]


def weights(K, p):
    coef = np.random.default_rng(0).normal(size=(K, p))
    coef[0, 0] = 5 * np.abs(coef).max()
    return coef


def drawn(figure):
    """Return the axes with an image in them."""
    return [ax for ax in figure.axes if ax.images]


@pytest.mark.parametrize(("K", "p"), SHAPES)
def test_there_is_an_image_for_each_class_in_two_rows(K, p):
    coef = weights(K, p)
    figure = figures.coefficients(coef, np.arange(K) + 3, "title")
    axes = drawn(figure)
    assert [ax.get_xlabel() for ax in axes] == [f"Class {label + 3}" for label in range(K)]
    side = round(p**0.5)
    for ax, row in zip(axes, coef, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), row.reshape(side, side))
    assert axes[0].get_gridspec().nrows == 2
    assert axes[0].get_gridspec().ncols == (K + 1) // 2
    assert figure.get_suptitle() == "title"
    assert figures.png(figure).startswith(b"\x89PNG")


def test_all_classes_have_one_symmetric_scale():
    coef = weights(10, 64)
    axes = drawn(figures.coefficients(coef, np.arange(10), ""))
    limit = np.abs(coef).max()
    assert {ax.images[0].get_clim() for ax in axes} == {(-limit, limit)}
    assert {ax.images[0].get_cmap().name for ax in axes} == {"RdBu"}


def test_weights_that_are_all_zero_are_drawn_white():
    images = figures.class_images(np.zeros((10, 64)))
    assert np.abs(images.astype(int) - 247).max() <= 1  # RdBu's middle
    figure = figures.coefficients(np.zeros((10, 64)), np.arange(10), "")
    assert drawn(figure)[0].images[0].get_clim() == (-1, 1)


def test_the_same_figure_has_the_same_bytes():
    coef = weights(10, 784)
    first, second = (figures.png(figures.coefficients(coef, np.arange(10), "title")) for _ in range(2))
    assert first == second
    for word in (b"Software", b"matplotlib", b"tIME"):
        assert word not in first


def test_the_picture_of_the_results_is_wider_than_high_and_readable(digits):
    picture = matplotlib.image.imread(io.BytesIO(Path(digits, "results/coefficients.png").read_bytes()))
    height, width, _ = picture.shape
    assert (width, height) == (1620, 705)


@pytest.mark.parametrize(("p", "pixels"), [(784, 224), (64, 224), (225, 210), (90_000, 300)])
def test_class_images_are_squares_of_whole_magnified_pixels_at_one_scale(p, pixels):
    coef = weights(3, p)
    images = figures.class_images(coef)
    assert images.shape == (3, pixels, pixels, 3)
    assert images.dtype == np.uint8
    side, times = round(p**0.5), pixels // round(p**0.5)
    small = images[:, ::times, ::times]
    np.testing.assert_array_equal(images, small.repeat(times, axis=1).repeat(times, axis=2))
    assert small[0, 0, 0].tolist() == [5, 48, 97]  # the largest weight of all: RdBu's blue end
    flat = small.reshape(3, side * side, 3).astype(int)
    blue = flat[..., 2] > flat[..., 0]
    strong = np.abs(coef) > 0.05 * np.abs(coef).max()
    np.testing.assert_array_equal(blue[strong], (coef > 0)[strong])


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_a_tile_is_one_square_image_of_all_classes_with_words_under_them(classes):
    coef = np.zeros((classes, 64))
    plain = figures.tile(coef, ())
    assert plain.shape == (512, 512, 3)
    assert plain.dtype == np.uint8
    worded = figures.tile(coef, ("C = 0.01", "79.6 % zero"))
    rows = np.flatnonzero((plain != worded).any(axis=(1, 2)))
    columns = next(n for n in range(2, 9) if n * (n - 1) > classes)
    assert rows.min() >= 512 - 512 // columns  # no word is on a weight
    coef[-1, 0] = 1
    assert (figures.tile(coef, ()) != plain).any()
