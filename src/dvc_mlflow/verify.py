"""A recorded result, held to its run in MLflow and to what its commit, params and data give once more."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from mlflow import MlflowClient, MlflowException
from mlflow.entities import Run
from ruamel.yaml import YAML

from dvc_mlflow import collect, deliver, provenance, records, run_snapshot
from dvc_mlflow.errors import UserError
from dvc_mlflow.records import Record
from dvc_mlflow.store import Store, redact_credentials

WIDTH = 14  # of a value in the table


@dataclass(frozen=True)
class Compared:
    """One thing as the record has it and as it was found."""

    what: str
    recorded: object
    found: object

    def line(self, width: int) -> str:
        """Return a line of the table."""
        same = "same" if self.recorded == self.found else "DIFFERS"
        return f"{self.what:{width}} {_short(self.recorded):>{WIDTH}} {_short(self.found):>{WIDTH}}  {same}"


@dataclass(frozen=True)
class Parts:
    """Runs that show a part of a record, as a point of a sweep is one.

    tag : says which record it is.  md5 : the tag with a name and the MD5 of the part's one output.
    record_of : the record that the part would have by itself, from the whole record, its folder and the run.
    """

    tag: str
    md5: str
    record_of: Callable[[Record, Path, Run], Record]


def verify(name: str, root: Path, view: deliver.RunContent, parts: Parts | None = None) -> bool:
    """Verify a record by a prefix of its digest, or a run by its id; print what was compared.

    Returns whether all of it could be compared and is the same. Raises `Fault` if there is no such record.
    """
    with contextlib.ExitStack() as stack:
        client = _client(stack, root)
        folder, run = _named(name, root, client, parts)
        try:
            result = records.read_record(folder)
        except ValueError as damage:
            raise UserError(f"{folder}: expected a whole record, but {damage}") from None
        print(f"Record {result.result} in the experiment {result.experiment}")
        compared: list[Compared] = []
        if client and run and parts and deliver.RESULT not in run.data.tags:
            result = parts.record_of(result, folder, run)
            print(f"A part of it, as {result.stage} finds it: {run.info.run_name}")
            compared += _part_in_store(client, run, result, parts, folder, view)
        elif client and run:
            compared += _in_store(client, run, result, folder, view)
    if not run:
        print("No run in MLflow shows it.")
    here = provenance.environment()
    for key, value in (result.environment or {}).items():
        if here.get(key) != value:
            print(f"The environment differs: {key} was {value}, is {here.get(key)}.")
    if not result.environment:
        print("The environment that computed it is unknown.")
    if reason := _why_not(result, root):
        print(f"It cannot be computed again: {reason}.")
    else:
        compared += _rebuilt(result, root)
    width = max([len(row.what) for row in compared], default=0)
    print(f"\n{'':{width}} {'recorded':>{WIDTH}} {'found':>{WIDTH}}")
    for row in compared:
        print(row.line(width))
    differing = [row for row in compared if row.recorded != row.found]
    again = "Nothing was computed again. " if reason else ""
    print(f"\n{again}{len(compared) - len(differing)} of {len(compared)} are the same.")
    return not reason and not differing


def _client(stack: contextlib.ExitStack, root: Path) -> MlflowClient | None:
    """Return a client of the store; say why if there is none."""

    def give_up(reason: str) -> None:
        print(
            f"MLflow at {redact_credentials(Store.of(root).uri)} cannot be asked: {reason}.",
            file=sys.stderr,
            flush=True,
        )

    try:
        return stack.enter_context(deliver.connect(root, give_up))
    except Exception as error:  # noqa: BLE001 - whatever the store's trouble is, the record can be verified
        give_up(redact_credentials(deliver.root_cause(error)))
        return None


def _named(
    name: str, root: Path, client: MlflowClient | None, parts: Parts | None
) -> tuple[Path, Run | None]:
    """Return the record's folder, and its run, or that of the part which is named, if the store has it."""
    folders = [folder for folder in records.record_folders(root) if folder.name.startswith(name)]
    if len({folder.name for folder in folders}) > 1:
        raise UserError(
            f"{name}: expected one record, but {len(folders)} in {records.records_folder(root)} begin so"
        )
    if folders:
        return folders[0], client and _run_of(client, folders[0])
    with contextlib.suppress(MlflowException):
        if client is None:
            raise UserError(f"{name}: no record's digest begins so, and MLflow cannot be asked for a run")
        run = client.get_run(name)
        result = run.data.tags.get(deliver.RESULT) or run.data.tags.get(parts.tag if parts else "")
        place = (result, client.get_experiment(run.info.experiment_id).name)
        for folder in records.record_folders(root):
            if (folder.name, records.experiment_of(folder)) == place:
                return folder, run
    raise UserError(f"{name}: expected the id of a run with a record here, or how a record's digest begins")


def _run_of(client: MlflowClient, folder: Path) -> Run | None:
    experiment = client.get_experiment_by_name(records.experiment_of(folder))
    runs = deliver.record_runs(client, experiment.experiment_id, folder.name) if experiment else []
    return next((run for run in runs if run.info.lifecycle_stage == "active"), None)


def _in_store(
    client: MlflowClient, run: Run, result: Record, folder: Path, view: deliver.RunContent
) -> Iterator[Compared]:
    """Compare the run with a new one of its record: whoever changed it did so after the delivery."""
    expected = run_snapshot.expected_snapshot(folder, view)
    yield from _values_in_store(client, run, expected)
    for path in result.outputs.keys() - expected.keys():
        print(f"MLflow does not hand out a file with such a name: {path}")


def _part_in_store(
    client: MlflowClient, run: Run, part: Record, parts: Parts, folder: Path, view: deliver.RunContent
) -> Iterator[Compared]:
    """Compare the run of a part, which keeps the digest of its output in a tag, with a new one, likewise."""
    prefix = f"{run.info.run_name}: "
    whole = run_snapshot.expected_snapshot(folder, view).items()
    mine = {key.removeprefix(prefix): value for key, value in whole if key.startswith(prefix)}
    yield from _values_in_store(client, run, mine)
    for path, md5 in part.outputs.items():
        yield Compared(f"run: {path}", md5, run.data.tags.get(parts.md5, "").rpartition(" ")[2])


def _values_in_store(client: MlflowClient, run: Run, expected: Mapping[str, object]) -> Iterator[Compared]:
    """Compare a run's status and all that it shows."""
    yield Compared("run: status", "FINISHED", run.info.status)
    found = run_snapshot.snapshot(client, run)
    differing = [key for key, value in expected.items() if found.get(key) != value]
    same = f"{len(expected) - len(differing)} things"
    yield Compared("run: values, files, models", same, same)
    for key in differing:
        yield Compared(f"run: {key}", expected[key], found.get(key))


def _why_not(result: Record, root: Path) -> str:
    """Return why a result cannot be computed again, or nothing."""
    if not result.code:
        return "the code that computed it is unknown"
    commit = _commit(result, root)
    if commit is None:
        return f"it was computed by code that differs from the commit {result.code['commit'][:12]}"
    if _git(root, "cat-file", "-e", f"{commit}^{{commit}}") is None:
        return f"this repository has no commit {commit[:12]}"
    return ""


def _commit(result: Record, root: Path) -> str | None:
    """Return the commit that has the code: for a DVC experiment with changes its own."""
    code = result.code or {}
    if not code["dirty"]:
        return str(code["commit"])
    refs = _git(root, "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps/") or ""
    for commit, _, ref in (line.partition(" ") for line in refs.splitlines()):
        if result.name and ref.rpartition("/")[2] == result.name:
            return commit
    return None


def _rebuilt(result: Record, root: Path) -> Iterator[Compared]:
    """Compute a result again in a temporary clone, with a cache of its own, and compare it."""
    with tempfile.TemporaryDirectory(prefix="sparse-digits-verify-") as name:
        folder = Path(name)
        top, prefix = (_git(root, "rev-parse", flag) or "" for flag in ("--show-toplevel", "--show-prefix"))
        clone = folder / "clone"
        _must("git", "clone", "--quiet", "--shared", "--no-checkout", top, str(clone), cwd=folder)
        _must("git", "checkout", "--quiet", "--detach", str(_commit(result, root)), cwd=clone)
        project = clone / prefix
        (project / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {folder / 'cache'}\n")
        for lock in project.rglob("dvc.lock"):  # else DVC takes a result that is committed for up to date
            lock.unlink()
        _set_params(project, result.params)
        for address in _put_data(project, root, result.data):
            _must(sys.executable, "-m", "dvc", "commit", "--quiet", "--force", address, cwd=project)
        fresh = folder / "records of the clone"
        fresh.mkdir()
        command = (sys.executable, "-m", "dvc", "repro", "--no-run-cache", result.stage)
        said = _must(*command, cwd=project, RECORDS_ROOT=str(fresh), RECORDS_ONLY="yes")
        found = records.record_folders(fresh)
        if not found:
            raise UserError(f"computing it again left no record:\n{said}")
        made = records.read_record(found[0])
    for path, md5 in result.data.items():
        yield Compared(f"rebuilt: {path}", md5, made.data.get(path))
    for key, value in result.metrics.items():
        yield Compared(f"rebuilt: metric {key}", value, made.metrics.get(key))
    for path, md5 in result.outputs.items():
        yield Compared(f"rebuilt: {path}", md5, made.outputs.get(path))


def _set_params(project: Path, params: Mapping[str, Any]) -> None:
    """Write a record's params into the files that they are read from."""
    yaml = YAML()
    for key, value in params.items():
        if any(key.startswith(f"{whole}.") for whole in params):
            continue  # a part of how params.yaml spells a value that an output spells out
        file, _, dotted = key.rpartition(":")
        path = project / (file or "params.yaml")
        content = yaml.load(path)
        *above, last = dotted.split(".")
        section = content
        for part in above:
            section = section[part]
        if section.get(last) != value:
            section[last] = value
            yaml.dump(content, path)


def _put_data(project: Path, root: Path, data: Mapping[str, str]) -> list[str]:
    """Put what the first stages made where it belongs, if it is at hand; return the stages to skip then."""
    addresses = []
    with Repo(str(root)) as here, Repo(str(project)) as there:
        for out in there.index.outs:
            path = there.fs.relpath(out.fs_path, there.root_dir)
            md5 = data.get(path)
            if md5 and (files := collect.output_files(here, path, md5)):
                for relative, content in files.items():
                    target = project / path / relative if relative else project / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
                addresses.append(collect.stage_address(there, out.stage))
    return addresses


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def _must(*command: str, cwd: Path, **environment: str) -> str:
    """Run a command that must succeed, away from the user's store."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "DVC_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        command,
        cwd=cwd,
        env=inherited | environment | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        last = "\n  ".join(done.stdout.splitlines()[-20:])
        raise UserError(
            f"{' '.join(command)} ended with {done.returncode} in a clone of the commit:\n  {last}"
        )
    return done.stdout


def _short(value: object) -> str:
    text = "none" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)
    return text if len(text) <= WIDTH else text[: WIDTH - 2] + ".."
