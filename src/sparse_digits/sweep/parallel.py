"""Independent tasks over the cores of this machine or the workers of a Dask cluster, through joblib.

Retries are ours: joblib has none, and when a worker process dies it loses every task that has not returned
(`Parallel` raises), so a library that retries one call, such as tenacity, has nothing to call again. Dask's
own `retries` are for tasks that raise, not for what is lost with a worker once its `allowed-failures` are
used up.
"""

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

# The names of what joblib and Dask raise when a process that computes, or that holds a result, has died.
WORKER_DIED = ("TerminatedWorkerError", "KilledWorker", "FutureCancelledError")
KILLED = "its worker process was killed, most likely because memory ran out: lower sweep.train_sizes"
CLUSTER_ATTEMPTS = 3  # times that a cluster gets all remaining tasks: losing a worker is normal there


@dataclass(frozen=True)
class Failure:
    """The reason why a task has no result."""

    reason: str


def workers(tasks: int, scheduler: str | None) -> int:
    """Return the number of worker processes; with 1 the tasks run in this process."""
    return -1 if scheduler else min(tasks, cpu_count())


def parallel_map(
    compute: Callable[..., Result],
    items: Sequence[Item],
    shared: Sequence[Any],
    folder: Path | None,
    scheduler: str | None = None,
) -> Iterator[tuple[Item, Result | Failure]]:
    """Yield each item with ``compute(item, *shared)`` as they complete; failures are yielded too.

    folder : for the large arrays that processes share; by default joblib's choice.
    scheduler : the address of a Dask scheduler, whose workers get `shared` once; by default processes of this
    machine compute, or this one if there is a single item.
    """
    if not items:
        return
    # joblib warns a caller that stops early, which this one does on purpose.
    warnings.filterwarnings("ignore", r"\d+ tasks which were still being processed", UserWarning)
    n_jobs = workers(len(items), scheduler)
    remaining = list(range(len(items)))

    def run(indices: Sequence[int], n_jobs: int) -> Iterator[tuple[Item, Result | Failure]]:
        tasks = (delayed(_attempt)(index, compute, code_digest(), items[index], *shared) for index in indices)
        # Batches of one: otherwise joblib groups quick tasks.
        parallel = Parallel(n_jobs, return_as="generator_unordered", batch_size=1, temp_folder=folder)
        for index, result in parallel(tasks):
            remaining.remove(index)
            yield items[index], result

    with _backend(scheduler, shared):
        # When a process dies, joblib loses all tasks that have not returned, not only that of the process.
        for _ in range(CLUSTER_ATTEMPTS if scheduler else 1):
            try:
                yield from run(tuple(remaining), n_jobs)
            except Exception as error:
                if type(error).__name__ not in WORKER_DIED:
                    raise
        for index in tuple(remaining):  # one at a time, to see which one kills its process
            try:
                yield from run([index], 2)
            except Exception as error:
                if type(error).__name__ not in WORKER_DIED:
                    raise
                yield items[index], Failure(KILLED)


def _attempt(
    index: int, compute: Callable[..., Result], expected_code: str, item: Any, *shared: Any
) -> tuple[int, Result | Failure]:
    """Return a task's index, and its result or Failure."""
    if code_digest() != expected_code:
        return index, Failure("expected a worker with the code and libraries of this program, got others")
    try:
        return index, compute(item, *shared)
    except (UserError, MemoryError) as error:
        return index, Failure(f"{error}" or type(error).__name__)
    except Exception:  # noqa: BLE001 - reported with its traceback; the other tasks continue
        return index, Failure(traceback.format_exc())


def _backend(scheduler: str | None, shared: Sequence[Any]) -> AbstractContextManager[object]:
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
            "--scheduler: expected the package distributed, which is not installed. pip install distributed"
        ) from None
    except OSError as error:
        raise UserError(
            f"--scheduler: expected a Dask scheduler with workers at {scheduler}, but {error}"
        ) from None
