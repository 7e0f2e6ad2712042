"""Results to records: what a stage and all upstream of it declare to DVC, in one folder, by one rename.

A record holds the params, metrics, plots and models of one result, the digests of all that it came from, and
what is known of the code, the environment and the seconds it took. It needs no server and imports no mlflow.
Nothing here knows this project's names: what a pipeline is made of stands in its dvc.yaml and dvc.lock. A
model is an output with DVC's annotation ``type: model``.

    records/<MLflow experiment>/<digest of the result>/record.json, files/<path of each output>
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo
from ruamel.yaml import YAML

from sparse_digits import note

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.stage import Stage

DEFAULT_EXPERIMENT = "sparse-digits"

# Params by full name that an output says it was made with, or None if it does not say.
MadeWith = Callable[[str, bytes], Mapping[str, Any] | None]


class NotRecorded(Exception):  # noqa: N818 - not an error of the program: the text says why and what to do
    """A result that cannot be recorded without a guess, or not wholly."""


@dataclass(frozen=True)
class Record:
    """One result. `stages` has the note of each stage, None where DVC restored it from elsewhere."""

    result: str  # the digest of stage, params, data and outputs
    stage: str
    params: dict[str, Any]
    metrics: dict[str, float]
    data: dict[str, str]  # MD5 by path of what the first stages made
    outputs: dict[str, str]  # MD5 by path of the metrics, plots and models, all kept in files/
    digests: dict[str, str]  # MD5 by path of everything that the stages read and wrote
    code: dict[str, Any] | None
    environment: dict[str, str] | None
    stages: dict[str, dict[str, Any] | None]
    experiment: str  # MLflow's
    name: str | None  # DVC's experiment
    created: str  # ISO 8601, UTC

    def folder(self, root: Path) -> Path:
        """Return where this record lies."""
        return records(root) / quote(self.experiment, safe="") / self.result


def main_root() -> Path:
    """Return the folder of the records and the store: the main repository, also from within an experiment."""
    named = os.environ.get("RECORDS_ROOT") or os.environ.get("DVC_ROOT")
    return Path(named or Repo.find_root())


def records(root: Path) -> Path:
    """Return the folder of all records."""
    return root / "records"


def read(folder: Path) -> Record:
    """Read a record. Raises ValueError, with what is wrong, if it is not whole."""
    try:
        record = Record(**json.loads((folder / "record.json").read_bytes()))
        if record.result != folder.name or record.result != _digest(record):
            raise ValueError("record.json is not what the folder's name is the digest of")
        for path, md5 in record.outputs.items():
            if note.md5(folder / "files" / path) != md5:
                raise ValueError(f"files/{path} is not what record.json has the digest of")
    except (TypeError, AttributeError, OSError) as error:
        raise ValueError(f"{error}") from None
    return record


def folders(root: Path) -> list[Path]:
    """Return the folders of all records, by experiment and digest."""
    return sorted(path.parent for path in records(root).glob("[!.]*/*/record.json"))


def record_run(address: str, made_with: MadeWith) -> tuple[Record, bool, list[str]]:
    """Record the stage whose command this is the last of; return the record, if it is new, and warnings.

    The stage's own outputs are taken as they lie there: DVC writes their lock after the command. Raises
    `NotRecorded`.
    """
    with Repo() as repo:
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT
        root = main_root()
        made = _Result.of(repo, address, root, made_with, running=True)
        record = made.record(experiment, os.environ.get("DVC_EXP_NAME"))
        return record, _keep(record, made.files, root), made.warnings


def record_all(address: str, made_with: MadeWith) -> Iterator[tuple[str, Record | str, bool]]:
    """Record the results in the workspace and in DVC's experiments that have no record yet.

    Yields where each was found, its record (or in words why it has none), and whether that is new.
    """
    root = main_root()
    known = {folder.name: folder for folder in folders(root)}
    experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT
    for place, name, rev in [("workspace", None, None), *_experiments()]:
        try:
            with Repo(Repo.find_root(), rev=rev) as repo:
                made = _Result.of(repo, address, root, made_with, running=False)
                if rev:  # DVC computes an experiment from the very files that it then commits
                    made = replace(made, code={"commit": rev, "dirty": False})
                record = made.record(experiment, name)
                if record.result in known:
                    yield place, read(known[record.result]), False
                    continue
                new = _keep(record, made.files, root)
        except NotRecorded as reason:
            yield place, str(reason), False
            continue
        known[record.result] = record.folder(root)
        yield place, record, new
        for warning in made.warnings:
            yield place, warning, False


def _experiments() -> list[tuple[str, str, str]]:
    """Return DVC's experiments as (place, name, commit)."""
    with Repo() as repo:
        if repo.config["core"].get("no_scm"):
            return []
        found = repo.experiments.ls(all_commits=True)
    return [(f"experiment {name}", name, rev) for group in found.values() for name, rev in group if rev]


@dataclass(frozen=True)
class _Result:
    """What a stage and all upstream of it made, as declared to DVC."""

    stage: str
    params: dict[str, Any]
    metrics: dict[str, float]
    data: dict[str, str]
    outputs: dict[str, str]
    digests: dict[str, str]
    code: dict[str, Any] | None
    environment: dict[str, str] | None
    stages: dict[str, dict[str, Any] | None]
    files: dict[str, bytes]
    warnings: list[str]

    @classmethod
    def of(cls, repo: Repo, address: str, root: Path, made_with: MadeWith, *, running: bool) -> "_Result":
        """Gather it. `running`: the stage is not in dvc.lock yet, its files are what they are."""
        line = _lineage(repo, address)
        target = line[-1]
        md5s = {
            id(out): _md5(out, actual=running and stage is target) for stage in line for out in stage.outs
        }
        _check_links(repo, line, md5s, target if running else None)
        kept = [out for stage in line for out in stage.outs if out.metric or out.plot or _is_model(out)]
        files = {_path(repo, out): _content(out, md5s[id(out)]) for out in kept}
        if missing := [path for path, content in files.items() if content is None]:
            raise NotRecorded(f"not in the workspace nor in DVC's cache: {', '.join(missing)}")
        whole = {path: content for path, content in files.items() if content is not None}

        params = _params(line, target if running else None)
        warnings = []
        for path, content in whole.items():
            for name, value in (made_with(path, content) or {}).items():
                if name in params and params[name] != value:
                    maker = next(stage for stage in line if name in _params([stage], None))
                    warnings.append(
                        f"dvc.lock has {name} = {params[name]}, but {path} was made with {value} and is "
                        f"recorded so. To mend the lock: dvc repro -f -s {_address(repo, maker)} && dvc repro"
                    )
                params[name] = value

        notes = {_address(repo, stage): _note(repo, stage, root, md5s) for stage in line if stage.cmd}
        if running:
            inputs = [_path(repo, dep) for stage in line for dep in stage.deps if _is_code(dep, line)]
            code: Any = note.code(Path(repo.root_dir), [*inputs, "dvc.yaml"])
            environment: Any = note.environment()
        else:
            own = notes[address] or {}
            code, environment = own.get("code"), own.get("environment")
        return cls(
            stage=address,
            params=dict(sorted(params.items())),
            metrics=_metrics([whole[_path(repo, out)] for out in kept if out.metric]),
            data={_path(repo, out): md5s[id(out)] for stage in _first(line) for out in stage.outs},
            outputs={_path(repo, out): md5s[id(out)] for out in kept},
            digests={
                _path(repo, dep): _md5(dep, actual=running and stage is target)
                for stage in line
                for dep in stage.deps
                if not isinstance(dep, ParamsDependency)
            }
            | {_path(repo, out): md5s[id(out)] for stage in line for out in stage.outs},
            code=code,
            environment=environment,
            stages=notes,
            files=whole,
            warnings=warnings,
        )

    def record(self, experiment: str, name: str | None) -> Record:
        """Return it as a record."""
        values = {key: value for key, value in vars(self).items() if key not in ("files", "warnings")}
        created = datetime.now(UTC).isoformat(timespec="seconds")
        record = Record(**values, result="", experiment=experiment, name=name, created=created)
        return Record(**(vars(record) | {"result": _digest(record)}))


def _keep(record: Record, files: Mapping[str, bytes], root: Path) -> bool:
    """Put the bundle into its place by one rename; return False if it is there already."""
    place = record.folder(root)
    if (place / "record.json").exists():
        return False
    draft = records(root) / f".draft-{os.getpid()}-{record.result[:12]}"
    try:
        for path, content in files.items():
            target = draft / "files" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(target, content)
        _write(draft / "record.json", (json.dumps(asdict(record), indent=2) + "\n").encode())
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.rename(place)
        except OSError:
            if (place / "record.json").exists():  # another process was first
                return False
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return True


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _digest(record: Record) -> str:
    """Return the digest that names a result."""
    what = {key: getattr(record, key) for key in ("stage", "params", "data", "outputs")}
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]


def _lineage(repo: Repo, address: str) -> list["Stage"]:
    """Return the stage and all upstream of it, upstream first."""
    makers = {out.fs_path: stage for stage in repo.index.stages for out in stage.outs}
    line: dict[str, Stage] = {}

    def visit(stage: "Stage") -> None:
        for dep in stage.deps:
            if (maker := makers.get(dep.fs_path)) and _address(repo, maker) not in line:
                visit(maker)
        line[_address(repo, stage)] = stage

    found = [stage for stage in repo.index.stages if _address(repo, stage) == address]
    if not found:
        raise NotRecorded(f"dvc.yaml has no stage {address}")
    visit(found[0])
    return list(line.values())


def _check_links(
    repo: Repo, line: Sequence["Stage"], md5s: Mapping[int, str], running: "Stage | None"
) -> None:
    """Refuse a result one of whose stages read another file than the stage upstream of it wrote."""
    outs = {out.fs_path: out for stage in line for out in stage.outs}
    for stage in line:
        for dep in stage.deps:
            out = outs.get(dep.fs_path)
            if out and _md5(dep, actual=stage is running) != md5s[id(out)]:
                raise NotRecorded(
                    f"{_address(repo, stage)} read another {_path(repo, dep)} than the one that "
                    f"{_address(repo, out.stage)} wrote last: dvc repro"
                )


def _md5(output: "Output", *, actual: bool) -> str:
    """Return an output's or dependency's MD5: of the file that lies there, or what dvc.lock has."""
    if actual:
        path = Path(output.fs_path)
        if path.is_file():
            return note.md5(path)
        raise NotRecorded(f"{output.def_path} is not there: dvc repro")
    if output.hash_info and isinstance(output.hash_info.value, str):
        return output.hash_info.value
    raise NotRecorded(f"dvc.lock does not tell of {output.def_path}: dvc repro")


def _content(out: "Output", md5: str) -> bytes | None:
    """Return an output's bytes: from where it belongs if it is still the one, else from DVC's cache."""
    places = [(out.fs, out.fs_path)]
    if out.use_cache:
        places.append((out.cache.fs, out.cache.oid_to_path(md5)))
    for fs, path in places:
        try:
            content = bytes(fs.cat_file(path))
        except OSError:
            continue
        if hashlib.md5(content, usedforsecurity=False).hexdigest() == md5:
            return content
    return None


def _params(line: Sequence["Stage"], running: "Stage | None") -> dict[str, Any]:
    """Return the params that stages declare, by full name: dvc.lock's, for the running stage the file's."""
    found: dict[str, Any] = {}
    for stage in line:
        for dep in stage.deps:
            if isinstance(dep, ParamsDependency):
                values = dep.read_params() if stage is running else (dep.hash_info.value or {})
                found |= _flat(values)
    return found


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return nested values by dotted name."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def _metrics(contents: Sequence[bytes]) -> dict[str, float]:
    """Return the numbers of metrics files (JSON or YAML) by dotted name."""
    found: dict[str, Any] = {}
    for content in contents:
        found |= _flat(YAML(typ="safe", pure=True).load(content.decode()) or {})
    return {name: float(value) for name, value in found.items() if isinstance(value, (bool, int, float))}


def _note(repo: Repo, stage: "Stage", root: Path, md5s: Mapping[int, str]) -> dict[str, Any] | None:
    """Return a stage's note if it tells of these very outputs, from here or from the main repository."""
    if not stage.outs:
        return None
    outputs = {Path(out.fs_path).name: md5s[id(out)] for out in stage.outs}
    beside = Path(_path(repo, stage.outs[0]))
    for folder in (Path(repo.root_dir), root):
        if told := note.read(note.path_beside(folder / beside, _address(repo, stage)), outputs):
            return {key: value for key, value in told.items() if key != "outputs"}
    return None


def _first(line: Sequence["Stage"]) -> list["Stage"]:
    """Return the stages that read nothing which another one wrote."""
    outs = {out.fs_path for stage in line for out in stage.outs}
    return [stage for stage in line if not any(dep.fs_path in outs for dep in stage.deps)]


def _is_code(dep: "Output", line: Sequence["Stage"]) -> bool:
    outs = {out.fs_path for stage in line for out in stage.outs}
    return dep.fs_path not in outs and not isinstance(dep, ParamsDependency)


def _is_model(out: "Output") -> bool:
    return bool(out.annot.type == "model")


def _address(repo: Repo, stage: "Stage") -> str:
    """Return a stage's name as `dvc repro` takes it in the repository's root, wherever this runs."""
    path = str(repo.fs.relpath(stage.path, repo.root_dir)).replace(os.sep, "/")
    name = getattr(stage, "name", None)
    return path if not name else name if path == "dvc.yaml" else f"{path}:{name}"


def _path(repo: Repo, output: "Output") -> str:
    """Return a path as dvc.lock has it: relative to the repository, with forward slashes."""
    return str(repo.fs.relpath(output.fs_path, repo.root_dir)).replace(os.sep, "/")
