"""A drawing becomes an image as MNIST was made: fitted into a box, its mass in the middle."""

import numpy as np
import pytest

from sparse_digits.predict.preparation import DIGITS, MNIST, Preparation


def drawing(height, width, *boxes):
    ink = np.zeros((height, width))
    for top, bottom, left, right in boxes:
        ink[top:bottom, left:right] = 1
    return ink


def test_a_drawing_fills_the_box_and_keeps_its_proportions():
    image = DIGITS.pixels(drawing(40, 40, (3, 35, 20, 28))).reshape(8, 8)
    np.testing.assert_array_equal(image, np.repeat([[0, 0, 0, 16, 16, 0, 0, 0]], 8, axis=0))


@pytest.mark.parametrize("size", [(30, 50), (97, 61), (600, 900), (12, 9), (5, 400)])
def test_any_drawing_fills_twenty_pixels_and_has_its_mass_in_the_center_or_touches_an_edge(size):
    height, width = size
    ink = drawing(
        height, width, (height // 5, height // 2, width // 3, width - 1), (height // 2, height - 1, 0, 3)
    )
    image = MNIST.pixels(ink).reshape(28, 28).astype(float)
    rows, columns = np.nonzero(image.any(axis=1))[0], np.nonzero(image.any(axis=0))[0]
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    assert image.max() == 255
    for axis, place in ((1, rows), (0, columns)):
        mass = image.sum(axis=axis)
        at_the_edge = place[0] == 0 or place[-1] == 27
        assert abs(mass @ np.arange(28) / mass.sum() - 14) <= 0.6 or at_the_edge


def test_ink_is_the_mean_over_the_pixels_that_it_covers():
    ink = drawing(40, 40, (0, 40, 0, 40))
    ink[:2] = 0.5  # the upper of 20 rows
    image = MNIST.pixels(ink).reshape(28, 28)
    np.testing.assert_array_equal(image[4:24, 10], [128] + [255] * 19)


def test_a_drawing_without_ink_is_an_empty_image():
    assert not MNIST.pixels(np.zeros((9, 9))).any()


def test_images_of_another_size_are_made_in_the_proportions_of_mnist():
    form = Preparation.of(32 * 32)
    assert (form.side, form.box, form.center, form.full) == (32, 22, 16, 255)
    assert Preparation.of(784) == MNIST
