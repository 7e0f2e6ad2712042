"""Stage sweep: every C for every draw of rows, and the choice among them.

A path is all C's on one draw of rows: they share their warm starts, so it is what a worker takes and what is
kept when a sweep is interrupted. A point is what the five stages find at its C, split seed and train size,
bit for bit: it is computed by their functions.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
from joblib import cpu_count
from threadpoolctl import threadpool_limits

from dvc_mlflow.errors import UserError
from sparse_digits import evaluate, scale, train
from sparse_digits.model import Model
from sparse_digits.params import Params
from sparse_digits.runtime.files import Arrays, read_npz, write, write_npz
from sparse_digits.runtime.progress import Progress, Tally
from sparse_digits.runtime.signals import exit_on_interrupt
from sparse_digits.runtime.stage_harness import parse_paths, stage_harness
from sparse_digits.sweep.checkpoints import Checkpoints
from sparse_digits.sweep.csv_table import write_csv
from sparse_digits.sweep.parallel import Failure, parallel_map, workers
from sparse_digits.sweep.replicates import Images, Replicate, replicate_rows, replicates
from sparse_digits.sweep.selection import format_selection, select

COMMAND = "dvc repro sweep/dvc.yaml"

COLUMNS = (
    *("C", "lambda", "split_seed", "train_size", "sparsity", "validation_accuracy", "accuracy", "log_loss"),
    *("duality_gap", "objective", "nonzero_weights", "pixels_used", "n_iter", "converged", "model_md5"),
)  # of the table


def path(
    draw: Replicate,
    images: Images,
    labels: Images,
    *,
    made_with: Mapping[str, Any],
    params: Params,
    threads: int | None = None,
    trained: Callable[[], None] | None = None,
) -> Arrays:
    """Train and evaluate every C on one draw of rows.

    images, labels : the data set.  made_with : its params.  threads : one for each processor if None.
    trained : called once for each point that is trained, which takes longer than all that follows.
    Returns columns with a row for each point, in the order of C: the model (coef (points, K, p), intercept,
    classes, mean, scale, n_iter, converged), its file's MD5, the metrics, and what identifies the point.
    """
    rows = replicate_rows(images, labels, draw, params)
    X, y = rows["train_images"], rows["train_labels"]
    scaler = scale.fit(X)
    X = scaler.transform(X)
    Cs = sorted(set(params.sweep.C))
    how = params.at(Cs[0], draw.split_seed, draw.train_size).train
    fits = train.train(X, y, Cs, how, threads, trained)

    def model_of(C: float, fit: train.Fitted) -> Model:
        at = params.at(C, draw.split_seed, draw.train_size)
        made = {**made_with, **at.flat("split"), **at.flat("train")}
        return Model(**fit._asdict(), mean=scaler.mean_, scale=scaler.scale_, params=made)

    models = [model_of(C, fit) for C, fit in zip(Cs, fits, strict=True)]
    held_out = evaluate.held_out(models[0], rows)

    def point(C: float, model: Model) -> dict[str, Any]:
        what = {"C": C, "lambda": 1 / (C * len(y)), **draw._asdict(), "model_md5": model.md5()}
        arrays = {name: value for name, value in vars(model).items() if name != "params"}
        return what | arrays | evaluate.measure(model, held_out, X, y)

    # BLAS with one thread: how many it uses would show in the last bits of the scores.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads or cpu_count()) as pool:
        found = list(pool.map(point, Cs, models))
    return {name: np.array([point[name] for point in found]) for name in found[0]}


def concatenate(parts: Sequence[Arrays]) -> Arrays:
    """Return the points of several paths as one, in the order of train size, split seed and C."""
    together = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((together["C"], together["split_seed"], together["train_size"]))
    return {name: column[order] for name, column in together.items()}


def checkpoint_inputs(raw: Arrays, made_with: Mapping[str, Any], params: Params) -> list[Any]:
    """Return all that a path depends on beside the code and its draw of rows."""
    data = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in raw.items()}
    uses = params.at(1, 0, 1).model_dump(exclude={"fetch", "sweep"})  # without what only other stages use
    return [made_with, data, uses, params.sweep.vary_random_state, sorted(set(params.sweep.C))]


def check_classes(labels: Images, params: Params) -> None:
    """Raise `Fault` if some draw's training rows lack a class: its coefficients would have another shape."""
    K = len(np.unique(labels))
    for draw in replicates(params):
        seen = len(np.unique(replicate_rows(labels, labels, draw, params)["train_labels"]))
        if seen < K:
            raise UserError(
                f"sweep.train_sizes: expected training rows of all {K} classes, "
                f"but with split seed {draw.split_seed} the first {draw.train_size} have only {seen}"
            )


def compute(
    images: Images,
    labels: Images,
    made_with: Mapping[str, Any],
    params: Params,
    kept: Checkpoints,
    scheduler: str | None = None,
) -> Arrays:
    """Return the points of all paths; those that an earlier run finished are kept.

    Raises `Fault` once all others are kept if some path failed.
    """
    wanted = replicates(params)
    finished = {draw: part for draw in wanted if (part := kept.get(draw.name)) is not None}
    waiting = [draw for draw in wanted if draw not in finished]
    failed = 0
    each = len(set(params.sweep.C))

    def so_far() -> str:
        return f"{len(finished)} of {len(wanted)} paths are finished and kept; to go on: {COMMAND}"

    title = f"sweep ({len(finished)} of {len(wanted)} paths kept)" if finished else "sweep"
    alone = workers(len(waiting), scheduler) == 1
    with (
        Progress(title, "point", each * len(wanted), each * len(finished)) as progress,
        exit_on_interrupt(so_far),
        ExitStack() as stack,
    ):
        how: dict[str, Any] = {"threads": None, "trained": progress.add} if alone else {"threads": 1}
        if not alone and not scheduler:  # whose workers may be on other machines
            tally = Tally(kept.folder / "points")
            stack.enter_context(tally.watched(progress, each * len(waiting)))
            how["trained"] = tally.add
        one = partial(path, made_with=made_with, params=params, **how)
        for draw, result in parallel_map(one, waiting, (images, labels), kept.folder, scheduler):
            if isinstance(result, Failure):
                failed += 1
                print(f"path {draw.name} failed: {result.reason}", file=sys.stderr)
                continue
            kept.put(draw.name, result)
            finished[draw] = result
            progress.reach(each * len(finished))
    if failed:
        raise UserError(f"{failed} of {len(wanted)} paths failed; {so_far()}")
    return concatenate([finished[draw] for draw in wanted])


def main(argv: Sequence[str] | None = None) -> None:
    """Compute the paths that are not kept; write the table, the models and the choice of C."""
    source, folder, *targets = parse_paths(argv, "raw.npz", "kept", "sweep.csv", "models.npz", "chosen.json")
    scheduler = os.environ.get("SPARSE_DIGITS_SCHEDULER")
    with stage_harness("sweep", *targets) as params:
        params.check_sweep()
        made_with, raw = read_npz(source)
        check_classes(raw["labels"], params)
        began = time.monotonic()
        kept = Checkpoints(folder, checkpoint_inputs(raw, made_with, params))
        points = compute(raw["images"], raw["labels"], made_with, params, kept, scheduler)
        chosen = select(points, params.split.validation_size)
        write_csv(targets[0], {name: points[name] for name in COLUMNS})
        write_npz(targets[1], {**made_with, **params.flat("sweep")}, **points)
        write(targets[2], (json.dumps(chosen, indent=2) + "\n").encode())
        kept.clear()
        print(format_selection(chosen))
        print(f"{len(points['C'])} points in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
