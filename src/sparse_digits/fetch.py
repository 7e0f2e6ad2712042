"""Stage fetch: the images and labels as published, the same whichever source answers."""

import os
from collections.abc import Sequence
from typing import Any

from sparse_digits.runtime.stage_harness import parse_paths, stage_harness

import numpy as np
import numpy.typing as npt

from sparse_digits.datasets.catalogue import DATASETS
from sparse_digits.datasets.load import load_dataset, mirror_folder
from sparse_digits.runtime.npz import write_npz


def name_classes(labels: npt.NDArray[np.uint8], names: Sequence[str]) -> npt.NDArray[Any]:
    """Return the labels (n,), numbers from 0, as names, or as they are where there are no names.

    A label is its class's name from here to the last picture and answer, as scikit-learn's `classes_` has it.
    """
    return np.array(names)[labels] if names else labels


def main(argv: Sequence[str] | None = None) -> None:
    """Fetch the data set that params.yaml names, from the catalogue or from the folder `own`."""
    own, target = parse_paths(argv, "own", "raw.npz")
    with stage_harness("fetch", target) as params:
        name = params.fetch.dataset
        if name in DATASETS:
            images, numbers = load_dataset(name, mirror=mirror_folder(os.environ))
            labels = name_classes(numbers, DATASETS[name].class_names)
        else:
            from sparse_digits.datasets.own import load_own  # noqa: PLC0415 - the catalogue needs no images

            images, labels = load_own(own / name)
        write_npz(target, params.fetch.flat(), images=images, labels=labels)


if __name__ == "__main__":
    main()
