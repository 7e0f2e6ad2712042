"""The model as ONNX gives the labels and the probabilities of the model itself."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest

from sparse_digits import model
from sparse_digits.predict.answer import answer
from sparse_digits.predict.onnx_export import onnx_bytes
from sparse_digits.runtime.npz import read_npz


@pytest.mark.slow
def test_onnxruntime_gives_ten_thousand_digits_the_labels_of_the_model(mnist):
    fitted = model.read(mnist / "results/model.npz")
    _, raw = read_npz(mnist / "data/raw.npz")
    images = raw["images"][-10_000:]
    exported = onnx_bytes(fitted)
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    labels, probabilities = session.run(["label", "probabilities"], {"pixels": images.astype(float)})
    np.testing.assert_array_equal(labels, fitted.predict(images))
    expected = [answer(fitted, "", pixels).probabilities for pixels in images[:100]]
    np.testing.assert_allclose(probabilities[:100], expected, rtol=0, atol=1e-12)
    assert onnx_bytes(fitted) == exported
    assert onnx_bytes(replace(fitted, coef=-fitted.coef)) != exported
