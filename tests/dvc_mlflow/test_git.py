"""git works for the folder that is named, whatever a hook exports."""

import sys

import pytest

from commands import run
from dvc_mlflow import git, provenance
from dvc_mlflow.errors import UserError


@pytest.fixture
def repository(tmp_path):
    """A repository with one commit and one staged file."""
    folder = tmp_path / "repository"
    folder.mkdir()
    run("git", "init", "--quiet", cwd=folder)
    (folder / "code.py").write_text("1\n")
    run("git", "add", "--all", cwd=folder)
    run("git", "commit", "--quiet", "--message", "Code", cwd=folder)
    return folder


def test_the_variables_of_a_hook_do_not_redirect_git(repository, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    run("git", "init", "--quiet", cwd=other)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / "index"))
    assert git.git(repository, "rev-parse", "--show-toplevel") == str(repository)
    assert git.git(repository, "status", "--porcelain") == ""
    assert git.clean_environment().keys().isdisjoint({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"})


def test_a_failure_of_git_is_none(tmp_path, monkeypatch):
    assert git.git(tmp_path, "rev-parse", "HEAD") is None
    monkeypatch.setenv("PATH", "")
    assert git.git(tmp_path, "--version") is None


def test_a_project_without_git_has_to_say_so(tmp_path, repository):
    git.require_repository(repository)
    with pytest.raises(UserError, match="expected a git repository, found none"):
        git.require_repository(tmp_path)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    git.require_repository(tmp_path)


def test_a_reason_of_git_itself_is_passed_on(repository):
    (repository / ".git" / "config").write_text("[core\n")
    with pytest.raises(UserError, match="but git says: bad config line 1"):
        git.require_repository(repository)


def test_the_code_of_a_copy_is_that_of_the_tree_it_was_copied_from(repository, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    copy.mkdir()
    assert provenance.code_version(copy, ["code.py"]) is None
    monkeypatch.setenv("RECORDS_CODE", str(repository))
    commit = git.git(repository, "rev-parse", "HEAD")
    assert provenance.code_version(copy, [str(copy / "code.py")]) == {"commit": commit, "dirty": False}
    (repository / "code.py").write_text("2\n")
    assert provenance.code_version(copy, [str(copy / "code.py")]) == {"commit": commit, "dirty": True}


def test_recording_and_configuration_import_no_mlflow():
    code = (
        "import sys, dvc_mlflow.cli, dvc_mlflow.track, dvc_mlflow.project, dvc_mlflow.store; "
        "print({'mlflow', 'sklearn', 'pandas', 'matplotlib'} & set(sys.modules))"
    )
    assert run(sys.executable, "-c", code).stdout == "set()\n"
