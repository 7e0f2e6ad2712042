"""Numbers in the page: rounded on an absolute scale, and decoded again without a loss that a score shows."""

import base64

import numpy as np
import pytest

from sparse_digits.sweep.page import encoding


def decoded(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


@pytest.mark.parametrize("largest", [1e-12, 0.3, 1.0, 2.5, 1e6])
def test_weights_are_decoded_to_half_a_step_and_zeros_are_left_out(largest):
    rng = np.random.default_rng(0)
    coef = rng.uniform(-largest, largest, size=(10, 64)) * (rng.random((10, 64)) < 0.2)
    coef[3, 5] = largest
    encoded = encoding.encode_coef(coef)
    flat = np.zeros(640)
    flat[decoded(encoded["indices"], "<u2")] = decoded(encoded["values"], "<i4") * encoded["step"]
    assert np.abs(flat - coef.ravel()).max() <= encoded["step"] / 2 <= largest * 2**-29
    assert len(decoded(encoded["values"], "<i4")) == np.count_nonzero(coef)


def test_a_model_without_a_weight_can_be_encoded():
    assert encoding.encode_coef(np.zeros((3, 4)))["values"] == ""


def test_more_weights_than_two_bytes_count_are_refused():
    with pytest.raises(ValueError, match=r"expected at most 65,536 weights, got 70,000"):
        encoding.encode_coef(np.ones((10, 7000)))


def test_the_scaler_is_decoded_to_the_last_bits_which_do_not_change_the_encoding():
    n = 5000
    images = np.random.default_rng(0).integers(0, 256, size=(n, 64)) * (np.arange(64) > 3)
    images[0, 1] = 1  # the one row that uses this pixel
    mean, scale = images.mean(axis=0), images.std(axis=0)
    scale[scale == 0] = 1  # as in scikit-learn's scaler
    encoded = encoding.encode_scaler(mean, scale, n)
    np.testing.assert_allclose(decoded(encoded["sums"], "<f8") / n, mean, rtol=1e-15)
    np.testing.assert_allclose(np.sqrt(decoded(encoded["squares"], "<f8")) / n, scale, rtol=1e-12)
    assert encoding.encode_scaler(np.nextafter(mean, np.inf), np.nextafter(scale, 0), n) == encoded


def test_numbers_are_rounded_on_an_absolute_scale():
    assert encoding.rounded([0.1 + 0.2, 7, [1 / 3]]) == [0.3, 7, [0.333333333]]
