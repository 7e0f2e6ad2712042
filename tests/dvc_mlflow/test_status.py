"""`dvc-mlflow status`: which results lack a record or a run."""

import json
import os
import shutil
import sys

import pytest

from commands import run
from dvc_mlflow import cli, records
from projects import ROOT
from small import computed_small, small
from tracking import EXPERIMENT, client_of, collected, deliver_in_process, dvc, dvc_mlflow, names

__all__ = ["computed_small", "small"]  # fixtures


@pytest.fixture(scope="session")
def tracked_small(computed_small, tmp_path_factory, store):
    """The small pipeline, recorded and delivered. Not to be changed."""
    folder = tmp_path_factory.mktemp("tracked") / "a project"
    shutil.copytree(computed_small, folder)
    shutil.copy(store, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT / "src"))
        dvc_mlflow(folder, "track")
    return folder


@pytest.fixture
def tracked(small, tracked_small):
    """A copy of it to change; the working directory."""
    shutil.copytree(tracked_small, small, dirs_exist_ok=True)
    return small


@pytest.fixture
def status(capsys, monkeypatch):
    """Run `dvc-mlflow status` in the working directory, in this process; return what it printed."""

    def command(*arguments, **environment):
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            cli.main(["status", *arguments])
        streams = capsys.readouterr()
        assert streams.err == ""
        return streams.out

    return command


def rows(status, **environment):
    content = json.loads(status("--json", **environment))
    return [
        (row["found"], row["record"], row["mlflow"], row["todo"])
        for row in sorted(content["results"], key=lambda row: str(row["experiment"]))
    ]


def test_a_result_with_record_and_run_needs_nothing(tracked, status):
    assert rows(status) == [(["workspace"], "whole", "there", "")]
    output = status()
    assert records.record_folders(tracked)[0].name[:12] in output
    assert output.endswith("Every result has its record and its run.\n")


def test_a_result_without_record_or_run_is_listed_with_the_command_that_helps(small, status):
    shutil.rmtree(small / "records")
    dvc(small, "exp", "run", "--temp", "--name", "loose", "-S", "train.C=3")
    shutil.rmtree(small / "records" / EXPERIMENT)
    todo = "dvc-mlflow track"
    assert rows(status) == [
        (["experiment loose"], "missing", "missing", todo),
        (["workspace"], "missing", "missing", todo),
    ]
    assert "(there is no store yet)\nThere is something to do.\n" in status()
    assert "mlflow.db" not in names(small)
    dvc_mlflow(small, "record", "evaluate", RECORDS_ONLY="yes")
    assert (["workspace"], "whole", "missing", todo) in rows(status)


def test_a_run_that_the_user_deleted_needs_nothing(tracked, status):
    records.save_record(collected(0.5, "other"), tracked)
    deliver_in_process(tracked)
    client = client_of(tracked)
    (run,) = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    client.delete_run(run.info.run_id)
    client.delete_experiment(client.get_experiment_by_name("other").experiment_id)
    assert rows(status) == [([], "whole", "deleted", ""), (["workspace"], "whole", "deleted", "")]


def test_damaged_records_and_those_set_aside_are_listed_with_the_reason(tracked, status):
    (tracked / "mlflow.db").unlink()
    (records.record_folders(tracked)[0] / "files" / "models" / "model.json").write_text("{}")
    assert rows(status) == [(["workspace"], "damaged", "missing", "dvc-mlflow track")]
    dvc_mlflow(tracked, "track")
    reason = "files/models/model.json is not what record.json has the digest of"
    assert f": {reason}\n" in status()
    assert rows(status) == [([], "set aside", "", ""), (["workspace"], "whole", "there", "")]


def test_a_result_that_cannot_be_recorded_is_listed_with_the_reason(tracked, status):
    shutil.rmtree(tracked / ".dvc" / "cache")
    (tracked / "models" / "model.json").unlink()
    assert rows(status) == [(["workspace"], "whole", "there", "")]
    shutil.rmtree(tracked / "records")
    assert rows(status) == [(["workspace"], "impossible", "", "")]
    output = status()
    assert "workspace: neither in the workspace nor in DVC's cache: models/model.json" in output
    assert output.endswith("\nEvery result that can be recorded has its record and its run.\n")


def test_records_that_may_not_be_written_are_found_and_those_that_may_not_be_read_are_not_called_missing(
    small,
):
    powerless = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    command = [*powerless, sys.executable, "-m", "dvc_mlflow.cli"]
    (small / "records" / ".lock").unlink()
    (small / "records").chmod(0o500)
    assert run(*command, "record", "evaluate", cwd=small, RECORDS_ONLY="yes").stderr == ""
    (small / "records").chmod(0o300)
    assert run(*command, "status", cwd=small, status=2).stderr == f"{small / 'records'}: Permission denied\n"
    (small / "records").chmod(0o700)


def test_without_an_answer_from_the_store_the_rest_is_listed(tracked, status):
    uri = "http://ann:hunter2@127.0.0.1:9"
    assert rows(status, MLFLOW_TRACKING_URI=uri) == [(["workspace"], "whole", "unknown", "")]
    output = status(MLFLOW_TRACKING_URI=uri)
    assert (
        "MLflow: http://***@127.0.0.1:9 (Connection refused)\nWhich results MLflow has is unknown.\n"
        in output
    )
    assert "hunter2" not in output


def test_a_name_in_another_script_is_printed_in_the_locale_c(tracked):
    ascii_alone = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    shutil.rmtree(tracked / "records")
    dvc_mlflow(tracked, "track", MLFLOW_EXPERIMENT_NAME="жук", **ascii_alone)
    (folder,) = records.record_folders(tracked)
    assert records.experiment_of(folder) == "жук"
    printed = dvc_mlflow(tracked, "status", **ascii_alone)
    assert r"\u0436\u0443\u043a" in printed
    assert "Every result has its record and its run." in printed
