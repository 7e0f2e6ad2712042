"""Commands that a git hook calls, with the variables that git exports, change nothing that is the user's."""

import json
import shlex

import pytest

from commands import preloaded_path, run
from layouts import place
from projects import ROOT
from small import computed_small
from tracking import git

__all__ = ["computed_small"]  # a fixture

COMMANDS = {  # by hook; verify, which takes the longest and is the only one that makes a clone, once
    "pre-commit": ("track", "status", "record", "verify"),
    "pre-push": ("track", "status", "record"),
    "post-checkout": ("track", "status", "record"),
}
EXPORTED = {  # to the hooks pre-commit, pre-push and post-checkout
    "plain checkout": ["GIT_INDEX_FILE"],
    "linked worktree": ["GIT_DIR", "GIT_INDEX_FILE"],
    "submodule": ["GIT_DIR", "GIT_INDEX_FILE"],
}


@pytest.mark.slow(40)
@pytest.mark.parametrize("layout", EXPORTED)
def test_no_command_touches_head_index_refs_reflog_or_files(layout, computed_small, tmp_path, monkeypatch):
    support = ROOT / "tests" / "support"
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{support}")
    monkeypatch.setenv("PATH", preloaded_path())
    monkeypatch.setenv("RECORDS_ONLY", "1")
    project = place(layout, computed_small, tmp_path / "layout")
    log = tmp_path / "log"
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name, commands in COMMANDS.items():
        words = shlex.join(["python", "-c", "import hook; hook.main()", str(log), *commands])
        (hooks / name).write_text(f"#!/bin/sh\n{words} > {tmp_path}/printed 2>&1 < /dev/null\n")
        (hooks / name).chmod(0o755)
    git(tmp_path, "init", "--quiet", "--bare", "remote.git")
    git(project, "config", "core.hooksPath", hooks)

    (project / "params.yaml").write_text("prepare: {seed: 0}\ntrain: {C: 0.02}\n# another file\n")
    git(project, "commit", "--quiet", "--all", "--message", "By the user")
    git(project, "push", "--quiet", tmp_path / "remote.git", "HEAD:refs/heads/main")
    git(project, "checkout", "--quiet", "-b", "another")
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert set(EXPORTED[layout]) <= set(entries[0]["exported"])
    assert [entry["results"] for entry in entries] == [
        dict.fromkeys(commands, 0) for commands in COMMANDS.values()
    ]
    assert [entry["changed"] for entry in entries] == [[], [], []]
    assert run("git", "show", "--stat", "--format=", cwd=project).stdout.split()[0] == "params.yaml"
