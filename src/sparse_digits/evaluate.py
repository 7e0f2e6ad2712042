"""Stage evaluate: what the model scores, how sparse it is, and how far it is from the optimum."""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
from threadpoolctl import threadpool_limits

from l1path.objective import Floats
from sparse_digits import figures, metrics, model
from sparse_digits.runtime.files import Arrays, read_npz, write, write_json
from sparse_digits.runtime.stage_harness import parse_paths, stage_harness

HeldOut = dict[str, tuple[Floats, npt.NDArray[Any]]]


def evaluate(model: model.Model, rows: Arrays, X_train: Floats, y_train: npt.NDArray[Any]) -> dict[str, Any]:
    """Return the metrics of a model by name.

    rows : raw images and labels of the validation and test rows, as split.npz has them.
    X_train, y_train : what the model was fitted on: the certificate is about that problem.
    """
    return measure(model, held_out(model, rows), X_train, y_train)


def held_out(model: model.Model, rows: Arrays) -> HeldOut:
    """Return the validation and test rows of split.npz, standardised by the model's scaler."""
    return {
        name: (model.standardise(rows[f"{name}_images"]), rows[f"{name}_labels"])
        for name in ("validation", "test")
    }


def measure(
    model: model.Model, held_out: HeldOut, X_train: Floats, y_train: npt.NDArray[Any]
) -> dict[str, Any]:
    """Return the metrics by name; of several models with one scaler the rows need standardizing only once."""
    return metrics.measure(
        metrics.Evaluation(model, X_train, y_train, *held_out["test"], *held_out["validation"])
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate the model; write its metrics, its picture and its predictions."""
    names = ("split.npz", "scaled.npz", "model.npz", "metrics.json", "coefficients.png", "confusion.csv")
    split, scaled, fitted, *targets = parse_paths(argv, *names)
    # One thread: how many BLAS uses would show in the last bits of the scores.
    inputs = (split, scaled, fitted)
    with stage_harness("evaluate", *targets, inputs=inputs), threadpool_limits(1, user_api="blas"):
        _, rows = read_npz(split)
        _, training = read_npz(scaled)
        fit = model.read(fitted)
        measured = evaluate(fit, rows, training["X_train"], training["y_train"])
        title = (
            f"C = {fit.params['train.C']:g}: {measured['sparsity']:.2f} % of the weights are zero (white), "
            f"test accuracy {measured['accuracy']:.4f}, duality gap {measured['duality_gap']:.2g}"
        )
        predicted = zip(rows["test_labels"], fit.predict(rows["test_images"]), strict=True)
        write_json(targets[0], measured)
        write(targets[1], figures.png(figures.coefficients(fit.coef, fit.classes, title)))
        write(targets[2], "\n".join(["actual,predicted", *(f"{a},{p}" for a, p in predicted), ""]).encode())
        print(metrics.format_summary(measured))


if __name__ == "__main__":
    main()
