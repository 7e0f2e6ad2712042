"""The answers as text: the columns are as wide as the names of the classes."""

import numpy as np

from sparse_digits.model import Model
from sparse_digits.predict.answer import answer, as_json, as_table

PIXELS = np.array([0, 255], np.uint8)


def model(classes):
    coef = np.array([[0, 0.01], [0, 0], [0, -0.01]])
    return Model(
        coef, np.zeros(3), np.array(classes), np.zeros(2), np.ones(2), n_iter=1, converged=True, params={}
    )


def test_a_class_that_is_a_digit_has_a_column_of_six_characters():
    digits = model([3, 5, 8])
    assert as_table([answer(digits, "a.png", PIXELS)], digits).splitlines() == [
        "file   label       3     5     8   (%)",
        "a.png      3    92.2   7.2   0.6",
    ]


def test_a_class_with_a_name_is_answered_by_it_in_a_column_of_its_width():
    named = model(["Ankle boot", "Bag", "Coat"])
    answers = [answer(named, "a.png", PIXELS)]
    assert as_table(answers, named).splitlines() == [
        "file        label    Ankle boot   Bag  Coat   (%)",
        "a.png  Ankle boot          92.2   7.2   0.6",
    ]
    assert '"label": "Ankle boot"' in as_json(answers, named)
