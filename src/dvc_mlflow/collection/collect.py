"""The result of a stage and of all stages upstream of it, collected from what DVC declares and keeps.

A result has params, metrics, plots, models and reports, the digests of everything that it was computed from,
and the provenance of the stages. All of it comes from dvc.yaml and dvc.lock. A model is an output or artifact
with DVC's annotation `type: model`, a report one with `type: report`.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dvc.dependency.param import ParamsDependency
from dvc.fs import LocalFileSystem
from dvc.repo import Repo
from dvc.repo.graph import collect_pipeline

from dvc_mlflow import provenance
from dvc_mlflow.collection import remedies
from dvc_mlflow.collection.declarations import (
    Declaration,
    declarations_about,
    declarations_of,
    declared_files,
    missing_stages,
)
from dvc_mlflow.collection.outputs import flatten, numbers, output_md5, relative_path
from dvc_mlflow.errors import NeverRun, NotAtHand, NotRecorded, UserError, describe
from dvc_mlflow.files import md5_of_bytes
from dvc_mlflow.project import Project, ReadEmbeddedParams
from dvc_mlflow.records import CollectedResult, Record, identity_of

if TYPE_CHECKING:
    from dvc.stage import Stage

# Where the digests of the last stage's outputs come from: dvc.lock; the files in the workspace, if the stage
# itself asks; or those files if the stage's provenance says that it computed them from the inputs there.
Source = Literal["lock", "workspace", "provenance"]


@dataclass(frozen=True)
class Lineage:
    """A stage and all stages upstream of it, upstream first, with DVC's MD5s of what they wrote and read.

    written : MD5 by path.  read : MD5 by stage and path.
    """

    repo: Repo
    stages: list["Stage"]
    written: dict[str, str]
    read: dict[tuple["Stage", str], str]

    @property
    def digests(self) -> dict[str, str]:
        """The MD5 by path of everything that the stages read and wrote."""
        return {path: md5 for (_, path), md5 in self.read.items()} | self.written


def collect_result(
    repo: Repo,
    project: Project,
    address: str,
    read_embedded_params: ReadEmbeddedParams,
    source: Source,
    name: str | None = None,
    commit: str | None = None,
) -> CollectedResult:
    """Collect the result of the stage `address`. Raises NotRecorded.

    name, commit : of the DVC experiment that `repo` is open at, computed from the files that DVC committed.
    """
    lineage = read_lineage(repo, address, locked=source == "lock")
    stages, target = lineage.stages, lineage.stages[-1]
    unlocked = None if source == "lock" else target
    params = _params(repo, stages, unlocked)
    declarations = declarations_of(repo)
    files, metrics = _read_files(lineage, declarations, project.folder, name, params)
    embedded = _embedded_params(files, read_embedded_params)
    stage_provenance = {
        stage_address(repo, stage): _provenance(lineage, stage, project.root) for stage in stages if stage.cmd
    }
    own = stage_provenance.get(address) or {}
    if source == "provenance":
        _check_inputs(lineage, own, embedded, address)
    code, environment = own.get("code"), own.get("environment")
    if source == "workspace":
        paths = {path for _, path in lineage.read if path not in lineage.written}
        code = provenance.code_version(Path(repo.root_dir), sorted(paths | {stage.path for stage in stages}))
        environment = provenance.environment()
    first = [stage for stage in stages if not repo.index.graph[stage]]
    data = [relative_path(repo, out) for stage in first for out in stage.outs]
    record = Record(
        result="",
        stage=address,
        params=dict(sorted((params | {key: value for key, (value, _) in embedded.items()}).items())),
        metrics=metrics,
        data={path: lineage.written[path] for path in data},
        outputs={path: md5_of_bytes(content) for path, content in files.items()},
        digests=lineage.digests,
        code={"commit": commit, "dirty": False} if commit else code,
        environment=environment,
        stages=stage_provenance,
        experiment=project.experiment,
        name=name,
        created=own.get("ended") or datetime.now(UTC).isoformat(timespec="milliseconds"),
        plots=[
            {"path": one.path, **one.properties} for one in declarations_about(files, declarations, "plot")
        ],
        models={one.path: one.properties for one in declarations_about(files, declarations, "model")},
        tags=dict(project.tags),
    )
    warnings = _lock_warnings(lineage, params, embedded)
    warnings += missing_stages(repo, declarations)
    if source == "workspace" and code is None and (reason := provenance.refusal(project.folder)):
        warnings.append(f"the record lacks the commit of its code. git says: {reason}")
    return CollectedResult(replace(record, result=identity_of(record)), files, warnings)


def read_lineage(repo: Repo, address: str, *, locked: bool = True) -> Lineage:
    """Return what dvc.lock has of a stage and all upstream of it. Raises NotRecorded.

    locked : whether it has the stage itself; else its files are hashed in the workspace.
    """
    stages = _stage_and_upstream(repo, address)
    target = stages[-1]
    if locked and not any(item.hash_info for item in (*target.outs, *target.deps)):
        raise NeverRun(f"dvc.lock has no entry for {address}. To compute it: {_compute(repo, stages)}")
    return _read_digests(repo, stages, None if locked else target)


def _compute(repo: Repo, stages: Sequence["Stage"]) -> str:
    """Return the command that computes the last of these stages."""
    frozen = [stage_address(repo, stage) for stage in stages if remedies.is_frozen(stage)]
    return remedies.compute(stage_address(repo, stages[-1]), frozen)


def stage_address(repo: Repo, stage: "Stage") -> str:
    """Return a stage's name as `dvc repro` takes it in the repository's root, wherever this runs."""
    path = str(repo.fs.relpath(stage.path, repo.root_dir)).replace(os.sep, "/")
    name = getattr(stage, "name", None)
    return path if not name else name if path == "dvc.yaml" else f"{path}:{name}"


def final_stages(repo: Repo) -> list[str]:
    """Return the addresses of the stages with a command that have no stage downstream."""
    graph = repo.index.graph
    return sorted(stage_address(repo, stage) for stage in graph if stage.cmd and not graph.in_degree(stage))


def models_of(repo: Repo, address: str) -> list[str]:
    """Return the paths of the models that a stage and all upstream of it declare."""
    outs = [out for stage in _stage_and_upstream(repo, address) for out in stage.outs]
    return [relative_path(repo, out) for out in outs if out.annot.type == "model"]


def _stage_and_upstream(repo: Repo, address: str) -> list["Stage"]:
    """Return the stage and all upstream of it, upstream first."""
    for stage in repo.index.stages:
        if stage_address(repo, stage) == address:
            return list(collect_pipeline(stage, repo.index.graph))
    known = ", ".join(sorted(stage_address(repo, stage) for stage in repo.index.stages if stage.cmd))
    raise NotRecorded(f"expected a stage of dvc.yaml, got {address!r}. There are {known or 'none'}")


def _read_digests(repo: Repo, stages: list["Stage"], unlocked: "Stage | None") -> Lineage:
    """Return what the stages wrote and read. Raises NotRecorded if one read another file than was written.

    unlocked : the stage whose files are hashed in the workspace, dvc.lock having them not yet.
    """
    written = {
        relative_path(repo, out): output_md5(repo, out, from_workspace=stage is unlocked)
        for stage in stages
        for out in stage.outs
    }
    read = {
        (stage, relative_path(repo, dep)): output_md5(repo, dep, from_workspace=stage is unlocked)
        for stage in stages
        for dep in stage.deps
        if stage.cmd and not isinstance(dep, ParamsDependency)
    }
    if outside := [path for path in written if path.startswith("../")]:
        raise NotRecorded(f"{outside[0]}: expected an output within the project")
    for (stage, path), md5 in read.items():
        if written.get(path, md5) != md5:
            writers = (one for one in stages for out in one.outs if relative_path(repo, out) == path)
            reader, writer = stage_address(repo, stage), stage_address(repo, next(writers))
            raise NotRecorded(
                f"{reader} read another version of {path} than {writer} wrote last. "
                f"To compute it: {_compute(repo, stages)}"
            )
    return Lineage(repo, stages, written, read)


def _read_files(
    lineage: Lineage,
    declarations: Sequence[Declaration],
    folder: Path,
    name: str | None,
    params: Mapping[str, Any],
) -> tuple[dict[str, bytes], dict[str, float]]:
    """Return the bytes of all declared files by path, and the metrics' numbers. Raises NotAtHand."""
    files, missing, metrics = dict[str, bytes](), dict[str, str](), dict[str, float]()
    for out in [out for stage in lineage.stages for out in stage.outs]:
        md5 = lineage.written[relative_path(lineage.repo, out)]
        for file in declared_files(lineage.repo, out, md5, declarations):
            if file.content is None:
                missing[file.path] = file.md5
                continue
            files[file.path] = file.content
            for metric, value in (numbers(file.path, file.content) if "metric" in file.kinds else {}).items():
                metrics[f"{file.path}:{metric}" if metric in metrics else metric] = value
    if missing:
        computing = _compute(lineage.repo, lineage.stages)
        way_out = remedies.bring(folder, name, next(iter(missing.values())), computing)
        damaged = remedies.remove_damaged(lineage.repo.cache.local, missing.values())
        reason = f"neither in the workspace nor in DVC's cache: {', '.join(missing)}. {damaged}{way_out}"
        raise NotAtHand(reason, lineage.digests, params)
    return files, metrics


def _params(repo: Repo, stages: Sequence["Stage"], unlocked: "Stage | None" = None) -> dict[str, Any]:
    """Return the params that stages declare, by full name: dvc.lock's, for `unlocked` the file's."""
    params: dict[str, Any] = {}
    for stage in stages:
        for dep in stage.deps:
            if isinstance(dep, ParamsDependency):
                path = relative_path(repo, dep)
                values = dep.read_params() if stage is unlocked else (dep.hash_info.value or {})
                params |= flatten(values, "" if path == dep.DEFAULT_PARAMS_FILE else f"{path}:")
    return params


def _embedded_params(
    files: Mapping[str, bytes], read_embedded_params: ReadEmbeddedParams
) -> dict[str, tuple[Any, str]]:
    """Return the params embedded in the outputs, each with the path of the output."""
    embedded: dict[str, tuple[Any, str]] = {}
    for path, content in files.items():
        try:
            params = read_embedded_params(path, content) or {}
        except UserError as error:
            raise NotRecorded(f"{path}: {error}") from error
        except Exception as error:  # whatever a project's function meets in a broken file
            raise NotRecorded(f"{path}: the project's embedded-params raised {describe(error)}") from error
        embedded |= {key: (value, path) for key, value in params.items()}
    return embedded


def _lock_warnings(
    lineage: Lineage, params: Mapping[str, Any], embedded: Mapping[str, tuple[Any, str]]
) -> list[str]:
    """Return a warning for each param of dvc.lock that differs from the one that an output was made with."""

    def stage_of(param: str) -> str:
        stages = lineage.stages
        stage = next(stage for stage in stages if param in _params(lineage.repo, [stage]))
        return stage_address(lineage.repo, stage)

    return [
        f"dvc.lock has {key} = {params[key]}, but {path} was made with {value}. The record has {value}. "
        f"To correct dvc.lock: dvc repro -f -s {stage_of(key)} && dvc repro"
        for key, (value, path) in embedded.items()
        if params.get(key, value) != value
    ]


def _provenance(lineage: Lineage, stage: "Stage", root: Path) -> dict[str, Any] | None:
    """Return a stage's provenance if it is about these outputs, from the repository or the main one."""
    if not stage.outs:
        return None
    paths = [relative_path(lineage.repo, out) for out in stage.outs]
    md5s = {Path(path).name: lineage.written[path] for path in paths}
    workspace = isinstance(lineage.repo.fs, LocalFileSystem)  # a commit has no provenance: git ignores it
    for folder in (Path(lineage.repo.root_dir), root) if workspace else (root,):
        place = provenance.provenance_path(folder / paths[0], getattr(stage, "name", ""))
        if content := provenance.read_provenance(place, md5s):
            return {key: value for key, value in content.items() if key != "outputs"}
    return None


def _check_inputs(
    lineage: Lineage, own: Mapping[str, Any], embedded: Mapping[str, Any], address: str
) -> None:
    """Raise NotRecorded unless the last stage's provenance and outputs say what it was computed from."""
    target = lineage.stages[-1]
    inputs = {
        Path(path).name: md5
        for (stage, path), md5 in lineage.read.items()
        if path in lineage.written and stage is target
    }
    if own.get("inputs") != inputs or not embedded.keys() >= _params(lineage.repo, [target]).keys():
        raise NotRecorded(
            f"it is unknown what {address} computed its outputs from. "
            f"To compute them: {_compute(lineage.repo, lineage.stages)}"
        )
