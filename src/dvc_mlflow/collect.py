"""What DVC computed: the result of a stage and all upstream of it, found where it lies, to be recorded.

A result is its params, metrics, plots and models, the digests of all that it came from, and what is known of
the code, the environment and the seconds it took. Nothing here knows this project's names: what a pipeline is
made of stands in its dvc.yaml and dvc.lock. A model is an output with DVC's annotation ``type: model``.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from dvc.dependency.param import ParamsDependency
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.repo.graph import collect_pipeline
from dvc.utils.serialize import PARSERS
from dvc_data.hashfile import load
from dvc_data.hashfile.build import build
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.obj import HashFile
from dvc_data.hashfile.tree import Tree
from dvc_objects.errors import ObjectFormatError

from dvc_mlflow import provenance
from dvc_mlflow.records import (
    CollectedResult,
    Record,
    experiment_name,
    identity_of,
    main_root,
    read_record,
    record_folders,
    save_record,
)

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.stage import Stage

# Params by full name that an output says it was made with, or None if it does not say.
ReadEmbeddedParams = Callable[[str, bytes], Mapping[str, Any] | None]


# What tells which files the last stage wrote: dvc.lock; the files that lie there, asked by the stage itself;
# or those files, if the stage's note says that it made them of what lies there too.
Source = Literal["lock", "files", "note"]


class NotRecorded(Exception):  # noqa: N818 - not an error of the program: the text says why and what to do
    """A result that cannot be recorded without a guess, or not wholly."""


def record_stage(address: str, made_with: ReadEmbeddedParams) -> CollectedResult:
    """Record the stage whose command this is the last of.

    The stage's own outputs are taken as they lie there: DVC writes their lock after the command. Raises
    `NotRecorded`.
    """
    root = main_root()
    with _told(), Repo() as repo:
        found = _find(repo, address, root, made_with, "files", os.environ.get("DVC_EXP_NAME"))
    save_record(found, root)
    return found


def record_all(
    address: str, made_with: ReadEmbeddedParams
) -> Iterator[tuple[str, CollectedResult | str, bool]]:
    """Record the results in DVC's experiments and in the workspace that have no record yet.

    Yields where each was found, the result (or in words why it cannot be recorded), and whether it is new.
    """
    root = main_root()
    known = {folder.name: folder for folder in record_folders(root)}
    for place, found in collect_all(address, made_with):
        new = False
        if isinstance(found, CollectedResult):
            result = found.record.result
            try:
                read_record(known[result])  # also under another experiment: one is enough
            except (KeyError, ValueError):
                new = save_record(found, root)
                known[result] = found.record.folder(root)
        yield place, found, new


def collect_all(address: str, made_with: ReadEmbeddedParams) -> Iterator[tuple[str, CollectedResult | str]]:
    """Yield where a result lies, and the result, or in words why it cannot be recorded."""
    root = main_root()

    def attempt(source: Source, name: str | None = None, commit: str | None = None) -> CollectedResult | str:
        try:
            with _told(), Repo(Repo.find_root(), rev=commit) as repo:
                return _find(repo, address, root, made_with, source, name, commit)
        except NotRecorded as reason:
            return str(reason)

    with _told(), Repo() as repo:
        scm = not repo.config["core"].get("no_scm")
        groups = repo.experiments.ls(all_commits=True).values() if scm else []
    for name, commit in sorted({(name, rev) for group in groups for name, rev in group if rev}):
        yield f"experiment {name}", attempt("lock", name, commit)
    locked = attempt("lock")
    unlocked = attempt("note")  # a run that was killed after the work and before DVC wrote dvc.lock
    known = locked.record.result if isinstance(locked, CollectedResult) else None
    if known or isinstance(unlocked, str):
        yield "workspace", locked
    if isinstance(unlocked, CollectedResult) and unlocked.record.result != known:
        yield "workspace, not in dvc.lock", unlocked


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn what DVC finds wrong with a repository into a reason."""
    try:
        yield
    except DvcException as error:
        raise NotRecorded(" ".join(str(error).split()) + recovery_hint(error)) from error


def recovery_hint(error: DvcException) -> str:
    """Return what brings back a lock that DVC was interrupted in writing, if that is the error."""
    path = Path(getattr(error, "path", "")).as_posix()
    if not path.endswith("dvc.lock"):
        return ""
    return (
        f". DVC was interrupted as it wrote it. What brings it back: git checkout {path} (or rm, without git)"
    )


def _find(
    repo: Repo,
    address: str,
    root: Path,
    made_with: ReadEmbeddedParams,
    source: Source,
    name: str | None,
    commit: str | None = None,
) -> CollectedResult:
    """Gather what a stage and all upstream of it made.

    name, commit : of the DVC experiment that `repo` is: computed from the very files that DVC committed.
    """
    line = _lineage(repo, address)
    target = line[-1]
    live = None if source == "lock" else target
    made = {_path(repo, out): _md5(repo, out, live=stage is live) for stage in line for out in stage.outs}
    used = {
        (stage, _path(repo, dep)): _md5(repo, dep, live=stage is live)
        for stage in line
        for dep in stage.deps
        if stage.cmd and not isinstance(dep, ParamsDependency)
    }
    for (stage, path), md5 in used.items():
        if made.get(path, md5) != md5:
            maker = next(stage for stage in line for out in stage.outs if _path(repo, out) == path)
            reader, writer = stage_address(repo, stage), stage_address(repo, maker)
            raise NotRecorded(
                f"{reader} read another {path} than the one that {writer} wrote last: dvc repro"
            )

    files, metrics = _kept(repo, line, made)
    params = _params(repo, line, live)
    said = _said(files, made_with)
    warnings = [
        f"dvc.lock has {key} = {params[key]}, but {path} was made with {value} and is recorded so. "
        f"To mend the lock: dvc repro -f -s {_maker(repo, line, key)} && dvc repro"
        for key, (value, path) in said.items()
        if params.get(key, value) != value
    ]
    notes = {stage_address(repo, stage): _note(repo, stage, root, made) for stage in line if stage.cmd}
    own = notes[address] or {}
    if source == "note":
        inputs = {
            Path(path).name: md5 for (stage, path), md5 in used.items() if path in made and stage is target
        }
        if own.get("inputs") != inputs or not said.keys() >= _params(repo, [target], None).keys():
            raise NotRecorded(f"nothing tells what {address} made its outputs of: dvc repro")
    code, environment = own.get("code"), own.get("environment")
    if source == "files":
        paths = {path for _, path in used if path not in made} | {stage.path for stage in line}
        code = provenance.code_version(Path(repo.root_dir), sorted(paths))
        environment = provenance.environment()
    first = [stage for stage in line if not repo.index.graph[stage]]
    record = Record(
        result="",
        stage=address,
        params=dict(sorted((params | {key: value for key, (value, _) in said.items()}).items())),
        metrics=metrics,
        data={_path(repo, out): made[_path(repo, out)] for stage in first for out in stage.outs},
        outputs={
            path: hashlib.md5(content, usedforsecurity=False).hexdigest() for path, content in files.items()
        },
        digests={path: md5 for (_, path), md5 in used.items()} | made,
        code={"commit": commit, "dirty": False} if commit else code,
        environment=environment,
        stages=notes,
        experiment=experiment_name(),
        name=name,
        created=own.get("ended") or datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    return CollectedResult(replace(record, result=identity_of(record)), files, warnings)


def _kept(
    repo: Repo, line: Sequence["Stage"], made: Mapping[str, str]
) -> tuple[dict[str, bytes], dict[str, float]]:
    """Return the bytes of all metrics, plots and models by path, and the metrics' numbers."""
    files, missing, metrics = dict[str, bytes](), list[str](), dict[str, float]()
    for out in [out for stage in line for out in stage.outs]:
        if not (out.metric or out.plot or out.annot.type == "model"):
            continue
        above = _path(repo, out)
        listed = _listed(repo, out, made[above])
        if listed is None:
            missing.append(above)
        for relative, md5 in (listed or {}).items():
            path = str(PurePosixPath(above, relative))
            content = _content(out, relative, md5)
            if content is None:
                missing.append(path)
                continue
            files[path] = content
            for name, value in (_numbers(path, content) if out.metric else {}).items():
                metrics[f"{path}:{name}" if name in metrics else name] = value
    if missing:
        raise NotRecorded(f"not in the workspace nor in DVC's cache: {', '.join(missing)}")
    return files, metrics


def _lineage(repo: Repo, address: str) -> list["Stage"]:
    """Return the stage and all upstream of it, upstream first."""
    for stage in repo.index.stages:
        if stage_address(repo, stage) == address:
            return list(collect_pipeline(stage, repo.index.graph))
    raise NotRecorded(f"dvc.yaml has no stage {address}")


def _md5(repo: Repo, out: "Output", *, live: bool) -> str:
    """Return DVC's MD5 of an output or dependency: of what lies there if `live`, else what dvc.lock has."""
    if live:
        try:
            return _hashed(repo, out)[0]
        except OSError:
            raise NotRecorded(f"{_path(repo, out)} is not there: dvc repro") from None
    if out.hash_info and isinstance(out.hash_info.value, str):
        return out.hash_info.value
    raise NotRecorded(f"dvc.lock does not tell of {_path(repo, out)}: dvc repro")


def _listed(repo: Repo, out: "Output", md5: str) -> dict[str, str] | None:
    """Return the MD5 of each file of an output by its path within; None if the list is nowhere.

    A file is the path "" within itself.
    """
    if not md5.endswith(".dir"):
        return {"": md5}
    with contextlib.suppress(FileNotFoundError, ObjectFormatError):
        return _within(load(out.cache, HashInfo("md5", md5)))
    with contextlib.suppress(OSError):
        there, listed = _hashed(repo, out)
        return listed if there == md5 else None
    return None


def _hashed(repo: Repo, out: "Output") -> tuple[str, dict[str, str]]:
    """Return what DVC finds where an output belongs: its MD5, and those within."""
    _, _, found = build(repo.cache.local, out.fs_path, out.fs, "md5", dry_run=True, ignore=out.dvcignore)
    md5 = str(found.hash_info.value)
    return md5, _within(found)


def _within(found: HashFile) -> dict[str, str]:
    if isinstance(found, Tree):
        return {"/".join(key): str(info.value) for key, _, info in found}
    return {"": str(found.hash_info.value)}


def _content(out: "Output", relative: str, md5: str) -> bytes | None:
    """Return a file's bytes: from where it belongs if it is still the one, else from DVC's cache."""
    places = [(out.fs, out.fs.join(out.fs_path, *relative.split("/")) if relative else out.fs_path)]
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


def output_files(repo: Repo, path: str, md5: str) -> dict[str, bytes] | None:
    """Return the bytes of an output's files, by their paths within, if it is at hand with this MD5."""
    for out in repo.index.outs:
        if _path(repo, out) == path and (listed := _listed(repo, out, md5)) is not None:
            contents = {relative: _content(out, relative, own) for relative, own in listed.items()}
            whole = {relative: content for relative, content in contents.items() if content is not None}
            return whole if len(whole) == len(listed) else None
    return None


def _params(repo: Repo, line: Sequence["Stage"], live: "Stage | None") -> dict[str, Any]:
    """Return the params that stages declare, by full name: dvc.lock's, for the stage `live` the file's."""
    found: dict[str, Any] = {}
    for stage in line:
        for dep in stage.deps:
            if isinstance(dep, ParamsDependency):
                path = _path(repo, dep)
                values = dep.read_params() if stage is live else (dep.hash_info.value or {})
                found |= _flat(values, "" if path == dep.DEFAULT_PARAMS_FILE else f"{path}:")
    return found


def _said(files: Mapping[str, bytes], made_with: ReadEmbeddedParams) -> dict[str, tuple[Any, str]]:
    """Return the params that outputs say they were made with, each with the path that says it."""
    said: dict[str, tuple[Any, str]] = {}
    for path, content in files.items():
        try:
            said |= {key: (value, path) for key, value in (made_with(path, content) or {}).items()}
        except Exception as error:  # whatever a project's function finds in a broken file
            raise NotRecorded(f"{path}: {error}") from error
    return said


def _maker(repo: Repo, line: Sequence["Stage"], param: str) -> str:
    return next(stage_address(repo, stage) for stage in line if param in _params(repo, [stage], None))


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return nested values by dotted name."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def _numbers(path: str, content: bytes) -> dict[str, float]:
    """Return the numbers of a metrics file by dotted name."""
    values = PARSERS[PurePosixPath(path).suffix.lower()](content.decode(), path)
    flat = _flat(values if isinstance(values, Mapping) else {})
    return {name: float(value) for name, value in flat.items() if isinstance(value, (bool, int, float))}


def _note(repo: Repo, stage: "Stage", root: Path, made: Mapping[str, str]) -> dict[str, Any] | None:
    """Return a stage's note if it tells of these very outputs, from here or from the main repository."""
    if not stage.outs:
        return None
    paths = [_path(repo, out) for out in stage.outs]
    md5s = {Path(path).name: made[path] for path in paths}
    for folder in (Path(repo.root_dir), root):
        place = provenance.provenance_path(folder / paths[0], getattr(stage, "name", ""))
        if told := provenance.read_provenance(place, md5s):
            return {key: value for key, value in told.items() if key != "outputs"}
    return None


def stage_address(repo: Repo, stage: "Stage") -> str:
    """Return a stage's name as `dvc repro` takes it in the repository's root, wherever this runs."""
    path = str(repo.fs.relpath(stage.path, repo.root_dir)).replace(os.sep, "/")
    name = getattr(stage, "name", None)
    return path if not name else name if path == "dvc.yaml" else f"{path}:{name}"


def _path(repo: Repo, out: "Output") -> str:
    """Return a path as dvc.lock has it: relative to the repository, with forward slashes."""
    path = str(repo.fs.relpath(out.fs_path, repo.root_dir)).replace(os.sep, "/")
    if path.startswith("../"):
        raise NotRecorded(f"{path} is not in the repository")
    return path
