"""Records of results: one folder for each, put into its place whole, by one rename.

    records/<MLflow experiment>/<digest of the result>/record.json, files/<path of each output>

A record needs no server, and this module neither mlflow nor dvc. Nothing here knows this project's names.
"""

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from filelock import FileLock

from dvc_mlflow import provenance


@dataclass(frozen=True)
class Record:
    """One result. `stages` has the note of each stage, None where DVC restored it from elsewhere."""

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
    created: str  # ISO 8601, UTC: when it was computed if that is known, else when it was found

    def folder(self, root: Path) -> Path:
        """Return where this record lies."""
        return records_folder(root) / quote(self.experiment, safe="").replace(".", "%2E") / self.result


@dataclass(frozen=True)
class CollectedResult:
    """A result that lies somewhere: as a record, with its files' bytes by path, and what is odd about it."""

    record: Record
    files: dict[str, bytes]
    warnings: list[str]


def main_root() -> Path:
    """Return the folder of the records and the store: the main repository, also from within an experiment."""
    if named := os.environ.get("RECORDS_ROOT") or os.environ.get("DVC_ROOT"):
        return Path(named)
    from dvc.repo import Repo  # noqa: PLC0415 - within a stage DVC has said it, and a delivery needs no dvc

    return Path(Repo.find_root())


def experiment_name() -> str:
    """Return the name of the MLflow experiment that a result which is found now is recorded under."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or "sparse-digits"


def records_folder(root: Path) -> Path:
    """Return the folder of all records."""
    return root / "records"


def record_folders(root: Path) -> list[Path]:
    """Return the folders of all records, damaged ones too, by experiment and digest."""
    return sorted(path for path in records_folder(root).glob("[!.]*/[!.]*") if path.is_dir())


def experiment_of(folder: Path) -> str:
    """Return the name of the MLflow experiment that a record's folder lies under."""
    return unquote(folder.parent.name)


def identity_of(record: Record) -> str:
    """Return the digest that names a result: of its stage, params, data and outputs."""
    return _hash({key: getattr(record, key) for key in ("stage", "params", "data", "outputs")})[:32]


def read_record(folder: Path) -> Record:
    """Read a record. Raises ValueError, with what is wrong, if it is not whole."""
    try:
        content = json.loads((folder / "record.json").read_bytes())
        if content.pop("check") != _hash(content):
            raise ValueError("record.json was changed")
        record = Record(**content)
        if (record.result, record.experiment) != (folder.name, experiment_of(folder)):
            raise ValueError("record.json is that of another folder")
        for path, md5 in record.outputs.items():
            if provenance.md5(folder / "files" / path) != md5:
                raise ValueError(f"files/{path} is not what record.json has the digest of")
    except (AttributeError, KeyError, OSError, TypeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
    return record


def find_matching_record(root: Path, place: Path, stage: str) -> Record | None:
    """Return the record of what a stage and all upstream of it left in the folder `place`, if it has one.

    Of several, in other experiments, the one in the experiment that is asked for now, else the newest.
    """
    found = []
    for folder in record_folders(root):
        with contextlib.suppress(ValueError, OSError):  # damaged, or a file is not there
            one = read_record(folder)
            if one.stage == stage and all(
                provenance.md5(place / path) == md5 for path, md5 in one.outputs.items()
            ):
                found.append(one)
    return max(found, key=lambda one: (one.experiment == experiment_name(), one.created), default=None)


def set_aside(folder: Path, root: Path, reason: str) -> Path:
    """Move a damaged record out of the way, with the reason beside it; return where it is now."""
    place = records_folder(root) / ".damaged" / f"{folder.name}-{uuid.uuid4().hex[:6]}"
    place.parent.mkdir(exist_ok=True)
    folder.rename(place)
    (place / "reason.txt").write_text(reason + "\n", encoding="utf-8")
    return place


def save_record(found: CollectedResult, root: Path) -> bool:
    """Put a record into its place, by one rename; return False if it is there already, and whole."""
    place = found.record.folder(root)
    draft = records_folder(root) / ".draft"
    records_folder(root).mkdir(exist_ok=True)
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
            content = asdict(found.record)
            content["check"] = _hash(content)
            _write(draft / "record.json", (json.dumps(content, indent=2, default=str) + "\n").encode())
            for path, bytes_ in found.files.items():
                _write(draft / "files" / path, bytes_)
            place.parent.mkdir(exist_ok=True)
            draft.rename(place)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return True


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
