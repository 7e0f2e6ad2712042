"""What keeps DVC from reading a project is one message with the way out."""

import gc
import json
import os
import resource
import sqlite3
from pathlib import Path

import pytest

from dvc_mlflow.collection.dvc_repository import open_repository
from dvc_mlflow.collection.remedies import remove_rwlock
from dvc_mlflow.errors import UserError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    return tmp_path


@pytest.mark.parametrize("name", ["dvc.yaml", "dvc.lock"])
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (Path.mkdir, "a folder"),
        (os.mkfifo, "something else"),
        (lambda path: path.symlink_to("nowhere"), "a link to nowhere, which does not exist"),
    ],
)
def test_what_should_be_a_file_and_is_none_is_reported(folder, name, make, kind):
    make(folder / name)
    fault = f"^{folder / name}: expected a file, got {kind}$"
    with pytest.raises(UserError, match=fault), open_repository(folder):
        pytest.fail("the project was opened")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Python 3.13's
def test_an_index_of_dvc_that_cannot_be_written_is_reported_with_the_variable_that_moves_it(
    folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "index"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with (
            pytest.raises(
                UserError, match=r"^DVC's index: .*, got: disk I/O error\. .*DVC_SITE_CACHE_DIR="
            ) as fault,
            open_repository(folder),
        ):
            pytest.fail("the project was opened")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert isinstance(fault.value.__cause__, sqlite3.OperationalError)
    del fault
    gc.collect()  # the connection to the database, which DVC leaves open


def test_a_list_of_locked_paths_that_was_half_written_is_named_and_a_whole_one_is_not(folder):
    assert remove_rwlock(folder) == ""
    rwlock = folder / ".dvc" / "tmp" / "rwlock"
    rwlock.parent.mkdir()
    rwlock.write_text(json.dumps({"a path": {"read": []}}))
    assert remove_rwlock(folder) == ""
    rwlock.write_bytes(rwlock.read_bytes()[:-3])
    assert remove_rwlock(folder) == f"{rwlock} was half written. Once no other dvc runs here: rm {rwlock}"
