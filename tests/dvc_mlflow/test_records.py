"""What the real `dvc repro` leaves in records/, on a small pipeline in the shape of DVC's tutorial."""

import dataclasses
import json
import os
import shutil
import stat
import subprocess
import sys
import time

import pytest
from filelock import FileLock

import commands
from dvc_mlflow import provenance, records
from small import computed_small, small
from tracking import EXPERIMENT, dvc, dvc_mlflow, git, set_C

RECORD = [sys.executable, "-m", "dvc_mlflow.cli", "record", "evaluate"]

__all__ = ["computed_small", "small"]  # fixtures


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Leave MLflow, whose import takes seconds, out of all these commands."""
    monkeypatch.setenv("RECORDS_ONLY", "yes")


def all_records(folder):
    return [records.read_record(path) for path in records.record_folders(folder)]


def delete_records(folder):
    shutil.rmtree(folder / "records")


def test_a_record_holds_what_dvc_yaml_declares_and_the_code_and_environment_that_computed_it(small):
    (one,) = all_records(small)
    assert one.params == {"prepare.seed": 0, "train.C": 0.02}
    assert one.metrics == {"accuracy": 0.98, "by.class 0": 0.02}
    assert list(one.outputs) == ["models/model.json", "eval/metrics.json", "eval/plots/a.csv"]
    assert list(one.data) == ["data/prepared"]
    lock = dvc(small, "status")
    assert "up to date" in lock
    assert one.digests["evaluate.py"] == provenance.md5(small / "evaluate.py")
    assert one.digests["data/prepared"] == provenance.md5(small / "data/prepared")
    assert one.code == {"commit": git(small, "rev-parse", "HEAD~"), "dirty": False}
    assert one.environment["python"] == ".".join(map(str, sys.version_info[:3]))
    assert one.stages["evaluate"]["seconds"] > 0
    assert (one.experiment, one.name) == (EXPERIMENT, None)


def test_a_result_has_one_record_however_often_it_is_computed(small):
    dvc(small, "repro", "--force")
    assert dvc_mlflow(small, "track") == "workspace: evaluate has a record\n"
    assert len(all_records(small)) == 1


@pytest.mark.parametrize("created", ["1970-01-01T00:00:00+00:00", "2100-01-01T00:00:00+00:00"])
def test_which_of_two_records_of_one_result_is_found_does_not_depend_on_the_clock(small, created):
    (one,) = all_records(small)
    files = {path: (small / path).read_bytes() for path in one.outputs}
    other = dataclasses.replace(one, experiment="another", created=created)
    assert records.save_record(records.CollectedResult(other, files, []), small)
    found = {name: records.find_matching_record(small, small, "evaluate", name) for name in ("another", None)}
    assert found == {"another": other, None: other}
    assert records.find_matching_record(small, small, "evaluate", EXPERIMENT) == one


@pytest.mark.parametrize("part", [".", EXPERIMENT])
def test_a_result_that_cannot_be_recorded_as_the_folder_is_read_only_is_reported_and_recorded_later(
    small, part
):
    set_C(small, 0.5)
    dvc(small, "repro")
    (new,) = [one for one in all_records(small) if one.params["train.C"] == 0.5]
    shutil.rmtree(new.folder(small))
    (small / "records" / part).chmod(0o500)
    powerless = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    printed = commands.run(*powerless, *RECORD, cwd=small).stderr
    assert printed == (
        f"warning: this result has no record yet ({small}/records/.draft: Permission denied). "
        "To record it: dvc-mlflow track\n"
    )
    (small / "records" / part).chmod(0o700)
    assert dvc_mlflow(small, "track") == "workspace: evaluate is recorded\n"


def test_code_that_differs_from_its_commit_is_recorded_as_such(small):
    delete_records(small)
    (small / "evaluate.py").write_text((small / "evaluate.py").read_text() + "# edited\n")
    dvc(small, "repro")
    (one,) = all_records(small)
    assert one.code == {"commit": git(small, "rev-parse", "HEAD"), "dirty": True}


def test_without_git_the_code_is_unknown(small):
    delete_records(small)
    shutil.rmtree(small / ".git")
    dvc(small, "config", "--local", "core.no_scm", "true")
    dvc(small, "repro", "--force")
    (one,) = all_records(small)
    assert one.code is None
    assert one.environment


def test_recording_imports_neither_mlflow_nor_scikit_learn_nor_matplotlib(small):
    delete_records(small)
    code = (
        "import sys; from dvc_mlflow import cli; cli.main(['record', 'evaluate']); "
        "print({'mlflow', 'sklearn', 'matplotlib'} & set(sys.modules))"
    )
    assert commands.run(sys.executable, "-c", code, cwd=small).stdout == "set()\n"
    assert len(all_records(small)) == 1


def test_a_record_is_in_its_place_before_mlflow_is_imported(small, monkeypatch):
    delete_records(small)
    broken = (
        "import sys; sys.modules['mlflow'] = None; "
        "from dvc_mlflow import cli; cli.main(['record', 'evaluate'])"
    )
    monkeypatch.delenv("RECORDS_ONLY")
    assert "ModuleNotFoundError" in commands.run(sys.executable, "-c", broken, cwd=small, status=1).stderr
    assert len(all_records(small)) == 1


def test_records_are_made_with_the_users_umask(small):
    delete_records(small)
    commands.run("sh", "-c", 'umask 077; exec "$@"', "sh", *RECORD, cwd=small)
    for path in (small / "records").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


# What dvc.lock alone would misfile


def test_params_edited_after_the_run_leave_the_old_result_under_the_params_it_was_made_with(small):
    delete_records(small)
    set_C(small, 0.5)
    assert dvc_mlflow(small, "track") == "workspace: evaluate is recorded\n"
    (one,) = all_records(small)
    assert one.params["train.C"] == 0.02


def test_params_edited_while_a_stage_runs_do_not_misfile_it_and_the_lock_can_be_corrected(small):
    delete_records(small)
    set_C(small, 0.3)
    command = [sys.executable, "-m", "dvc", "repro"]
    with subprocess.Popen(
        command, env=os.environ | {"WAITS": ""}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as repro:
        while not (small / "begun").exists():
            assert repro.poll() is None
            time.sleep(0.02)
        set_C(small, 0.4)
        (small / "go").touch()
        output = repro.stdout.read()
    (one,) = all_records(small)
    assert one.params["train.C"] == 0.3
    assert "dvc.lock has train.C = 0.4, but models/model.json was made with 0.3. The record has 0.3" in output
    mend = "dvc repro -f -s evaluate && dvc repro"
    assert f"To correct dvc.lock: {mend}" in output
    assert mend in dvc_mlflow(small, "track")  # dvc.lock is wrong by now

    commands.run("sh", "-c", mend, cwd=small)
    assert sorted(one.params["train.C"] for one in all_records(small)) == [0.3, 0.4]
    assert dvc_mlflow(small, "track") == "workspace: evaluate has a record\n"


def test_a_stage_that_read_another_file_than_the_one_there_now_is_not_recorded(small):
    delete_records(small)
    (small / "params.yaml").write_text("prepare: {seed: 1}\ntrain: {C: 0.02}\n")
    dvc(small, "repro", "--single-item", "prepare")
    output = dvc_mlflow(small, "track")
    assert output.startswith(
        "workspace: evaluate read another version of data/prepared than prepare wrote last"
    )
    assert all_records(small) == []


def test_two_checkouts_of_one_repository_have_records_of_their_own(small, tmp_path):
    second = tmp_path / "second"
    git(small, "worktree", "add", "--quiet", second)
    set_C(second, 0.7)
    dvc(second, "repro")
    assert [one.params["train.C"] for one in all_records(second)] == [0.7]
    assert [one.params["train.C"] for one in all_records(small)] == [0.02]


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b", "50 %", "#1", "a.b"])
def test_any_name_of_an_experiment_is_a_folder_right_under_records(small, name):
    delete_records(small)
    dvc_mlflow(small, "record", "evaluate", MLFLOW_EXPERIMENT_NAME=name)
    (folder,) = records.record_folders(small)
    assert folder.parent.parent == small / "records"
    assert records.experiment_of(folder) == records.read_record(folder).experiment == name


# What was not computed here and now


def test_what_dvc_restored_from_its_run_cache_is_recorded(small):
    set_C(small, 0.01)
    dvc(small, "repro")
    delete_records(small)
    set_C(small, 0.02)
    assert "is cached" in dvc(small, "repro")
    dvc_mlflow(small, "track")
    assert [one.params["train.C"] for one in all_records(small)] == [0.02]


def test_what_came_from_a_shared_cache_is_recorded_with_code_and_environment_unknown(small, tmp_path):
    second = tmp_path / "second"
    git(tmp_path, "clone", "--quiet", small, second)
    dvc(second, "cache", "dir", "--local", small / ".dvc" / "cache")
    assert "is cached" in dvc(second, "repro")
    assert dvc_mlflow(second, "track") == "workspace: evaluate is recorded\n"
    (one,) = all_records(second)
    assert one.code is one.environment is one.stages["evaluate"] is None
    assert one.result == all_records(small)[0].result


def test_an_experiment_that_was_pulled_is_recorded_from_git_and_the_cache(small, tmp_path):
    second, remote = tmp_path / "second", tmp_path / "remote"
    git(tmp_path, "clone", "--quiet", "--bare", small, tmp_path / "origin")
    git(small, "remote", "add", "origin", tmp_path / "origin")
    dvc(small, "remote", "add", "--default", "storage", remote)
    git(small, "commit", "--quiet", "--all", "--message", "A place for the cache")
    git(small, "push", "--quiet", "origin", "main")
    dvc(small, "exp", "run", "--temp", "--name", "loose", "--set-param", "train.C=3")
    dvc(small, "exp", "push", "origin", "loose")
    git(tmp_path, "clone", "--quiet", tmp_path / "origin", second)
    git(second, "fetch", "--quiet", "origin", "refs/exps/*:refs/exps/*")
    printed = dvc_mlflow(second, "track", status=1)
    assert "experiment loose: neither in the workspace nor in DVC's cache: " in printed
    assert "To bring them: dvc exp pull origin loose." in printed
    dvc(second, "exp", "pull", "origin", "loose")
    printed = dvc_mlflow(second, "track", status=1)  # the workspace has no files yet
    assert "experiment loose: evaluate is recorded\n" in printed
    (one,) = all_records(second)
    assert (one.name, one.params["train.C"], one.environment) == ("loose", 3, None)
    commit = git(second, "for-each-ref", "--format=%(objectname)", "refs/exps/")
    assert one.code == {"commit": commit, "dirty": False}


def test_an_experiment_run_from_a_subfolder_is_recorded_in_the_main_repository_under_its_name(small):
    delete_records(small)
    folder = small / "eval"
    options = ("--temp", "--name", "strict", "-S", "../params.yaml:train.C=0.001")
    dvc(folder, "exp", "run", *options, "../dvc.yaml")
    (one,) = all_records(small)
    assert (one.name, one.params["train.C"]) == ("strict", 0.001)
    assert git(small, "status", "--porcelain") == ""
    assert "experiment strict: evaluate has a record\n" in dvc_mlflow(folder, "track")


def test_a_result_without_its_files_is_not_recorded_and_the_files_are_named(small):
    delete_records(small)
    shutil.rmtree(small / ".dvc" / "cache")
    (small / "models" / "model.json").unlink()
    output = dvc_mlflow(small, "track", status=1)
    assert "workspace: neither in the workspace nor in DVC's cache: models/model.json" in output
    assert all_records(small) == []


def test_a_result_that_dvc_did_not_lock_is_recorded_if_its_provenance_has_the_inputs(small):
    set_C(small, 0.6)
    commands.run(sys.executable, "evaluate.py", cwd=small)
    assert dvc_mlflow(small, "track") == "workspace, not in dvc.lock: evaluate is recorded\n"
    assert sorted(one.params["train.C"] for one in all_records(small)) == [0.02, 0.6]


def test_a_result_that_dvc_did_not_lock_is_not_guessed(small):
    delete_records(small)
    commands.run(sys.executable, "evaluate.py", cwd=small)
    (small / "eval" / "metrics.json").write_text('{"accuracy": 1}')
    assert "workspace: neither in the workspace nor in DVC's cache: eval/metrics.json" in dvc_mlflow(
        small, "track", status=1
    )
    assert all_records(small) == []


# Records that are not whole


def test_the_draft_of_a_killed_recorder_is_removed_by_the_next_one(small):
    delete_records(small)
    left = small / "records" / ".draft" / "files"
    left.mkdir(parents=True)
    (left / "half").write_text("half")
    dvc_mlflow(small, "record", "evaluate")
    assert sorted(path.name for path in (small / "records").iterdir()) == [".lock", EXPERIMENT]
    assert not list((small / "records").rglob("half"))


def test_the_draft_of_a_running_recorder_is_not_touched(small):
    delete_records(small)
    left = small / "records" / ".draft" / "half"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    with FileLock(small / "records" / ".lock"):
        recorder = subprocess.Popen(RECORD)
        with pytest.raises(subprocess.TimeoutExpired):
            recorder.wait(2)
        assert left.exists()
        assert records.record_folders(small) == []
    assert recorder.wait(commands.LONG) == 0
    assert len(all_records(small)) == 1


def edit_a_metric(folder):
    content = json.loads((folder / "record.json").read_text())
    content["metrics"]["accuracy"] = 1.0
    (folder / "record.json").write_text(json.dumps(content))


def edit_a_file(folder):
    (folder / "files" / "models" / "model.json").write_text("{}")


def lose_a_file(folder):
    (folder / "files" / "models" / "model.json").unlink()


def lose_the_record(folder):
    (folder / "record.json").unlink()


def cut_the_record(folder):
    (folder / "record.json").write_bytes((folder / "record.json").read_bytes()[:100])


def leave_a_list(folder):
    (folder / "record.json").write_text("[]")


def move_it(folder):
    folder.rename(folder.with_name("0" * 32))


DAMAGES = [edit_a_metric, edit_a_file, lose_a_file, lose_the_record, cut_the_record, leave_a_list, move_it]


@pytest.mark.parametrize("damage", DAMAGES)
def test_reading_a_damaged_record_raises(small, damage):
    damage(records.record_folders(small)[0])
    (folder,) = records.record_folders(small)
    with pytest.raises(ValueError, match=r"."):
        records.read_record(folder)


@pytest.mark.parametrize("damage", [edit_a_metric, lose_the_record])
def test_a_damaged_record_is_set_aside_with_the_reason_and_recorded_again(small, damage):
    damage(records.record_folders(small)[0])
    assert dvc_mlflow(small, "track") == "workspace: evaluate is recorded\n"
    assert len(all_records(small)) == 1
    (aside,) = (small / "records" / ".damaged").iterdir()
    assert (aside / "reason.txt").read_text().strip()
    assert (aside / "files" / "models" / "model.json").exists()


def test_a_stage_that_reads_a_part_of_what_another_wrote_is_recorded_with_that_one_upstream(small):
    delete_records(small)
    text = (small / "dvc.yaml").read_text()
    (small / "dvc.yaml").write_text(
        text.replace("[evaluate.py, data/prepared]", "[evaluate.py, data/prepared/test]")
    )
    dvc(small, "repro")
    (one,) = all_records(small)
    assert one.params == {"prepare.seed": 0, "train.C": 0.02}
    assert list(one.data) == ["data/prepared"]
