"""Compute a recorded result again, in a temporary clone of its commit with a cache of its own."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dvc.utils.serialize import MODIFIERS

from dvc_mlflow import git
from dvc_mlflow.collection.collect import collect_result, stage_address
from dvc_mlflow.collection.dvc_repository import open_repository
from dvc_mlflow.collection.outputs import output_files, relative_path
from dvc_mlflow.collection.remedies import is_frozen
from dvc_mlflow.errors import NotRecorded, UserError
from dvc_mlflow.project import Project
from dvc_mlflow.records import Record

LAST_LINES = 20  # of a failed command's output that are shown


def why_no_commit(record: Record, folder: Path) -> str:
    """Return why `find_commit` found no commit in the repository of `folder` that computes a record."""
    if reason := git.refusal(folder):
        return f"git says: {reason}"
    if not record.code:
        return "the code that computed it is unknown"
    commit = record.code["commit"][:12]
    if record.code["dirty"]:
        return f"it was computed by code that differs from the commit {commit}, and no commit here has it"
    shallow = git.git(folder, "rev-parse", "--is-shallow-repository") == "true"
    option = " --unshallow" if shallow else ""
    return f"this repository has no commit {commit}. To bring it: git fetch{option}"


def rebuild(record: Record, folder: Path, commit: str) -> Record:
    """Return the record of a new computation. Raises UserError if a command fails.

    folder : the DVC project, whose repository has the commit; nothing in it is changed.
    commit : the one that computes the record, from `find_commit`.
    """
    with tempfile.TemporaryDirectory(prefix="dvc-mlflow-verify-") as name:
        temporary = Path(name)
        clone = _check_out(folder, commit, temporary / "clone")
        project = clone / (git.git(folder, "rev-parse", "--show-prefix") or "")
        (project / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {temporary / 'cache'}\n")
        for lock in project.rglob("dvc.lock"):  # else DVC takes a result that is committed for up to date
            lock.unlink()
        _set_params(project, record.params)
        for address in _copy_data(project, folder, record.data):
            _run(sys.executable, "-m", "dvc", "commit", "--quiet", "--force", address, cwd=project)
        if frozen := _frozen_stages(project):  # which `dvc repro` would leave out
            _run(sys.executable, "-m", "dvc", "unfreeze", "--quiet", *frozen, cwd=project)
        separate = temporary / "records of the clone"
        separate.mkdir()
        command = (sys.executable, "-m", "dvc", "repro", "--no-run-cache", record.stage)
        _run(*command, cwd=project, RECORDS_ROOT=str(separate), RECORDS_ONLY="yes")
        try:
            with open_repository(project) as repo:
                return collect_result(
                    repo, Project(project, separate), record.stage, lambda _path, _content: None, "lock"
                ).record
        except NotRecorded as reason:
            raise UserError(f"the new computation has no complete result: {reason}") from None


def _check_out(folder: Path, commit: str, clone: Path) -> Path:
    """Check a commit of the repository of `folder` out into a new one that shares its objects; return it.

    `git clone --shared` would leave out the experiments of a shallow clone. None of the user's hooks runs.
    """
    objects, shallow, form = (
        git.git(folder, "rev-parse", *words) or ""
        for words in (
            ("--path-format=absolute", "--git-path", "objects"),
            ("--path-format=absolute", "--git-path", "shallow"),
            ("--show-object-format",),
        )
    )
    clone.mkdir()
    _run("git", "init", "--quiet", "--template=", f"--object-format={form}", cwd=clone)
    alternates = clone / ".git" / "objects" / "info" / "alternates"
    alternates.parent.mkdir(parents=True, exist_ok=True)
    alternates.write_text(f"{objects}\n")
    if Path(shallow).exists():
        shutil.copy(shallow, clone / ".git" / "shallow")
    without_hooks = ("-c", f"core.hooksPath={os.devnull}")
    _run("git", *without_hooks, "checkout", "--quiet", "--detach", commit, cwd=clone)
    return clone


def _frozen_stages(project: Path) -> list[str]:
    with open_repository(project) as repo:
        return [stage_address(repo, stage) for stage in repo.index.stages if is_frozen(stage)]


def _set_params(project: Path, params: Mapping[str, Any]) -> None:
    """Write a record's params into the files that stages read them from."""
    for key, value in params.items():
        if any(key.startswith(f"{whole}.") for whole in params):
            continue  # a part of how params.yaml spells a value that an output spells out
        file, _, dotted = key.rpartition(":")
        path = project / (file or "params.yaml")
        *sections, last = dotted.split(".")
        with MODIFIERS[path.suffix.lower()](str(path)) as content:
            section = content
            for name in sections:
                section = section[name]
            if section.get(last) != value:
                section[last] = value


def _copy_data(project: Path, folder: Path, data: Mapping[str, str]) -> list[str]:
    """Copy the outputs of the first stages that `folder` still has; return the stages that need not run."""
    addresses = []
    with open_repository(folder) as original, open_repository(project) as clone:
        for out in clone.index.outs:
            path = relative_path(clone, out)
            md5 = data.get(path)
            if md5 and (files := output_files(original, path, md5)):
                for relative, content in files.items():
                    target = project / path / relative if relative else project / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
                addresses.append(stage_address(clone, out.stage))
    return addresses


def _run(*command: str, cwd: Path, **variables: str) -> None:
    """Run a command that must succeed, without the user's store and the repository of a hook."""
    environment = {
        key: value
        for key, value in git.clean_environment().items()
        if not key.startswith(("MLFLOW_", "DVC_"))
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment | variables | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = "\n  ".join(done.stdout.splitlines()[-LAST_LINES:])
        raise UserError(
            f"{' '.join(command)} ended with {done.returncode} in a clone of the commit:\n  {lines}"
        )
