"""params.yaml as frozen, typed values; every fault in it is told at once, with its line."""

import difflib
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML, MappingNode, Node
from ruamel.yaml.error import YAMLError

from sparse_digits.faults import Fault

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


class Params(Section):
    """All of params.yaml."""

    fetch: Fetch
    split: Split
    train: Train

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
        raise Fault(f"{path}: no such file in {Path.cwd()}") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise Fault(f"{path}: expected YAML, but {' '.join(str(error).split())}") from None
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        faults = [_told(fault["loc"], fault["type"], fault["input"], lines) for fault in error.errors()]
    else:
        faults = [*_too_many_rows(params), *_not_l1(params)]
        if not faults:
            return params
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    raise Fault("\n  ".join([f"{path}: {count}", *faults]))


def _too_many_rows(params: Params) -> Iterator[str]:
    asked = params.split.train_size + params.split.validation_size + params.split.test_size
    there = ROWS[params.fetch.dataset]
    if asked > there:
        yield (
            f"split: expected train_size + validation_size + test_size <= {there}, "
            f"the rows of {params.fetch.dataset}, got {asked}"
        )


def _not_l1(params: Params) -> Iterator[str]:
    if params.train.solver == "path" and params.train.l1_ratio != 1:
        yield f"train.l1_ratio: expected 1, which solver: path is for, got {params.train.l1_ratio:g}"


def _told(place: tuple[int | str, ...], kind: str, found: object, lines: dict[tuple[str, ...], int]) -> str:
    """Say one fault in our own words: where, what was expected, what was found, on which line."""
    keys = tuple(str(key) for key in place)
    name = ".".join(keys) or "the file"
    line = f" (line {lines[keys]})" if keys in lines else ""
    model: Any = Params
    for key in keys[:-1]:
        model = model.model_fields[key].annotation
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(keys[-1], model.model_fields, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(model.model_fields)}"
        return f"{name}: no such key; {hint}{line}"
    field = model.model_fields.get(keys[-1]) if keys else None
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
