"""The answer of a model on one image: label and probabilities."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dvc_mlflow.errors import printable
from l1path.objective import Floats
from sparse_digits.model import Model


class Answer(NamedTuple):
    """What a model says of one image.  pixels : (p,).  probabilities : (K,), in the order of its classes."""

    file: str
    pixels: npt.NDArray[Any]
    label: Any
    probabilities: Floats


def answer(model: Model, file: str, pixels: npt.NDArray[Any]) -> Answer:
    """Return the answer on the pixels (p,) of an image; the probabilities are the softmax of the scores.

    The scores are those of `Model.decision_function` up to rounding, without the kernels, which take seconds
    to import.
    """
    scores = model.coef @ model.standardize(pixels) + model.intercept
    exponentials = np.exp(scores - scores.max())
    return Answer(file, pixels, model.classes[scores.argmax()].item(), exponentials / exponentials.sum())


def as_json(answers: Sequence[Answer], model: Model) -> str:
    """Return a list of objects with file, label, and the probabilities by class."""
    return json.dumps(
        [
            {
                "file": answer.file,
                "label": answer.label,
                "probabilities": {
                    str(name): round(float(value), 6)
                    for name, value in zip(model.classes, answer.probabilities, strict=True)
                },
            }
            for answer in answers
        ],
        indent=2,
    )


def as_table(answers: Sequence[Answer], model: Model) -> str:
    """Return a line for each image: file, label, and the probability of each class in percent."""
    files = [printable(answer.file) for answer in answers]
    width = max(len("file"), *map(len, files))
    names = [str(name) for name in model.classes]
    of_label = max(len("label"), *map(len, names))
    columns = [max(6, len(name) + 2) for name in names]
    head = f"{'file':<{width}}  {'label':>{of_label}}  " + "".join(map(str.rjust, names, columns)) + "   (%)"
    return "\n".join(
        [head]
        + [
            f"{file:<{width}}  {answer.label!s:>{of_label}}  "
            + "".join(
                f"{100 * value:{column}.1f}"
                for column, value in zip(columns, answer.probabilities, strict=True)
            )
            for file, answer in zip(files, answers, strict=True)
        ]
    )
