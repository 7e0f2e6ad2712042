"""The grid of a sweep: its values of C, and the params of one path over them."""

from typing import Any

from sparse_digits.params import Params, Spaced, Sweep
from sparse_digits.sweep.replicates import Replicate

EXAMPLE_LAMBDA = 0.02  # 1 / (C n) of the example's C = 50 / n


def values_of_C(sweep: Sweep) -> list[float]:
    """Return the C's of a sweep in ascending order, each once."""
    return sorted(set(spaced_evenly(sweep.C) if isinstance(sweep.C, Spaced) else sweep.C))


def spaced_evenly(spaced: Spaced) -> list[float]:
    """Return C's evenly spaced in log, each rounded to three digits so that ``-S train.C=`` can name it.

    They are as many as `points`, or fewer where rounding makes two of them equal.
    """
    ratio = spaced.last / spaced.first
    shares = (i / max(spaced.points - 1, 1) for i in range(spaced.points))
    return [float(f"{spaced.first * ratio**share:.3g}") for share in shares]


def example_C(train_size: int) -> float:
    """Return the C of scikit-learn's example for so many training rows."""
    return 1 / (EXAMPLE_LAMBDA * train_size)


def params_of_path(params: Params, replicate: Replicate) -> Params:
    """Return the params with which `dvc repro` computes this path's points; they differ in train.C alone."""
    solver = {key: getattr(params.sweep, key) for key in ("solver", "tol", "max_iter")}
    if params.sweep.vary_random_state:
        solver["random_state"] = replicate.split_seed
    rows = {"seed": replicate.split_seed, "train_size": replicate.train_size}
    return params.model_copy(
        update={
            "split": params.split.model_copy(update=rows),
            "train": params.train.model_copy(update=solver),
        }
    )


def embedded_params(sweep: Sweep) -> dict[str, Any]:
    """Return the params of a sweep by full name, with its C's as a list."""
    Cs = values_of_C(sweep) if isinstance(sweep.C, Spaced) else list(sweep.C)
    return {**sweep.flat(), "sweep.C": Cs}
