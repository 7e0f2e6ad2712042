"""Stage baselines: what an L2 penalty and a small network reach on the rows that the sweep uses."""

import os
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from dvc_mlflow.errors import UserError
from sparse_digits import scale
from sparse_digits.params import Params
from sparse_digits.runtime.files import read_npz
from sparse_digits.runtime.signals import exit_on_interrupt
from sparse_digits.runtime.stage_harness import parse_paths, stage_harness
from sparse_digits.sweep.csv_table import write_csv
from sparse_digits.sweep.parallel import Failure, parallel_map
from sparse_digits.sweep.replicates import Images, Replicate, replicate_rows, replicates
from sparse_digits.sweep.selection import example_C


def baselines(draw: Replicate, images: Images, labels: Images, *, params: Params) -> list[dict[str, Any]]:
    """Fit both on the standardised rows of a draw; return a row of the table for each.

    L2: logistic regression at the seed's C, its penalty |W|_2^2 / 2.  MLP: scikit-learn's own defaults, one
    layer of 100 hidden units. Weights count what multiplies an input or a hidden unit, no intercept.
    """
    rows = replicate_rows(images, labels, draw, params)
    scaler = scale.fit(rows["train_images"])
    random_state = params.at(1, draw.split_seed, draw.train_size).train.random_state
    models = {
        "L2": LogisticRegression(C=example_C(draw.train_size), l1_ratio=0, max_iter=1000),
        "MLP": MLPClassifier(random_state=random_state),
    }
    found = []
    # One thread: how many BLAS uses would show in the bits.
    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the table says it: n_iter
        for name, model in models.items():
            model.fit(scaler.transform(rows["train_images"]), rows["train_labels"])
            weights = model.coefs_ if name == "MLP" else [model.coef_]
            found.append(
                {
                    "model": name,
                    **draw._asdict(),
                    **{
                        f"{prefix}accuracy": model.score(
                            scaler.transform(rows[f"{part}_images"]), rows[f"{part}_labels"]
                        )
                        for part, prefix in (("validation", "validation_"), ("test", ""))
                    },
                    "weights": sum(layer.size for layer in weights),
                    "nonzero_weights": sum(int(np.count_nonzero(layer)) for layer in weights),
                    "n_iter": int(np.max(model.n_iter_)),
                }
            )
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Fit the baselines on every draw of rows of the sweep; write their table."""
    source, target = parse_paths(argv, "raw.npz", "baselines.csv")
    with stage_harness("baselines", target) as params:
        params.check_sweep()
        _, raw = read_npz(source)
        fit = partial(baselines, params=params)
        shared = (raw["images"], raw["labels"])
        scheduler = os.environ.get("SPARSE_DIGITS_SCHEDULER")
        found: list[dict[str, Any]] = []
        # By itself scikit-learn's network takes ctrl-C for the end of its training, and goes on with that.
        with exit_on_interrupt(lambda: "baselines: interrupted; to go on: dvc repro sweep/dvc.yaml"):
            for draw, result in parallel_map(fit, replicates(params), shared, None, scheduler):
                if isinstance(result, Failure):
                    raise UserError(f"baselines of {draw.name}: {result.reason}")
                found += result
        found.sort(key=lambda row: (row["model"], row["train_size"], row["split_seed"]))
        write_csv(target, {name: [row[name] for row in found] for name in found[0]})
        for row in found:
            print(
                f"{row['model']:<4} {row['train_size']} rows, split seed {row['split_seed']}: "
                f"test accuracy {row['accuracy']:.4f}, {row['nonzero_weights']} non-zero weights"
            )


if __name__ == "__main__":
    main()
