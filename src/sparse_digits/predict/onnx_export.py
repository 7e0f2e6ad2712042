"""The model in the format ONNX, by skl2onnx."""

import skl2onnx
from skl2onnx.common.data_types import DoubleTensorType

from sparse_digits.model import Model
from sparse_digits.predict.sklearn_pipeline import to_pipeline


def onnx_bytes(fitted: Model) -> bytes:
    """Return an ONNX file from `pixels` (n, p) to `label` (n,) and `probabilities` (n, K).

    Pixels and arithmetic are in double precision: in single precision labels next to a boundary differ.
    The same model gives the same bytes.
    """
    pipeline = to_pipeline(fitted)
    exported = skl2onnx.to_onnx(
        pipeline,
        name="sparse-digits",
        initial_types=[("pixels", DoubleTensorType([None, len(fitted.mean)]))],
        options={id(pipeline["classify"]): {"zipmap": False}},
    )
    exported.doc_string = f"L1-penalized multinomial logistic regression, C = {fitted.params['train.C']:g}"
    return bytes(exported.SerializeToString())
