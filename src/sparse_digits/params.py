"""params.yaml as frozen, typed values; every fault in it is told at once, with its line."""

import difflib
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML, MappingNode, Node
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from dvc_mlflow.errors import UserError

FILE = Path("params.yaml")  # DVC's own name for it, in the folder of dvc.yaml

ROWS = {"mnist_784": 70_000, "digits": 1_797}

Seed = Annotated[int, Field(ge=0, lt=2**32, description="a whole number from 0 to 4294967295")]
Size = Annotated[int, Field(ge=1, description="a whole number > 0")]
SizeOrNone = Annotated[int, Field(ge=0, description="a whole number >= 0")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, description="a number > 0")]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, description="a number from 0 to 1")]


class Section(BaseModel):
    """A section of params.yaml: all keys required, no others allowed, nothing converted from text."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Fetch(Section):
    """Which data set."""

    dataset: Annotated[Literal["mnist_784", "digits"], Field(description="mnist_784 or digits")]


class Split(Section):
    """Which rows train, choose and test."""

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
    """C's spaced evenly in log, each rounded to three digits so that ``-S train.C=`` can name it."""

    first: Annotated[Positive, Field(alias="from")]
    last: Annotated[Positive, Field(alias="to")]
    points: Annotated[int, Field(ge=1, le=1000, description="a whole number from 1 to 1000")]

    def spelled_out(self) -> list[float]:
        """Return the C's, in order; where rounding makes two of them one, there are fewer."""
        ratio = self.last / self.first
        shares = (i / max(self.points - 1, 1) for i in range(self.points))
        return sorted({float(f"{self.first * ratio**share:.3g}") for share in shares})


def _spelled_out(value: Any) -> Any:
    return Spaced.model_validate(value).spelled_out() if isinstance(value, dict) else value


Several = Field(strict=False, min_length=1)  # not strict: YAML has lists, a frozen section has tuples


class Sweep(Section):
    """Which models the second pipeline trains: each C for each split seed and train size."""

    C: Annotated[
        tuple[Positive, ...],
        BeforeValidator(_spelled_out),
        Several,
        Field(description="a list of numbers > 0, or from, to and points"),
    ]
    solver: Annotated[Literal["saga", "path"], Field(description="saga or path")]
    tol: Positive
    max_iter: Size
    split_seeds: Annotated[
        tuple[Seed, ...], Several, Field(description="a list of whole numbers from 0 to 4294967295")
    ]
    vary_random_state: Annotated[bool, Field(description="true or false")]
    train_sizes: Annotated[tuple[Size, ...], Several, Field(description="a list of whole numbers > 0")]


class Params(Section):
    """All of params.yaml."""

    fetch: Fetch
    split: Split
    train: Train
    sweep: Sweep

    def at(self, C: float, split_seed: int, train_size: int) -> "Params":
        """Return the params with which `dvc repro` finds the sweep's point at this C, seed and size."""
        how = {"C": C} | {key: getattr(self.sweep, key) for key in ("solver", "tol", "max_iter")}
        if self.sweep.vary_random_state:
            how["random_state"] = split_seed
        rows = {"seed": split_seed, "train_size": train_size}
        return self.model_copy(
            update={"split": self.split.model_copy(update=rows), "train": self.train.model_copy(update=how)}
        )

    def check_sweep(self) -> None:
        """Raise `Fault` with all that keeps the sweep, but not the five stages, from running."""
        largest = max(self.sweep.train_sizes)
        faults = [*_too_many_rows(self.at(1, 0, largest), f"sweep.train_sizes: {largest} is too large")]
        if not self.split.validation_size:
            faults.append("split.validation_size: expected rows on which the sweep can choose C, got 0")
        if self.sweep.solver == "path" and self.train.l1_ratio != 1:
            faults.append(
                f"train.l1_ratio: expected 1, which sweep.solver: path is for, got {self.train.l1_ratio:g}"
            )
        if faults:
            raise UserError(_listed(FILE, faults))

    def flat(self, section: str) -> dict[str, Any]:
        """Return a section's values by full name: ``{"train.C": 0.01, ...}``."""
        return {f"{section}.{key}": value for key, value in getattr(self, section).model_dump().items()}


def read(path: Path = FILE) -> Params:
    """Read and check the whole file. Raises `Fault` with all that is wrong in it."""
    try:
        text = path.read_text(encoding="utf-8")
        values = YAML(typ="safe", pure=True).load(text)  # as DVC reads it: YAML 1.2
        lines = dict(_lines(YAML().compose(StringIO(text))))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file in {Path.cwd()}") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}"
        raise UserError(f"{path}: expected YAML, found a fault in {place}: {error.problem}") from None
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path}: expected YAML, but {' '.join(str(error).split())}") from None
    if values is None:
        raise UserError(f"{path}: expected the sections {', '.join(Params.model_fields)}, found nothing")
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        faults = [
            _told(fault["loc"], fault["type"], fault["input"], lines)
            for fault in error.errors()
            if not (fault["type"] == "too_short" and fault["input"])  # a list whose faulty items are told
        ]
    else:
        faults = [*_too_many_rows(params), *_not_l1(params)]
        if not faults:
            return params
    raise UserError(_listed(path, faults))


def _listed(path: Path, faults: list[str]) -> str:
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    return "\n  ".join([f"{path}: {count}", *faults])


def _too_many_rows(params: Params, what: str = "split") -> Iterator[str]:
    asked = params.split.train_size + params.split.validation_size + params.split.test_size
    there = ROWS[params.fetch.dataset]
    if asked > there:
        yield (
            f"{what}: expected train_size + validation_size + test_size <= {there}, "
            f"the rows of {params.fetch.dataset}, got {asked}"
        )


def _not_l1(params: Params) -> Iterator[str]:
    if params.train.solver == "path" and params.train.l1_ratio != 1:
        yield f"train.l1_ratio: expected 1, which solver: path is for, got {params.train.l1_ratio:g}"


def _told(place: tuple[int | str, ...], kind: str, found: object, lines: dict[tuple[str, ...], int]) -> str:
    """Say one fault in our own words: where, what was expected, what was found, on which line."""
    keys = tuple(key for key in place if isinstance(key, str))  # where in a list is told by what was found
    name = ".".join(keys) or "the file"
    line = f" (line {lines[keys]})" if keys in lines else ""
    model: Any = Params
    for key in keys[:-1]:
        model = Spaced if model is Sweep else model.model_fields[key].annotation
    fields = {field.alias or key: field for key, field in model.model_fields.items()}
    if kind == "extra_forbidden":
        names = {key.casefold(): key for key in fields}
        near = difflib.get_close_matches(keys[-1].casefold(), names, n=1)
        hint = f"did you mean {names[near[0]]!r}?" if near else f"there are {', '.join(fields)}"
        return f"{name}: no such key; {hint}{line}"
    field = fields.get(keys[-1]) if keys else None
    expected = (field and field.description) or "a section with its keys"
    if kind == "missing":
        return f"{name}: missing; expected {expected}"
    return f"{name}: expected {expected}, got {found!r}{line}"


def _lines(node: Node | None, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the line of every key, counted from 1."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            place = (*above, str(key.value))
            yield place, key.start_mark.line + 1
            yield from _lines(value, place)
