"""A caption says what a figure shows, and what follows from the numbers of this sweep."""

import numpy as np
import pytest

import synthetic_sweep
from sparse_digits.sweep import captions


def entry(C, sparsity, accuracy, nonzero_weights=100):
    return {"C": C, "sparsity": sparsity, "accuracy": accuracy, "nonzero_weights": nonzero_weights}


def test_the_price_of_sparsity_is_the_difference_in_test_accuracy():
    selection = {"best": entry(0.3, 80, 0.9), "one_standard_error": entry(0.1, 90, 0.895)}
    caption = captions.accuracy_against_sparsity(selection)
    assert "0.1 in place of 0.3" in caption
    assert "from 80.0 % to 90.0 %" in caption
    assert "test accuracy by -0.0050" in caption


def test_a_best_C_that_is_also_the_sparsest_is_said_to_be_both():
    selection = {"best": entry(0.3, 80, 0.9), "one_standard_error": entry(0.3, 80, 0.9)}
    assert "0.3, is also the sparsest" in captions.accuracy_against_sparsity(selection)


@pytest.mark.parametrize(
    ("standard_error", "reach"),
    [(0.02, "2 of 3 values of C reach it, between 2 and 3"), (0, "1 of 3 values of C reach it, 2")],
)
def test_the_Cs_within_one_standard_error_of_the_best_are_counted(standard_error, reach):
    table = {
        "C": np.array([1.0, 2, 3]),
        "validation_accuracy": np.array([0.5, 0.9, 0.89]),
        "sparsity": np.array([99.0, 90, 70]),
    }
    caption = captions.along_C(table, {"standard_error": standard_error})
    assert f"{reach};" in caption
    assert "99.0 % at C = 1 and 70.0 % at C = 3" in caption


def test_the_nonzero_weights_are_counted_at_the_ends_of_the_path_and_at_the_selected_C():
    coef = np.zeros((3, 10, 64))
    coef[1, 0, :3] = coef[2, :, 5] = 1
    caption = captions.weights_along_C(np.array([1.0, 2, 3]), coef, {"one_standard_error": {"C": 2}})
    assert caption.endswith("Of 640 weights, this many are not zero: 0 at C = 1, 3 at C = 2, 10 at C = 3.")


def test_the_pixels_that_any_class_uses_are_counted():
    coef = np.zeros((2, 10, 64))
    coef[0, 3, 7] = coef[1, :, :5] = 1
    caption = captions.images_along_C(np.array([1.0, 2]), coef)
    assert caption.endswith("Of 64 pixels the classes together use 1 at C = 1 and 5 at C = 2.")


def test_the_three_models_are_compared_by_accuracy_and_number_of_weights():
    baselines = synthetic_sweep.baselines_of(split_seeds=[0], train_sizes=[1000])
    caption = captions.three_models(baselines, {"best": entry(1, 50, 0.9, 320)})
    assert caption.endswith(
        "L1 at its best C reaches 0.9000 with 320 weights; the L2 model reaches 0.9500 with 600; "
        "the network reaches 0.9700 with 7,400."
    )


def test_one_split_seed_is_said_to_show_no_stability():
    coef = np.zeros((1, 10, 64))
    coef[0, 0, :4] = 1
    caption = captions.selection_frequency(coef, 0.1)
    assert "4 of 640" in caption
    assert "sweep.split_seeds" in caption


def test_weights_that_some_and_that_all_split_seeds_select_are_counted():
    coef = np.zeros((2, 10, 64))
    coef[0, 0, :4] = coef[1, 0, 2:5] = 1
    assert "5 of 640 weights are selected for at least one split seed, 2 of them for every one" in (
        captions.selection_frequency(coef, 0.1)
    )
