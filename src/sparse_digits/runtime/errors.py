"""Errors in the files of this pipeline, each with its message: what determines a file's bytes has none."""

from pathlib import Path

from dvc_mlflow.errors import UserError


class MissingFileError(UserError):
    """A file that a stage reads does not exist."""

    def __init__(self, path: object, command: str = "dvc repro") -> None:
        super().__init__(f"{path}: no such file. `{command}` makes it")


class InvalidNpzError(UserError):
    """A file is not an .npz file of this pipeline, or it is damaged."""

    def __init__(self, path: object, reason: object) -> None:
        super().__init__(
            f"{path}: expected a whole .npz file of this pipeline, but {reason}. "
            "`dvc repro -f` makes it again"
        )


class InvalidModelError(UserError):
    """An .npz file of this pipeline does not hold a model."""

    def __init__(self, path: Path, names: list[str]) -> None:
        super().__init__(f"{path}: expected a model, got arrays named {', '.join(names)}")


class TooFewClassesError(UserError):
    """The training rows have fewer classes than the model needs."""

    def __init__(self, n_classes: int, classes: list[str]) -> None:
        super().__init__(
            f"split.train_size: expected training rows of {n_classes} classes or more, "
            f"got only {' and '.join(classes)}"
        )
