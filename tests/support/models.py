"""A small model with random weights."""

import numpy as np
import numpy.typing as npt

from sparse_digits.model import Model


def random_model(classes: npt.NDArray[np.generic]) -> Model:
    """Return a model of nine pixels."""
    rng = np.random.default_rng(0)
    return Model(
        coef=rng.normal(size=(len(classes), 9)),
        intercept=rng.normal(size=len(classes)),
        classes=classes,
        mean=rng.normal(size=9),
        scale=rng.uniform(1, 2, 9),
        n_iter=12,
        converged=True,
        params={"train.C": 0.05, "split.train_size": 500},
    )
