"""The DVC project that a command works on, and what its pyproject.toml says for this package."""

import difflib
import importlib
import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from dvc_mlflow.errors import UserError, describe
from dvc_mlflow.run_content import RunContent

TABLE = "tool.dvc-mlflow"
KEYS = {
    "stages": "a list of strings",
    "experiment": "a string",
    "content": "a string 'module:object'",
    "embedded-params": "a string 'module:function'",
    "pythonpath": "a list of strings",
    "command": "a string",
    "tags": "a table of strings by names of letters, digits and _-.:/",
}
TAG = re.compile(r"[\w\-.:/]{1,250}")  # MLflow takes such names

# Params by full name that an output, given its path and bytes, was made with; None if it does not have them.
ReadEmbeddedParams = Callable[[str, bytes], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Project:
    """A DVC project: where it is, and the optional table [tool.dvc-mlflow] of its pyproject.toml.

    folder : the folder with .dvc; within a DVC experiment its temporary copy.
    root : the main repository's folder, which has the records and the store.
    stages : the addresses whose results are recorded; empty: every stage without a downstream stage.
    experiment : the MLflow experiment that a new record belongs to.
    command : what messages tell the user to type, e.g. "dvc-mlflow" of "dvc-mlflow track".
    tags : of the runs of new records, by name.
    """

    folder: Path
    root: Path
    stages: tuple[str, ...] = ()
    experiment: str = ""
    command: str = "dvc-mlflow"
    content_name: str = ""
    embedded_params_name: str = ""
    pythonpath: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def find(cls, start: Path | None = None) -> Self:
        """Read the project that `start`, by default the working directory, is in.

        Raises UserError if there is none or its table is wrong.
        """
        try:
            start = (start or Path.cwd()).absolute()
        except FileNotFoundError:
            raise UserError("the working directory: expected a folder, but it was deleted") from None
        try:
            str(start).encode()
        except UnicodeEncodeError:
            raise UserError(
                f"{str(start)!a}: expected a name that the locale can read. export PYTHONUTF8=1"
            ) from None
        for folder in (start, *start.parents):
            if (folder / ".dvc").is_dir():
                return cls.read(folder)
        raise UserError(
            f"{start}: expected a folder with .dvc, here or above, found none. To make one: dvc init"
        )

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the project in `folder`, which has .dvc. Raises UserError if its table is wrong."""
        named = os.environ.get("RECORDS_ROOT") or os.environ.get("DVC_ROOT")  # DVC sets it within a stage
        root = Path(named) if named else folder
        table = _read_table(folder / "pyproject.toml")
        name = os.fsencode(os.environ.get("MLFLOW_EXPERIMENT_NAME", ""))  # UTF-8, also in the locale C
        experiment = name.decode(errors="replace") or table.get("experiment")
        return cls(
            folder=folder,
            root=root,
            stages=tuple(table.get("stages", ())),
            experiment=experiment or root.resolve().name,
            command=table.get("command", "dvc-mlflow"),
            content_name=table.get("content", ""),
            embedded_params_name=table.get("embedded-params", ""),
            pythonpath=tuple(table.get("pythonpath", ())),
            tags=table.get("tags", {}),
        )

    def content(self) -> RunContent:
        """Import what the project's runs show; the default if it names nothing. Raises UserError."""
        if not self.content_name:
            return RunContent()
        content = self._import("content", self.content_name)
        if not isinstance(content, RunContent):
            raise UserError(
                self._fault("content", "a dvc_mlflow.run_content.RunContent", type(content).__name__)
            )
        return content

    def read_embedded_params(self) -> ReadEmbeddedParams:
        """Import the function that reads the params embedded in an output. Raises UserError."""
        if not self.embedded_params_name:
            return lambda _path, _content: None
        function: ReadEmbeddedParams = self._import("embedded-params", self.embedded_params_name)
        if not callable(function):
            raise UserError(self._fault("embedded-params", "a function", type(function).__name__))
        return function

    def _import(self, key: str, name: str) -> Any:
        """Import `module:object`, with the project's pythonpath first."""
        for entry in reversed(self.pythonpath):
            if (path := str(self.folder / entry)) not in sys.path:
                sys.path.insert(0, path)
        module, _, attribute = name.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except Exception as error:  # whatever the import of a project's module raises
            reason = str(error) if isinstance(error, AttributeError | ImportError) else describe(error)
            raise UserError(self._fault(key, KEYS[key], f"{name!r} ({reason})")) from error

    def _fault(self, key: str, expected: str, got: str) -> str:
        return f"{self.folder / 'pyproject.toml'}: [{TABLE}] {key}: expected {expected}, got {got}"


def _read_table(path: Path) -> dict[str, Any]:
    """Return the checked table, {} if there is none. Raises UserError with all faults at once."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected TOML, but {error}") from None
    table = content.get("tool", {}).get("dvc-mlflow", {})
    if not isinstance(table, dict):
        raise UserError(f"{path}: expected a table [{TABLE}], got {table!r}")
    faults = []
    for key, value in table.items():
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(KEYS)}"
            faults.append(f"[{TABLE}] {key}: no such key; {hint}")
        elif not _fits(KEYS[key], value):
            faults.append(f"[{TABLE}] {key}: expected {KEYS[key]}, got {value!r}")
    if faults:
        raise UserError("\n".join(f"{path}: {fault}" for fault in faults))
    return table


def _fits(expected: str, value: object) -> bool:
    """Return whether a value is of the kind that KEYS describes; no string may be empty."""
    if expected.startswith("a list"):
        return isinstance(value, list) and all(isinstance(entry, str) and entry for entry in value)
    if expected.startswith("a table"):
        return isinstance(value, dict) and all(
            TAG.fullmatch(name) and isinstance(text, str) and text for name, text in value.items()
        )
    return isinstance(value, str) and (":" in value.strip(":") if "module:" in expected else bool(value))
