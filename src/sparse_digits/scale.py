"""Stage scale: every pixel standardised by the mean and deviation of the training rows."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.preprocessing import StandardScaler

from sparse_digits.runtime.files import read_npz, write_npz
from sparse_digits.runtime.stage_harness import parse_paths, stage_harness


def fit(images: npt.NDArray[np.uint8]) -> StandardScaler:
    """Fit scikit-learn's scaler, as the seed does: a pixel that never changes keeps the scale 1.

    images : (n, p) of the training rows.
    """
    return StandardScaler().fit(images)


def main(argv: Sequence[str] | None = None) -> None:
    """Standardise the training images; keep the scaler, which every other image goes through later."""
    source, target = parse_paths(argv, "split.npz", "scaled.npz")
    with stage_harness("scale", target):
        made_with, rows = read_npz(source)
        scaler = fit(rows["train_images"])
        write_npz(
            target,
            made_with,
            X_train=scaler.transform(rows["train_images"]),
            y_train=rows["train_labels"],
            mean=scaler.mean_,
            scale=scaler.scale_,
        )


if __name__ == "__main__":
    main()
