"""Stage scale: every pixel standardized by the mean and standard deviation of the training rows."""

from collections.abc import Sequence

from sparse_digits.runtime.stage_harness import parse_paths, stage_harness

from sklearn.preprocessing import StandardScaler

from sparse_digits.runtime.npz import Arrays, read_npz, write_npz


def scale(rows: Arrays) -> Arrays:
    """Return the arrays of scaled.npz: the standardized training rows, and the scaler.

    rows : the arrays of split.npz.  The scaler is scikit-learn's, as in the example; the scale of a constant
    pixel is 1. Validation and test rows are standardized with `mean` and `scale` (`model.standardize`).
    """
    scaler = StandardScaler().fit(rows["train_images"])
    return {
        "X_train": scaler.transform(rows["train_images"]),
        "y_train": rows["train_labels"],
        "mean": scaler.mean_,
        "scale": scaler.scale_,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Standardize the training images; write them and the scaler."""
    source, target = parse_paths(argv, "split.npz", "scaled.npz")
    with stage_harness("scale", target):
        made_with, rows = read_npz(source)
        write_npz(target, made_with, **scale(rows))


if __name__ == "__main__":
    main()
