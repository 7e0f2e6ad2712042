"""Stage baselines: what an L2 penalty and a small network reach on the rows that the sweep uses."""

import os
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

from sparse_digits.runtime.stage_harness import parse_paths, stage_harness

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from dvc_mlflow.errors import UserError
from sparse_digits import pipeline
from sparse_digits.estimator import logistic_regression
from sparse_digits.model import standardize
from sparse_digits.params import Params
from sparse_digits.runtime.npz import read_npz
from sparse_digits.runtime.signals import exit_on_interrupt
from sparse_digits.sweep.csv_table import write_csv
from sparse_digits.sweep.grid import example_C, params_of_path
from sparse_digits.sweep.parallel import Failure, parallel_map
from sparse_digits.sweep.replicates import Images, Replicate, replicates


def baselines(
    replicate: Replicate, images: Images, labels: Images, *, params: Params
) -> list[dict[str, Any]]:
    """Fit both models on the standardized rows of a replicate; return a row of the table for each.

    L2: logistic regression at the example's C, its penalty |W|_2^2 / 2.  MLP: scikit-learn's defaults, one
    layer of 100 hidden units. `weights` counts what multiplies an input or a hidden unit, without intercepts.
    """
    how = params_of_path(params, replicate)
    rows, scaled = pipeline.prepare({"images": images, "labels": labels}, how.split)
    models = {
        "L2": logistic_regression(C=example_C(replicate.train_size), l1_ratio=0, max_iter=1000),
        "MLP": MLPClassifier(random_state=how.train.random_state),
    }
    table = []
    # BLAS with one thread: the number of its threads changes the bits.
    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # reported in the table: n_iter
        for name, model in models.items():
            model.fit(scaled["X_train"], scaled["y_train"])
            accuracy = {
                part: model.score(
                    standardize(rows[f"{part}_images"], scaled["mean"], scaled["scale"]),
                    rows[f"{part}_labels"],
                )
                for part in ("validation", "test")
            }
            weights = model.coefs_ if name == "MLP" else [model.coef_]
            table.append(
                {
                    "model": name,
                    **replicate._asdict(),
                    "validation_accuracy": accuracy["validation"],
                    "accuracy": accuracy["test"],
                    "weights": sum(layer.size for layer in weights),
                    "nonzero_weights": sum(int(np.count_nonzero(layer)) for layer in weights),
                    "n_iter": int(np.max(model.n_iter_)),
                }
            )
    return table


def main(argv: Sequence[str] | None = None) -> None:
    """Fit the baselines on every replicate of the sweep; write their table."""
    source, target = parse_paths(argv, "raw.npz", "baselines.csv")
    with stage_harness("baselines", target) as params:
        params.check_sweep()
        _, raw = read_npz(source)
        fit = partial(baselines, params=params)
        shared = (raw["images"], raw["labels"])
        scheduler = os.environ.get("SPARSE_DIGITS_SCHEDULER")
        table: list[dict[str, Any]] = []
        # Without this, ctrl-C would only end the training of scikit-learn's network, which then returns.
        with exit_on_interrupt(lambda: "baselines: interrupted. To continue: dvc repro sweep/dvc.yaml"):
            for replicate, result in parallel_map(fit, replicates(params.sweep), shared, None, scheduler):
                if isinstance(result, Failure):
                    raise UserError(f"baselines of {replicate.name}: {result.reason}")
                table += result
        table.sort(key=lambda row: (row["model"], row["train_size"], row["split_seed"]))
        write_csv(target, {name: [row[name] for row in table] for name in table[0]})
        for row in table:
            print(
                f"{row['model']:<4} {row['train_size']} rows, split seed {row['split_seed']}: "
                f"test accuracy {row['accuracy']:.4f}, {row['nonzero_weights']} non-zero weights"
            )


if __name__ == "__main__":
    main()
