"""Stage fetch: the images and labels as published, the same whichever source answers."""

import os
from collections.abc import Sequence

from sparse_digits.runtime.stage_harness import parse_paths, stage_harness

from sparse_digits.datasets.load import load_dataset, mirror_folder
from sparse_digits.runtime.npz import write_npz


def main(argv: Sequence[str] | None = None) -> None:
    """Fetch the data set that params.yaml names."""
    (target,) = parse_paths(argv, "raw.npz")
    with stage_harness("fetch", target) as params:
        images, labels = load_dataset(params.fetch.dataset, mirror=mirror_folder(os.environ))
        write_npz(target, params.fetch.flat(), images=images, labels=labels)


if __name__ == "__main__":
    main()
