"""Stage sweep: every C for every replicate, and the selection of C.

A path is all C's on the rows of one replicate. Its points share their warm starts, so a path is what one
worker computes and what a checkpoint holds when a sweep is interrupted. A point is bit for bit what the five
stages compute at its C, split seed and train size.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from sparse_digits.runtime.stage_harness import parse_paths, stage_harness

import numpy as np
import numpy.typing as npt

from dvc_mlflow.errors import UserError
from dvc_mlflow.files import write_atomically
from sparse_digits import pipeline
from sparse_digits.metrics import in_table_order
from sparse_digits.params import Params
from sparse_digits.runtime.npz import Arrays, read_npz, write_npz
from sparse_digits.runtime.progress import FileCounter, Progress
from sparse_digits.runtime.signals import exit_on_interrupt
from sparse_digits.split import split
from sparse_digits.sweep.checkpoints import Checkpoints
from sparse_digits.sweep.csv_table import write_csv
from sparse_digits.sweep.grid import embedded_params, params_of_path, values_of_C
from sparse_digits.sweep.parallel import Failure, parallel_map, workers
from sparse_digits.sweep.replicates import Images, Replicate, replicates
from sparse_digits.sweep.selection import select
from sparse_digits.sweep.selection_display import format_selection

COMMAND = "dvc repro sweep/dvc.yaml"

IDENTITY = ("C", "lambda", "split_seed", "train_size")  # the columns that say which point a row is
COLUMNS = (*IDENTITY, *(metric.name for metric in in_table_order()), "model_md5")  # of sweep.csv


def path(
    replicate: Replicate,
    images: Images,
    labels: npt.NDArray[Any],
    *,
    made_with: Mapping[str, Any],
    params: Params,
    threads: int | None = None,
    progress: Callable[[], None] | None = None,
) -> Arrays:
    """Train and evaluate at every C on the rows of one replicate.

    images, labels : the data set.  made_with : the params that it was made with.
    threads : by default one for each processor.  progress : called after each fit, which takes longer than
    all that follows.
    Returns columns with one row for each point, in ascending order of C: its identity, the MD5 of its model's
    file, the arrays of its model (coef is (points, K, p)) and its metrics.
    """
    Cs = values_of_C(params.sweep)
    points = [
        {"C": C, "lambda": 1 / (C * replicate.train_size), **replicate._asdict(), "model_md5": model.md5()}
        | model.arrays()
        | metrics
        for C, (model, metrics) in zip(
            Cs,
            pipeline.fit_and_measure(
                {"images": images, "labels": labels},
                dict(made_with),
                params_of_path(params, replicate),
                Cs,
                threads=threads,
                progress=progress,
            ),
            strict=True,
        )
    ]
    return {name: np.array([point[name] for point in points]) for name in points[0]}


def concatenate(paths: Sequence[Arrays]) -> Arrays:
    """Return the points of several paths in the order of train size, split seed and C."""
    points = {name: np.concatenate([path[name] for path in paths]) for name in paths[0]}
    order = np.lexsort((points["C"], points["split_seed"], points["train_size"]))
    return {name: column[order] for name, column in points.items()}


def checkpoint_inputs(raw: Arrays, made_with: Mapping[str, Any], params: Params) -> list[Any]:
    """Return all that a path depends on beside the code and its replicate."""
    data = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in raw.items()}
    used = params_of_path(params, Replicate(1, 0)).model_dump(exclude={"fetch", "sweep"})
    used["train"].pop("C")  # that of the five stages
    return [made_with, data, used, params.sweep.vary_random_state, values_of_C(params.sweep)]


def check_classes(labels: npt.NDArray[Any], params: Params) -> None:
    """Raise UserError if the training rows of a replicate lack a class: its coef would have another shape."""
    K = len(np.unique(labels))
    for replicate in replicates(params.sweep):
        rows = split({"labels": labels}, params_of_path(params, replicate).split)
        present = len(np.unique(rows["train_labels"]))
        if present < K:
            raise UserError(
                f"sweep.train_sizes: expected training rows of all {K} classes, "
                f"but with split seed {replicate.split_seed} the first {replicate.train_size} have only "
                f"{present}"
            )


def compute(
    images: Images,
    labels: npt.NDArray[Any],
    made_with: Mapping[str, Any],
    params: Params,
    checkpoints: Checkpoints,
    scheduler: str | None = None,
) -> Arrays:
    """Return the points of all paths; a path that has a checkpoint is not computed again.

    Raises UserError if some path failed, once all others have their checkpoint.
    """
    wanted = replicates(params.sweep)
    finished = {key: part for key in wanted if (part := checkpoints.get(key.name)) is not None}
    remaining = [replicate for replicate in wanted if replicate not in finished]
    failures = 0
    points_per_path = len(values_of_C(params.sweep))

    def describe_progress() -> str:
        return f"{len(finished)} of {len(wanted)} paths are finished and saved. To continue: {COMMAND}"

    title = f"sweep ({len(finished)} of {len(wanted)} paths from checkpoints)" if finished else "sweep"
    in_this_process = workers(len(remaining), scheduler) == 1
    with (
        Progress(title, "point", points_per_path * len(wanted), points_per_path * len(finished)) as progress,
        exit_on_interrupt(describe_progress),
        ExitStack() as stack,
    ):
        options: dict[str, Any] = {"threads": 1}
        if in_this_process:
            options = {"threads": None, "progress": progress.add}
        elif not scheduler:  # the workers of a scheduler may be on other machines
            counter = FileCounter(checkpoints.folder / "points")
            stack.enter_context(counter.followed_by(progress, points_per_path * len(remaining)))
            options["progress"] = counter.add
        task = partial(path, made_with=made_with, params=params, **options)
        results = parallel_map(task, remaining, (images, labels), checkpoints.folder, scheduler)
        for replicate, result in results:
            if isinstance(result, Failure):
                failures += 1
                print(f"path {replicate.name} failed: {result.reason}", file=sys.stderr)
                continue
            checkpoints.put(replicate.name, result)
            finished[replicate] = result
            progress.reach(points_per_path * len(finished))
    if failures:
        raise UserError(f"{failures} of {len(wanted)} paths failed. {describe_progress()}")
    return concatenate([finished[replicate] for replicate in wanted])


def main(argv: Sequence[str] | None = None) -> None:
    """Compute the paths without a checkpoint; write the table, the models and the selection of C."""
    names = ("raw.npz", "checkpoints", "sweep.csv", "models.npz", "chosen.json")
    source, folder, csv, models, chosen = parse_paths(argv, *names)
    scheduler = os.environ.get("SPARSE_DIGITS_SCHEDULER")
    with stage_harness("sweep", csv, models, chosen) as params:
        params.check_sweep()
        made_with, raw = read_npz(source)
        check_classes(raw["labels"], params)
        start = time.monotonic()
        checkpoints = Checkpoints(folder, checkpoint_inputs(raw, made_with, params))
        points = compute(raw["images"], raw["labels"], made_with, params, checkpoints, scheduler)
        selection = select(points, params.split.validation_size)
        write_csv(csv, {name: points[name] for name in COLUMNS if name in points})
        write_npz(models, made_with | embedded_params(params.sweep), **points)
        write_atomically(chosen, (json.dumps(selection, indent=2) + "\n").encode())
        checkpoints.clear()
        print(format_selection(selection))
        print(f"{len(points['C'])} points in {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()
