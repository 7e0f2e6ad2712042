"""The chain of stages, from raw images to fitted, measured models: the only place where it is written.

The stages of dvc.yaml run the same functions, one process each, with files in between. To add a stage between
scale and train, call its function at the end of `prepare`, and add the stage to both dvc.yaml.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from joblib import cpu_count
from threadpoolctl import threadpool_limits

from sparse_digits import params
from sparse_digits.runtime.npz import Arrays, Params
from sparse_digits.scale import scale
from sparse_digits.split import split

if TYPE_CHECKING:
    from sparse_digits.model import Model


class Prepared(NamedTuple):
    """What models are trained and evaluated on: the arrays of split.npz and those of scaled.npz."""

    rows: Arrays
    scaled: Arrays


def prepare(raw: Arrays, how: params.Split) -> Prepared:
    """Split and scale the arrays of raw.npz."""
    rows = split(raw, how)
    return Prepared(rows, scale(rows))


def fit_and_measure(
    raw: Arrays,
    made_with: Params,
    how: params.Params,
    Cs: Sequence[float],
    *,
    threads: int | None = None,
    progress: Callable[[], None] | None = None,
) -> list[tuple["Model", dict[str, Any]]]:
    """Return for each C the model and its metrics, the same bits as those of the five stages at that C.

    raw, made_with : the arrays of raw.npz and the params that they were made with.
    how : its sections split and train are used, except for train.C.
    threads : by default one for each processor.  progress : called after each fit.
    """
    from sparse_digits import evaluate, train  # noqa: PLC0415 - the baselines call `prepare` alone

    rows, scaled = prepare(raw, how.split)
    models = train.train(
        scaled, made_with | how.split.flat(), Cs, how.train, threads=threads, progress=progress
    )
    held_out = evaluate.standardize_held_out(models[0], rows)  # all have the same scaler

    def measure(model: "Model") -> dict[str, Any]:
        return evaluate.measure(model, held_out, scaled)

    # BLAS with one thread: the number of its threads changes the last bits of the scores.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads or cpu_count()) as pool:
        return list(zip(models, pool.map(measure, models), strict=True))
