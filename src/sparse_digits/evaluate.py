"""Stage evaluate: how well the model predicts, how sparse it is, and how far it is from the optimum."""

from collections.abc import Sequence
from typing import Any

from sparse_digits.runtime.stage_harness import parse_paths, stage_harness

import numpy.typing as npt
from threadpoolctl import threadpool_limits

from dvc_mlflow.files import write_atomically
from l1path.objective import Floats
from sparse_digits import metrics
from sparse_digits.model import Model
from sparse_digits.model import read as read_model
from sparse_digits.runtime.npz import Arrays, read_npz
from sparse_digits.runtime.rounding import rounded_json

INPUTS = ("split.npz", "scaled.npz", "model.npz")
OUTPUTS = (
    "metrics.json",
    "coefficients.png",
    "confusion.csv",
    "per_class.csv",
    "roc.png",
    "calibration.png",
)

HeldOut = dict[str, tuple[Floats, npt.NDArray[Any]]]


def standardize_held_out(model: Model, rows: Arrays) -> HeldOut:
    """Return X and y of the validation and the test rows of split.npz, standardized by the model's scaler."""
    return {
        part: (model.standardize(rows[f"{part}_images"]), rows[f"{part}_labels"])
        for part in ("validation", "test")
    }


def measure(model: Model, held_out: HeldOut, scaled: Arrays) -> dict[str, Any]:
    """Return the metrics of a model by name; models with one scaler can share the standardized rows.

    scaled : the arrays of scaled.npz that the model was fitted on, which the duality gap refers to.
    """
    return metrics.measure(
        metrics.Evaluation(
            model, scaled["X_train"], scaled["y_train"], *held_out["test"], *held_out["validation"]
        )
    )


def confusion_csv(labels: npt.NDArray[Any], predictions: npt.NDArray[Any]) -> bytes:
    """Return the label and the predicted class of each test row, as `dvc plots` reads them."""
    pairs = zip(labels, predictions, strict=True)
    return "\n".join(["actual,predicted", *(f"{a},{p}" for a, p in pairs), ""]).encode()


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate the model; write metrics, coefficients as a figure, predictions, and how each class does."""
    from sparse_digits import figures, per_class  # noqa: PLC0415 - the sweep evaluates too and draws nothing

    *inputs, metrics_json, png, csv, classes_csv, roc, calibration = parse_paths(argv, *INPUTS, *OUTPUTS)
    # BLAS with one thread: the number of its threads changes the last bits of the scores.
    with (
        stage_harness("evaluate", metrics_json, png, csv, classes_csv, roc, calibration, inputs=inputs),
        threadpool_limits(1, user_api="blas"),
    ):
        _, rows = read_npz(inputs[0])
        _, scaled = read_npz(inputs[1])
        model = read_model(inputs[2])
        held_out = standardize_held_out(model, rows)
        measured = measure(model, held_out, scaled)
        title = (
            f"C = {model.params['train.C']:g}: {measured['sparsity']:.2f} % of the weights are zero (white), "
            f"test accuracy {measured['accuracy']:.4f}, duality gap {measured['duality_gap']:.2g}"
        )
        write_atomically(metrics_json, rounded_json(measured))
        write_atomically(png, figures.png(figures.coefficients(model.coef, model.classes, title)))
        X_test, labels = held_out["test"]
        scores = model.scores(X_test)
        write_atomically(csv, confusion_csv(labels, model.classes[scores.argmax(axis=1)]))
        of_classes = per_class.one_against_rest(labels, scores, model.classes)
        write_atomically(classes_csv, per_class.table_csv(model.classes, of_classes))
        write_atomically(roc, figures.png(per_class.draw_roc(model.classes, of_classes)))
        write_atomically(calibration, figures.png(per_class.draw_calibration(model.classes, of_classes)))
        print(metrics.format_summary(measured))


if __name__ == "__main__":
    main()
