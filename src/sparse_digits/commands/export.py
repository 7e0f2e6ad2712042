"""The command `export`: a model as a file that other programs run, in the format ONNX."""

from pathlib import Path

from dvc_mlflow.errors import UserError
from dvc_mlflow.files import write_atomically
from sparse_digits.predict.find_model import find_model


def export(target: Path, name: str | None, C: float | None) -> None:
    """Write a model to an .onnx file. Raises UserError.

    name, C : of the model, as `find_model` takes them.
    """
    if target.suffix != ".onnx" or (target.exists() and not target.is_file()):
        raise UserError(f"{target}: expected the name of an .onnx file to write, got another")
    model = find_model(name, C)
    try:
        from sparse_digits.predict.onnx_export import onnx_bytes
    except ModuleNotFoundError as error:
        raise UserError(
            f"{target}: expected the package skl2onnx, found none ({error}). To get it: pip install skl2onnx"
        ) from None
    write_atomically(target.resolve(), onnx_bytes(model))
    print(f"{target}: {len(model.mean)} pixels to label and probabilities, C = {model.params['train.C']:g}")
