"""Errors in the files of this pipeline, each with its message: what determines a file's bytes has none."""

from collections.abc import Sequence
from pathlib import Path

from dvc_mlflow.errors import UserError


class MissingFileError(UserError):
    """A file that a stage reads does not exist."""

    def __init__(self, path: object, command: str = "dvc repro") -> None:
        super().__init__(f"{path}: no such file. `{command}` makes it")


class InvalidNpzError(UserError):
    """A file is not an .npz file of this pipeline, or it is damaged."""

    def __init__(self, path: object, reason: object) -> None:
        if isinstance(reason, IsADirectoryError | PermissionError):
            super().__init__(f"{path}: expected a file that can be read, got: {reason.strerror}")
            return
        if "load it unsafely" in str(reason):  # NumPy advises to load it all the same
            reason = "it is no zip archive"
        super().__init__(
            f"{path}: expected a whole .npz file of this pipeline, but {reason}. "
            "`dvc repro -f` makes it again"
        )


class InvalidModelError(UserError):
    """An .npz file of this pipeline does not hold a model."""

    def __init__(self, path: Path, names: list[str]) -> None:
        super().__init__(f"{path}: expected a model, got arrays named {', '.join(names)}")


def list_faults(where: object, faults: Sequence[str]) -> str:
    """Return a message with all faults of a file or folder, each on a line."""
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    return "\n  ".join([f"{where}: {count}", *faults])


class FaultyFolderError(UserError):
    """A folder of the user's own is no data set; the message has all its faults."""

    def __init__(self, folder: Path, faults: Sequence[str]) -> None:
        super().__init__(list_faults(folder, faults))


class TooFewRowsError(UserError):
    """The data set has fewer rows than the split wants."""

    def __init__(self, available: int, wanted: int) -> None:
        super().__init__(
            f"split: expected train_size + validation_size + test_size <= {available}, "
            f"the rows of the data set, got {wanted}"
        )


class TooFewClassesError(UserError):
    """The training rows have fewer classes than the model needs."""

    def __init__(self, n_classes: int, classes: list[str]) -> None:
        super().__init__(
            f"split.train_size: expected training rows of {n_classes} classes or more, "
            f"got only {' and '.join(classes)}"
        )
