"""The example's model where its solver stops, to be shown beside the optimum at the same C."""

from typing import Any

from sparse_digits import pipeline
from sparse_digits.model import Model
from sparse_digits.params import Params
from sparse_digits.runtime.npz import Arrays
from sparse_digits.sweep.grid import example_C, params_of_path
from sparse_digits.sweep.replicates import Replicate

EXAMPLE = {"solver": "saga", "tol": 0.1, "max_iter": 100}  # it stops at a relative change of 10 %


def fit_as_the_example(raw: Arrays, params: Params, replicate: Replicate) -> tuple[Model, dict[str, Any]]:
    """Return the model of the example's solver at its C, and its metrics.  raw : the arrays of raw.npz."""
    how = params_of_path(params, replicate)
    how = how.model_copy(update={"train": how.train.model_copy(update=EXAMPLE)})
    (fitted,) = pipeline.fit_and_measure(raw, {}, how, [example_C(replicate.train_size)], threads=1)
    return fitted
