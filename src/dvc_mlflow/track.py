"""Every result of a project: in the workspace and in DVC's experiments."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from dvc.repo import Repo

from dvc_mlflow.collection.collect import Source, collect_result, final_stages, stage_address
from dvc_mlflow.collection.dvc_repository import experiments, open_repository, translate_dvc_errors
from dvc_mlflow.collection.remedies import restore_lock
from dvc_mlflow.errors import NeverRun, NotAtHand, NotRecorded, UserError
from dvc_mlflow.project import TABLE, Project
from dvc_mlflow.records import (
    CollectedResult,
    Record,
    find_record_of_digests,
    read_record,
    record_folders,
    save_record,
)


@dataclass(frozen=True)
class Found:
    """A result of a stage at a place, e.g. "workspace" or "experiment NAME", or why it cannot be recorded.

    recorded : the record of a result whose files are not at hand any more.
    failed : whether a result is out of reach, without its files or a readable dvc.lock; a stale one is not.
    """

    place: str
    stage: str
    result: CollectedResult | None = None
    reason: str = ""
    recorded: Record | None = None
    failed: bool = False


def record_stage(
    project: Project, address: str | None = None, source: Source = "workspace"
) -> tuple[CollectedResult, bool]:
    """Record the stage whose command this is the last part of; return its result and whether it is new.

    Raises NotRecorded.

    address : by default the stage that DVC runs, else the first one that is configured.
    The stage's own outputs are hashed in the workspace: DVC writes dvc.lock after the command.
    """
    read_embedded_params = project.read_embedded_params()
    with open_repository(project.folder) as repo:
        address = address or _running_stage(repo, project)
        name = os.environ.get("DVC_EXP_NAME")
        collected = collect_result(repo, project, address, read_embedded_params, source, name)
    return collected, save_record(collected, project.root)


def record_all(project: Project) -> Iterator[tuple[Found, bool]]:
    """Record every result that has no record yet; yield each result and whether its record is new."""
    folders = {folder.name: folder for folder in record_folders(project.root)}
    for found in collect_all(project):
        new = False
        if found.result:
            identity = found.result.record.result
            try:
                read_record(folders[identity])  # also under another experiment: one is enough
            except (KeyError, ValueError):
                new = save_record(found.result, project.root)
                folders[identity] = found.result.record.folder(project.root)
        yield found, new


def collect_all(project: Project) -> Iterator[Found]:
    """Collect the results of the project's stages in all DVC experiments and in the workspace.

    A stage that was never run gives nothing. Raises UserError if DVC cannot read the project, or dvc.yaml has
    not a stage that is configured.
    """
    try:
        with open_repository(project.folder) as repo:
            scm = not repo.config["core"].get("no_scm")
            _check_stages(repo, project)
    except NotRecorded as reason:
        if not restore_lock(reason.__cause__):  # what is wrong with dvc.lock is the reason of the workspace
            raise UserError(str(reason)) from None
    for name, commit in experiments(project.folder) if scm else []:
        yield from _collect_experiment(project, name, commit)
    yield from _collect_workspace(project)


def _collect_experiment(project: Project, name: str, commit: str) -> Iterator[Found]:
    place = f"experiment {name}"
    try:
        with open_repository(project.folder, commit) as repo:
            existing = {stage_address(repo, stage) for stage in repo.index.stages}
            for address in project.stages or final_stages(repo):
                if address in existing:
                    yield from _attempt(repo, project, address, "lock", place, name, commit)
    except NotRecorded as reason:
        yield Found(place, "", reason=str(reason), failed=True)


def _collect_workspace(project: Project) -> Iterator[Found]:
    try:
        with open_repository(project.folder) as repo:
            for address in project.stages or final_stages(repo):
                locked = list(_attempt(repo, project, address, "lock", "workspace"))
                # A run that was killed after the work, before DVC wrote dvc.lock.
                place = "workspace, not in dvc.lock"
                unlocked = [
                    found for found in _attempt(repo, project, address, "provenance", place) if found.result
                ]
                identities = {found.result.record.result for found in locked if found.result}
                if identities or not unlocked:
                    yield from locked
                yield from (
                    found
                    for found in unlocked
                    if found.result and found.result.record.result not in identities
                )
    except NotRecorded as reason:
        yield Found("workspace", "", reason=str(reason), failed=True)


def _attempt(
    repo: Repo,
    project: Project,
    address: str,
    source: Source,
    place: str,
    name: str | None = None,
    commit: str | None = None,
) -> Iterator[Found]:
    """Yield a stage's result or why it cannot be recorded; nothing if the stage was never run."""
    try:
        with translate_dvc_errors():
            result = collect_result(
                repo, project, address, project.read_embedded_params(), source, name, commit
            )
    except NeverRun:
        return
    except NotAtHand as reason:
        record = find_record_of_digests(project.root, address, reason.digests, reason.params)
        yield Found(place, address, reason="" if record else str(reason), recorded=record, failed=not record)
    except NotRecorded as reason:
        yield Found(place, address, reason=str(reason))
    else:
        yield Found(place, address, result)


def _check_stages(repo: Repo, project: Project) -> None:
    """Raise UserError if dvc.yaml lacks a stage that pyproject.toml names."""
    existing = sorted(stage_address(repo, stage) for stage in repo.index.stages if stage.cmd)
    for address in project.stages:
        if address not in existing:
            path = project.folder / "pyproject.toml"
            raise UserError(
                f"{path}: [{TABLE}] stages: expected stages of dvc.yaml, got {address!r}. "
                f"There are {', '.join(existing) or 'none'}"
            )


def _running_stage(repo: Repo, project: Project) -> str:
    """Return the address of the stage that DVC runs, else of the first one that is configured."""
    if running := os.environ.get("DVC_STAGE"):  # relative to the folder in which dvc was called
        existing = [stage_address(repo, stage) for stage in repo.index.stages if stage.cmd]
        same = [address for address in existing if address == running] or [
            address for address in existing if address.rpartition(":")[2] == running.rpartition(":")[2]
        ]
    else:
        same = list(project.stages[:1] or final_stages(repo))
    if len(same) != 1:
        expected = f"expected the address of a stage: {project.command} record STAGE"
        raise NotRecorded(f"{expected}. There are {', '.join(same) or 'none'}")
    return same[0]
