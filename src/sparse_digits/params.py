"""params.yaml as frozen, typed values; all faults in it are reported at once, with their lines.

No stage depends on this module in dvc.yaml: it validates, and DVC compares the values themselves.
"""

import difflib
import os
import re
import reprlib
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
)
from yaml import MarkedYAMLError, YAMLError

from dvc_mlflow.errors import UserError
from dvc_mlflow.files import kind_of
from sparse_digits.datasets.catalogue import DATASETS
from sparse_digits.runtime.errors import list_faults
from sparse_digits.runtime.yaml_core import Lines, load_with_lines

FILE = Path("params.yaml")  # DVC's own name for it, in the folder of dvc.yaml
OWN_DATA = Path("data/own")  # the user's own data sets, a dep of fetch in the same dvc.yaml
MAX_BYTES = 1_000_000  # of the file: a thousand times that takes minutes to parse
FOLDER_NAME = re.compile(r"\w[\w.-]*")

Seed = Annotated[int, Field(ge=0, lt=2**32, description="a whole number from 0 to 4294967295")]
Size = Annotated[int, Field(ge=1, description="a whole number > 0")]
SizeOrNone = Annotated[int, Field(ge=0, description="a whole number >= 0")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, description="a number > 0")]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, description="a number from 0 to 1")]


class Section(BaseModel):
    """A section of params.yaml: all keys required, no others allowed, nothing converted from text."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def flat(self) -> dict[str, Any]:
        """Return the values by full name: ``{"train.C": 0.01, ...}``."""
        return {f"{type(self).__name__.lower()}.{key}": value for key, value in self}


def _is_known(dataset: str, info: ValidationInfo) -> str:
    """Refuse a data set that is neither in the catalogue nor a folder of the project in `info.context`."""
    folder = (info.context or Path()) / OWN_DATA / dataset
    # not `Path.is_dir`, which raises OSError if the name is too long
    if dataset in DATASETS or (FOLDER_NAME.fullmatch(dataset) and os.path.isdir(folder)):  # noqa: PTH112
        return dataset
    raise ValueError(dataset)


class Fetch(Section):
    """Which data set."""

    dataset: Annotated[
        str,
        AfterValidator(_is_known),
        Field(description=f"{', '.join(DATASETS)} or a folder in {OWN_DATA}"),
    ]


class Split(Section):
    """Which rows the model is trained, validated and tested on."""

    permutation_seed: Seed
    seed: Seed
    train_size: Size
    validation_size: SizeOrNone
    test_size: Size


class Train(Section):
    """Which model, and when its solver stops."""

    C: Positive
    l1_ratio: Share
    solver: Annotated[Literal["saga", "path"], Field(description="saga or path")]
    tol: Positive
    max_iter: Size
    random_state: Seed


class Spaced(Section):
    """Values of C evenly spaced in log; `sweep.grid` computes them."""

    first: Annotated[Positive, Field(alias="from")]
    last: Annotated[Positive, Field(alias="to")]
    points: Annotated[int, Field(ge=1, le=1000, description="a whole number from 1 to 1000")]


NonEmpty = Field(strict=False, min_length=1)  # not strict: YAML has lists, a frozen section has tuples

LIST_OF_C: TypeAdapter[tuple[float, ...]] = TypeAdapter(
    Annotated[tuple[Positive, ...], NonEmpty], config=ConfigDict(strict=True)
)


def _list_or_spaced(value: Any) -> Any:
    """Validate a list of C's or a mapping, so that a fault is reported of the one that was written."""
    return Spaced.model_validate(value) if isinstance(value, dict) else LIST_OF_C.validate_python(value)


class Sweep(Section):
    """Which models the sweep trains: each C for each split seed and train size."""

    C: Annotated[
        tuple[float, ...] | Spaced,
        PlainValidator(_list_or_spaced),
        Field(description="a list of numbers > 0, or from, to and points"),
    ]
    solver: Annotated[Literal["saga", "path"], Field(description="saga or path")]
    tol: Positive
    max_iter: Size
    split_seeds: Annotated[
        tuple[Seed, ...], NonEmpty, Field(description="a list of whole numbers from 0 to 4294967295")
    ]
    vary_random_state: Annotated[bool, Field(description="true or false")]
    train_sizes: Annotated[tuple[Size, ...], NonEmpty, Field(description="a list of whole numbers > 0")]


class Params(Section):
    """All of params.yaml."""

    fetch: Fetch
    split: Split
    train: Train
    sweep: Sweep

    def check_sweep(self) -> None:
        """Raise UserError with all that keeps the sweep, but not the five stages, from running."""
        largest = max(self.sweep.train_sizes)
        faults = [*_too_many_rows(self, largest, f"sweep.train_sizes: {largest} is too large")]
        if not self.split.validation_size:
            faults.append("split.validation_size: expected rows on which the sweep can choose C, got 0")
        if self.sweep.solver == "path" and self.train.l1_ratio == 0:
            faults.append(_l1_ratio_fault("sweep.solver"))
        if faults:
            raise UserError(list_faults(FILE, faults))


def read(path: Path = FILE) -> Params:
    """Read and validate the whole file. Raises UserError with all faults in it."""
    try:
        values, lines = load_with_lines(_read_text(path))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}"
        raise UserError(f"{path}: expected YAML, found a fault in {place}: {error.problem}") from None
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path}: expected YAML, but {' '.join(str(error).split())}") from None
    if values is None:
        raise UserError(f"{path}: expected the sections {', '.join(Params.model_fields)}, found nothing")
    try:
        params = Params.model_validate(values, context=path.parent)
    except UnicodeEncodeError as error:  # pydantic's, of half a character: "\\ud800"
        raise UserError(f"{path}: expected text, found {error.object!r}, half a character") from None
    except ValidationError as error:
        faults = [
            _format_fault(fault["loc"], fault["type"], fault["input"], lines)
            for fault in error.errors()
            if not (fault["type"] == "too_short" and fault["input"])  # its faulty items are reported
        ]
    else:
        faults = [
            *_too_many_rows(params, params.split.train_size, "split"),
            *_solver_is_not_for_l1_ratio(params),
        ]
        if not faults:
            return params
    raise UserError(list_faults(path, faults))


def _read_text(path: Path) -> str:
    """Return the text of a file of bounded size. Raises UserError, UnicodeDecodeError."""
    try:
        status = path.stat()
    except FileNotFoundError:
        got = f", got {kind_of(path)}" if path.is_symlink() else ""
        raise UserError(f"{path}: no such file in {Path.cwd()}{got}") from None
    if not stat.S_ISREG(status.st_mode):  # to read a pipe would wait forever
        raise UserError(f"{path}: expected a file, got {kind_of(path)}")
    if status.st_size > MAX_BYTES:
        raise UserError(f"{path}: expected at most {MAX_BYTES:,} bytes, found {status.st_size:,}")
    return path.read_text(encoding="utf-8")


def _too_many_rows(params: Params, train_size: int, what: str) -> Iterator[str]:
    n_rows = train_size + params.split.validation_size + params.split.test_size
    dataset = DATASETS.get(params.fetch.dataset)  # None: the user's own, whose rows the stage split counts
    if dataset and n_rows > (available := dataset.n_rows):
        yield (
            f"{what}: expected train_size + validation_size + test_size <= {available}, "
            f"the rows of {params.fetch.dataset}, got {n_rows}"
        )


def _solver_is_not_for_l1_ratio(params: Params) -> Iterator[str]:
    if params.train.solver == "path" and params.train.l1_ratio == 0:
        yield _l1_ratio_fault("solver")


def _l1_ratio_fault(key: str) -> str:
    return f"train.l1_ratio: expected a number > 0, since {key}: path needs an L1 part, got 0"


def _format_fault(location: tuple[int | str, ...], kind: str, value: object, lines: Lines) -> str:
    """Return pydantic's fault in our words: where, what was expected, what the file has, on which line."""
    keys = tuple(key for key in location if isinstance(key, str))  # an item of a list is named by its value
    name = ".".join(keys) or "the file"
    line = f" (line {lines[keys]})" if keys in lines else ""
    section: Any = Params
    for key in keys[:-1]:
        section = Spaced if section is Sweep else section.model_fields[key].annotation
    fields = {field.alias or key: field for key, field in section.model_fields.items()}
    if kind == "extra_forbidden":
        names = {key.casefold(): key for key in fields}
        similar = difflib.get_close_matches(keys[-1].casefold(), names, n=1)
        hint = f"did you mean {names[similar[0]]!r}?" if similar else f"there are {', '.join(fields)}"
        return f"{name}: no such key; {hint}{line}"
    field = fields.get(keys[-1]) if keys else None
    expected = (field and field.description) or "a section with its keys"
    if kind == "invalid_key":
        return f"{name}: expected text as a key, got {_short(value)}"
    if kind == "missing":
        return f"{name}: missing; expected {expected}"
    return f"{name}: expected {expected}, got {_short(value)}{line}"


def _short(value: object) -> str:
    """Return a value as text of bounded length: a few aliases can stand for any number of items."""
    shorter = reprlib.Repr()
    shorter.maxlevel, shorter.maxstring, shorter.maxother = 1, 80, 80
    return shorter.repr(value)
