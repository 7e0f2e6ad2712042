"""Stage evaluate: what the model scores, how sparse it is, and how far it is from the optimum."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from sparse_digits import figures, model
from sparse_digits.files import Arrays, read_npz, write, write_json
from sparse_digits.objective import Floats, cross_entropy, duality_gap, objective
from sparse_digits.stage import paths, stage
from sparse_digits.summary import summary

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
    """Return the metrics by name; of several models with one scaler the rows need standardising only once.

    Accuracies are shares, sparsity is the percent of weights that are exactly zero, log_loss is in nats.
    """
    C, l1_ratio = model.params["train.C"], model.params["train.l1_ratio"]
    y = np.searchsorted(model.classes, y_train)
    problem = (X_train, y, model.coef, model.intercept, C, l1_ratio)
    (X_test, y_test), (X_validation, y_validation) = held_out["test"], held_out["validation"]
    test = model.scores(X_test)
    metrics = {
        "accuracy": float(np.mean(model.classes[test.argmax(axis=1)] == y_test)),
        "sparsity": float(np.mean(model.coef == 0) * 100),
        "duality_gap": duality_gap(*problem),
    }
    if len(y_validation):
        predicted = model.classes[model.scores(X_validation).argmax(axis=1)]
        metrics["validation_accuracy"] = float(np.mean(predicted == y_validation))
    if np.isin(y_test, model.classes).all():
        metrics["log_loss"] = cross_entropy(test, np.searchsorted(model.classes, y_test))
    return metrics | {
        "objective": objective(*problem),
        "nonzero_weights": int(np.count_nonzero(model.coef)),
        "pixels_used": int(np.count_nonzero(model.coef.any(axis=0))),
        "n_iter": model.n_iter,
        "converged": model.converged,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate the model; write its metrics, its picture and its predictions."""
    names = ("split.npz", "scaled.npz", "model.npz", "metrics.json", "coefficients.png", "confusion.csv")
    split, scaled, fitted, *targets = paths(argv, *names)
    # One thread: how many BLAS uses would show in the last bits of the scores.
    inputs = (split, scaled, fitted)
    with stage("evaluate", *targets, inputs=inputs), threadpool_limits(1, user_api="blas"):
        _, rows = read_npz(split)
        _, training = read_npz(scaled)
        fit = model.read(fitted)
        metrics = evaluate(fit, rows, training["X_train"], training["y_train"])
        title = (
            f"C = {fit.params['train.C']:g}: {metrics['sparsity']:.2f} % of the weights are zero (white), "
            f"test accuracy {metrics['accuracy']:.4f}, duality gap {metrics['duality_gap']:.2g}"
        )
        predicted = zip(rows["test_labels"], fit.predict(rows["test_images"]), strict=True)
        write_json(targets[0], metrics)
        write(targets[1], figures.png(figures.coefficients(fit.coef, fit.classes, title)))
        write(targets[2], "\n".join(["actual,predicted", *(f"{a},{p}" for a, p in predicted), ""]).encode())
        print(summary(metrics))


if __name__ == "__main__":
    main()
