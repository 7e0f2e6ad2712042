"""Commands that a git hook calls, with the variables that git exports, change nothing that is the user's."""

import json
import shlex
import shutil

import pytest

from commands import preloaded_path, run
from dvc_mlflow import records
from dvc_mlflow.cli import COMMANDS
from dvc_mlflow.delivery.deliver import deliver
from dvc_mlflow.git import local_variables
from layouts import place
from projects import ROOT
from small import computed_small
from tracking import SHOWN, collected, git

__all__ = ["computed_small"]  # a fixture

HOOKS = ("pre-commit", "pre-push", "post-checkout")
EXPORTED = {  # by git to the first of them
    "plain checkout": {"GIT_INDEX_FILE"},
    "linked worktree": {"GIT_DIR", "GIT_INDEX_FILE"},
    "submodule": {"GIT_DIR", "GIT_INDEX_FILE"},
}
WAITING = ("linked worktree", "pre-commit")  # where `ui` is ended when its page answers, which takes 5 s


@pytest.mark.slow(40)
@pytest.mark.parametrize("layout", EXPORTED)
def test_no_command_touches_head_index_refs_reflog_or_files(
    layout, computed_small, store, tmp_path, monkeypatch
):
    support = ROOT / "tests" / "support"
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{support}")
    monkeypatch.setenv("PATH", preloaded_path())
    project = place(layout, computed_small, tmp_path / "layout")
    delivered = collected(0.5)
    (tmp_path / "store").mkdir()
    shutil.copy(store, tmp_path / "store")
    records.save_record(delivered, tmp_path / "store")
    assert deliver(tmp_path / "store", SHOWN) == 0
    records.save_record(delivered, project)

    log, hooks = tmp_path / "log", tmp_path / "hooks"
    hooks.mkdir()
    for name in HOOKS:
        arguments = [log, tmp_path / "store" / "mlflow.db", delivered.record.result]
        arguments += ["wait"] * ((layout, name) == WAITING)
        words = ["python", "-c", "import hook; hook.main()", *map(str, arguments)]
        (hooks / name).write_text(f"#!/bin/sh\n{shlex.join(words)} > {tmp_path}/printed 2>&1 < /dev/null\n")
        (hooks / name).chmod(0o755)
    git(tmp_path, "init", "--quiet", "--bare", "remote.git")
    git(project, "config", "core.hooksPath", hooks)

    (project / "params.yaml").write_text("prepare: {seed: 0}\ntrain: {C: 0.02}\n# another file\n")
    git(project, "commit", "--quiet", "--all", "--message", "By the user")
    git(project, "push", "--quiet", tmp_path / "remote.git", "HEAD:refs/heads/main")
    git(project, "checkout", "--quiet", "-b", "another")
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert EXPORTED[layout] <= set(entries[0]["exported"])
    every_command = {function.__name__: 0 for function in COMMANDS}
    assert [entry["results"] for entry in entries] == [every_command] * len(HOOKS)
    assert [entry["changed"] for entry in entries] == [[]] * len(HOOKS)
    of_server = {name for entry in entries for name in entry["exported by ui"]}
    assert not of_server & local_variables()
    assert run("git", "show", "--stat", "--format=", cwd=project).stdout.split()[0] == "params.yaml"
