"""Results are found and computed again wherever the project lies in its git repository."""

import shlex
import shutil
from dataclasses import replace

import pytest

from commands import run, run_queue
from dvc_mlflow import cli, records
from dvc_mlflow.verification.find_commit import find_commit
from dvc_mlflow.verification.rebuild import rebuild
from layouts import LAYOUTS, place
from projects import ROOT
from small import computed_small, small
from tracking import dvc, git

__all__ = ["computed_small", "small"]  # fixtures

COMMITTED_ALONE = shutil.ignore_patterns("records", "tmp", "cache")


@pytest.fixture
def dvc_mlflow(monkeypatch, capsys):
    """Run a command in this process, without MLflow, whose import takes seconds; return what it printed."""
    monkeypatch.setenv("RECORDS_ONLY", "yes")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))

    def command(folder, *words, status=0):
        monkeypatch.chdir(folder)
        try:
            cli.main(words)
            ended = 0
        except SystemExit as end:
            ended = end.code or 0
        printed = "".join(capsys.readouterr())
        assert ended == status, printed
        return printed

    return command


def recorded(project):
    """Return the records of a project by the name of their DVC experiment."""
    return {one.name: one for one in map(records.read_record, records.record_folders(project))}


def pull(project, storage):
    """Remove what a clone lacks and bring it from DVC's remote storage."""
    for name in (".dvc/cache", "data", "models", "eval", "records"):
        shutil.rmtree(project / name)
    git(project, "checkout", "--", "eval")  # the metrics are in git
    remote = f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = {storage}\n"
    (project / ".dvc" / "config.local").write_text(remote)
    dvc(project, "pull")


@pytest.mark.slow(20)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_was_pulled_and_every_experiment_is_found_and_computed_again(
    layout, computed_small, tmp_path, dvc_mlflow
):
    project = place(layout, computed_small, tmp_path / "layout")
    pull(project, computed_small / ".dvc" / "cache")
    assert dvc_mlflow(project, "track") == "workspace: evaluate is recorded\n"
    for C, options in enumerate(
        (("--temp", "--name=apart"), ("--queue", "--name=queued"), ("--name=here",)), 3
    ):
        dvc(project, "exp", "run", *options, "-S", f"train.C={C}")
    run_queue(project, 1)
    before = recorded(project)
    assert before.keys() == {None, "apart", "here", "queued"}

    # In a shallow clone DVC loses an experiment of --temp or --queue; its record stays.
    found = ["here"] if layout == "shallow clone" else ["apart", "here", "queued"]
    shutil.rmtree(project / "records")
    assert dvc_mlflow(project, "track").splitlines() == [
        *(f"experiment {name}: evaluate is recorded" for name in found),
        "workspace: evaluate has a record",
    ]
    after = recorded(project)
    assert {name: one.result for name, one in after.items()} == {name: before[name].result for name in found}
    assert "There is something to do." in dvc_mlflow(project, "status")
    assert "6 of 6 are the same." in dvc_mlflow(project, "verify", after[found[-1]].result)
    assert git(project, "status", "--porcelain", "--", "evaluate.py", "dvc.yaml") == ""
    if layout == "subfolder":  # an experiment of one project of a monorepo is none of another
        other = shutil.copytree(project, project.parent / "another", ignore=COMMITTED_ALONE)
        assert "experiment" not in dvc_mlflow(other, "track")
    if layout == "linked worktree":  # whose cache the main worktree does not have
        main = tmp_path / "layout" / "main"
        printed = dvc_mlflow(main, "track", status=1)
        assert "experiment apart: neither in the workspace nor in DVC's cache: models/model.json" in printed
        _, _, command = printed.partition("To bring them from another worktree: ")
        run(*shlex.split(command.splitlines()[0]), cwd=main)
        assert "experiment apart: evaluate is recorded" in dvc_mlflow(main, "track")


def test_pipelines_below_the_root_are_tracked_with_all_that_they_read(computed_small, tmp_path, dvc_mlflow):
    project = place("subfolder", computed_small, tmp_path / "layout")
    (project.parent / "shared.py").write_text("1")
    for name in ("one", "two"):
        (project / name).mkdir()
        (project / name / "dvc.yaml").write_text(
            "stages: {report: {cmd: cp ../eval/metrics.json report.json, "
            "deps: [../eval/metrics.json, ../../shared.py], metrics: [report.json]}}"
        )
    dvc(project, "repro", "--all-pipelines")
    (project / "pyproject.toml").unlink()
    assert dvc_mlflow(project / "two", "track").splitlines() == [
        "workspace: one/dvc.yaml:report is recorded",
        "workspace: two/dvc.yaml:report is recorded",
    ]
    stages = {one.stage: one for one in map(records.read_record, records.record_folders(project))}
    assert "../shared.py" in stages["one/dvc.yaml:report"].digests


@pytest.mark.slow(15)
def test_the_commit_of_a_record_is_found_by_what_it_holds(small, dvc_mlflow):
    code = (small / "evaluate.py").read_text()
    for name, factor in (("first", "0.5 - C"), ("second", "0.25 - C")):
        (small / "evaluate.py").write_text(code.replace("1 - C", factor))
        dvc(small, "exp", "run", "--temp", "--name", name, "-S", "train.C=0.25")
    (small / "evaluate.py").write_text(code)
    by_name = recorded(small)
    commit = git(small, "rev-parse", "HEAD")
    refs = [f"refs/exps/{commit[:2]}/{commit[2:]}/{name}" for name in ("first", "second")]
    first, second = (git(small, "rev-parse", ref) for ref in refs)
    git(small, "update-ref", refs[0], second)  # as `dvc exp rename` and `dvc exp run --force` do
    git(small, "update-ref", refs[1], first)
    assert find_commit(by_name["first"], small) == first
    assert find_commit(by_name["second"], small) == second
    git(small, "update-ref", "-d", refs[1])
    assert find_commit(by_name["first"], small) is None
    printed = dvc_mlflow(small, "verify", by_name["first"].result, status=1)
    assert "It cannot be computed again: it was computed by code that differs from the commit" in printed
    shutil.rmtree(small / "records")
    shutil.rmtree(small / ".dvc" / "cache")  # as after `dvc exp pull --no-cache`
    git(small, "remote", "add", "origin", small)
    printed = dvc_mlflow(small, "track", status=1)
    assert "experiment first: neither in the workspace nor in DVC's cache: models/model.json" in printed
    assert (
        "To bring them: dvc exp pull origin first. To compute them: dvc exp apply first; dvc repro" in printed
    )


def test_a_result_whose_record_is_whole_needs_no_cache(small, dvc_mlflow):
    shutil.rmtree(small / ".dvc" / "cache")
    shutil.rmtree(small / "models")
    at_hand = "workspace: evaluate has a record; its files are not at hand any more\n"
    assert dvc_mlflow(small, "track") == at_hand
    assert "workspace  whole " in dvc_mlflow(small, "status")
    shutil.rmtree(small / "records")
    printed = dvc_mlflow(small, "track", status=1)
    assert printed.endswith("models/model.json. To bring them: dvc pull. To compute them: dvc repro\n")


def test_what_git_refuses_is_reported_in_its_words(small, monkeypatch, dvc_mlflow):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    reason = f"detected dubious ownership in repository at '{small}'. To add an exception"
    assert f"expected a git repository, but git says: {reason}" in dvc_mlflow(small, "track", status=2)
    assert "safe.directory" in dvc_mlflow(small, "status", status=2)
    shutil.rmtree(small / "records")
    printed = dvc_mlflow(small, "record", "evaluate")
    assert f"warning: the record lacks the commit of its code. git says: {reason}" in printed
    (one,) = records.record_folders(small)
    printed = dvc_mlflow(small, "verify", one.name, status=1)
    assert f"It cannot be computed again: git says: {reason}" in printed


def test_a_conflict_and_an_interruption_of_dvc_lock_name_the_way_out(small, dvc_mlflow):
    lock = small / "dvc.lock"
    whole = lock.read_text()
    lock.write_text(f"<<<<<<< HEAD\n{whole}=======\n{whole}>>>>>>> other\n")
    printed = dvc_mlflow(small, "track", status=1)
    assert "To take either side: git checkout --ours dvc.lock (or --theirs), then: dvc repro" in printed
    lock.write_text("stages:\n  prepare: [")
    printed = dvc_mlflow(small, "track", status=1)
    advice = "DVC was interrupted as it wrote it. To restore it: git checkout dvc.lock"
    assert advice in printed
    *table, fault = dvc_mlflow(small, "status", status=2).splitlines()
    assert any("whole" in line for line in table)
    assert advice in fault


def test_a_frozen_stage_is_computed_again_and_track_names_dvc_unfreeze(small, dvc_mlflow):
    dvc(small, "freeze", "evaluate")
    git(small, "commit", "--quiet", "--all", "--message", "Frozen")
    (one,) = map(records.read_record, records.record_folders(small))
    frozen = replace(one, code={"commit": git(small, "rev-parse", "HEAD"), "dirty": False})
    assert rebuild(frozen, small, find_commit(frozen, small)).result == one.result
    shutil.rmtree(small / ".dvc" / "cache")
    shutil.rmtree(small / "models")
    shutil.rmtree(small / "records")
    assert "To compute them: dvc unfreeze evaluate && dvc repro" in dvc_mlflow(small, "track", status=1)
