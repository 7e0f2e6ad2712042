"""Independent tasks over the cores of this machine or the workers of a Dask cluster, through joblib alone."""

import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from joblib import Parallel, cpu_count, delayed, parallel_config

from dvc_mlflow.errors import UserError
from sparse_digits.sweep.checkpoints import code_digest

Item = TypeVar("Item")
Result = TypeVar("Result")

# What joblib and Dask raise when a process that computes, or that holds a result, is gone.
LOST = ("TerminatedWorkerError", "KilledWorker", "FutureCancelledError")
BULK = 3  # times that a cluster gets all that is left: losing a worker now and then is its daily life


@dataclass(frozen=True)
class Failure:
    """A task that has no result, and why."""

    reason: str


def workers(tasks: int, scheduler: str | None) -> int:
    """Return how many worker processes to use; 1 is this very process."""
    return -1 if scheduler else min(tasks, cpu_count())


def parallel_map(
    compute: Callable[..., Result],
    items: Sequence[Item],
    shared: Sequence[Any],
    folder: Path | None,
    scheduler: str | None = None,
) -> Iterator[tuple[Item, Result | Failure]]:
    """Yield each item with ``compute(item, *shared)`` as they come; one that fails does not end the others.

    folder : where large arrays lie while processes share them, None: joblib's choice.
    scheduler : the address of a Dask scheduler, whose workers get `shared` once; None: processes of this
    machine, or this very one for a single item.
    """
    if not items:
        return
    # What joblib says of a caller that stops early, who knows.
    warnings.filterwarnings("ignore", r"\d+ tasks which were still being processed", UserWarning)
    n_jobs = workers(len(items), scheduler)
    waiting = list(range(len(items)))

    def run(numbers: Sequence[int], n_jobs: int) -> Iterator[tuple[Item, Result | Failure]]:
        tasks = (
            delayed(_attempt)(number, compute, code_digest(), items[number], *shared) for number in numbers
        )
        # batches of one: else joblib hands quick tasks over several at a time
        parallel = Parallel(n_jobs, return_as="generator_unordered", batch_size=1, temp_folder=folder)
        for number, result in parallel(tasks):
            waiting.remove(number)
            yield items[number], result

    with _engine(scheduler, shared):
        # What is lost with a process is not only its own task: joblib loses all that have not come back.
        for _ in range(BULK if scheduler else 1):
            try:
                yield from run(tuple(waiting), n_jobs)
            except Exception as error:
                if type(error).__name__ not in LOST:
                    raise
        for number in tuple(waiting):  # now one at a time, to see which one it is
            try:
                yield from run([number], 2)
            except Exception as error:
                if type(error).__name__ not in LOST:
                    raise
                yield items[number], Failure("its worker process was ended, for want of memory perhaps")


def _attempt(
    number: int, compute: Callable[..., Result], wanted: str, item: Any, *shared: Any
) -> tuple[int, Result | Failure]:
    """Return a task's number, and its result or why there is none."""
    if code_digest() != wanted:
        return number, Failure("this worker has other code or libraries than the program that asks")
    try:
        return number, compute(item, *shared)
    except (UserError, MemoryError) as error:
        return number, Failure(f"{error}" or type(error).__name__)
    except Exception:  # noqa: BLE001 - reported whole; the other tasks go on
        return number, Failure(traceback.format_exc())


def _engine(scheduler: str | None, shared: Sequence[Any]) -> AbstractContextManager[object]:
    """Return the context in which joblib uses the scheduler."""
    if not scheduler:
        return nullcontext()
    try:
        return cast(
            "AbstractContextManager[object]",
            parallel_config("dask", scheduler_host=scheduler, scatter=list(shared)),
        )
    except (ImportError, ValueError):
        raise UserError(
            "--scheduler: expected the package distributed, found none: pip install distributed"
        ) from None
    except OSError as error:
        raise UserError(
            f"--scheduler: expected a Dask scheduler with workers at {scheduler}, but {error}"
        ) from None
