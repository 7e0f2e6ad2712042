"""Records of results: one folder for each, put into its place whole, by one rename.

    records/<MLflow experiment>/<digest of the result>/record.json, files/<path of each output>

A record needs no server, and this module neither mlflow nor dvc.
"""

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from filelock import FileLock

from dvc_mlflow.errors import UserError
from dvc_mlflow.files import md5, write_atomically

MAX_FOLDER_NAME = 200  # characters of a quoted name, in which one of another script takes six
SHORTENED = "+"  # in the name of a folder, before a digest; no quoted name has it
NAME_FILE = ".experiment"  # in a folder with a shortened name: the whole name


@dataclass(frozen=True)
class Record:
    """One result. `stages` has the provenance of each stage, None where DVC restored it from elsewhere.

    plots, models : what dvc.yaml says of them (`collection.declarations`).
    tags : of the run, besides its own. Records of version 0.1 lack these three.
    """

    result: str  # the digest of stage, params, data and outputs
    stage: str
    params: dict[str, Any]
    metrics: dict[str, float]
    data: dict[str, str]  # MD5 by path of what the first stages made
    outputs: dict[str, str]  # MD5 by path of the files that are metrics, plots and models, all in files/
    digests: dict[str, str]  # DVC's MD5 by path of everything that the stages read and wrote
    code: dict[str, Any] | None
    environment: dict[str, str] | None
    stages: dict[str, dict[str, Any] | None]
    experiment: str  # MLflow's
    name: str | None  # DVC's experiment
    created: str  # ISO 8601, UTC: when it was computed if that is known, else when it was recorded
    plots: list[dict[str, Any]] = field(default_factory=list)  # each with the path of its file or folder
    models: dict[str, dict[str, Any]] = field(default_factory=dict)  # by path
    tags: dict[str, str] = field(default_factory=dict)

    def folder(self, root: Path) -> Path:
        """Return the folder of this record."""
        return records_folder(root) / _folder_name(self.experiment) / self.result


@dataclass(frozen=True)
class CollectedResult:
    """A result that was collected: its record, its files' bytes by path, and warnings about it."""

    record: Record
    files: dict[str, bytes]
    warnings: list[str]


def records_folder(root: Path) -> Path:
    """Return the folder of all records."""
    return root / "records"


def record_folders(root: Path) -> list[Path]:
    """Return the folders of all records, damaged ones too, by experiment and digest.

    Raises PermissionError if they cannot be listed; Path.glob would find none.
    """
    place = records_folder(root)
    return [folder for experiment in _subfolders(place) for folder in _subfolders(experiment)]


def _subfolders(folder: Path) -> list[Path]:
    if not folder.exists():
        return []
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    return [folder / name for name in sorted(names)]


def find_record_folder(root: Path, digits: str) -> Path | None:
    """Return the folder of the record whose identity begins with these digits; None without one.

    Of one result in several experiments, return the first. Raises UserError if several results match.
    """
    folders = [folder for folder in record_folders(root) if folder.name.startswith(digits)]
    if len({folder.name for folder in folders}) > 1:
        place = records_folder(root)
        raise UserError(f"{digits}: expected one record, but {len(folders)} in {place} begin with it")
    return folders[0] if folders else None


def experiment_of(folder: Path) -> str:
    """Return the name of the MLflow experiment of a record's folder."""
    if SHORTENED in folder.parent.name:
        return (folder.parent / NAME_FILE).read_text(encoding="utf-8")
    return unquote(folder.parent.name)


def _folder_name(experiment: str) -> str:
    """Return the name of an experiment's folder; one that is too long for a disk ends with a digest."""
    name = quote(experiment, safe="").replace(".", "%2E")
    if len(name) <= MAX_FOLDER_NAME:
        return name
    return f"{name[:MAX_FOLDER_NAME]}{SHORTENED}{hashlib.sha256(experiment.encode()).hexdigest()[:16]}"


def identity_of(record: Record) -> str:
    """Return the identity of a result: a digest of its stage, params, data and outputs."""
    return _hash({key: getattr(record, key) for key in ("stage", "params", "data", "outputs")})[:32]


def read_record(folder: Path) -> Record:
    """Read a record and check all its files. Raises ValueError, with the reason, if it is damaged.

    Raises PermissionError if this user may not read it.
    """
    try:
        content = json.loads((folder / "record.json").read_bytes())
        if content.pop("check") != _hash(content):
            raise ValueError("record.json was changed")
        record = Record(**content)
        if (record.result, record.experiment) != (folder.name, experiment_of(folder)):
            raise ValueError("record.json is that of another folder")
        for path, digest in record.outputs.items():
            if md5(folder / "files" / path) != digest:
                raise ValueError(f"files/{path} is not what record.json has the digest of")
    except PermissionError:
        raise
    except (AttributeError, KeyError, OSError, TypeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
    return record


def find_matching_record(
    root: Path, folder: Path, stage: str, experiment: str | None = None
) -> Record | None:
    """Return the record whose outputs equal those that a stage and all upstream of it left in `folder`.

    Of several, in different experiments, return the one in `experiment`, else the first. None without one.
    """
    matching = []
    for place in record_folders(root):
        with contextlib.suppress(ValueError, OSError):  # damaged, or `folder` lacks a file
            record = read_record(place)
            if record.stage == stage and all(
                md5(folder / path) == digest for path, digest in record.outputs.items()
            ):
                matching.append(record)
    return max(matching, key=lambda record: record.experiment == experiment, default=None)


def find_record_of_digests(
    root: Path, stage: str, digests: Mapping[str, str], params: Mapping[str, Any]
) -> Record | None:
    """Return a whole record of what dvc.lock has of a stage and all upstream of it, None without one."""
    for place in record_folders(root):
        with contextlib.suppress(ValueError, KeyError, OSError):
            content = json.loads((place / "record.json").read_bytes())
            if (content["stage"], content["digests"]) == (stage, digests):
                record = read_record(place)
                if all(record.params.get(key) == value for key, value in params.items()):
                    return record
    return None


def set_aside(folder: Path, root: Path, reason: str) -> Path:
    """Move a damaged record out of the way, with the reason beside it; return where it is now."""
    place = records_folder(root) / ".damaged" / f"{folder.name}-{uuid.uuid4().hex[:6]}"
    place.parent.mkdir(exist_ok=True)
    folder.rename(place)
    (place / "reason.txt").write_text(reason + "\n", encoding="utf-8")
    return place


def save_record(collected: CollectedResult, root: Path) -> bool:
    """Put a record into its place, by one rename; return False if a whole one is there already."""
    place = collected.record.folder(root)
    draft = records_folder(root) / ".draft"
    records_folder(root).mkdir(exist_ok=True)
    with contextlib.suppress(ValueError):  # there is none, or it is damaged
        read_record(place)
        return False  # also if this user may only read the records
    with FileLock(records_folder(root) / ".lock"):
        shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed: it holds no lock
        if place.exists():
            try:
                read_record(place)
            except ValueError as reason:
                set_aside(place, root, str(reason))
            else:
                return False
        try:
            content = asdict(collected.record)
            content["check"] = _hash(content)
            write_atomically(
                draft / "record.json", (json.dumps(content, indent=2, default=str) + "\n").encode()
            )
            for path, bytes_ in collected.files.items():
                write_atomically(draft / "files" / path, bytes_)
            place.parent.mkdir(exist_ok=True)
            if SHORTENED in place.parent.name:
                write_atomically(place.parent / NAME_FILE, collected.record.experiment.encode())
            draft.rename(place)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return True


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
