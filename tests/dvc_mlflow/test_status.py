"""`sparse-digits status`: what is where, and what is not yet where it should be."""

import json
import shutil

import pytest

import tracking
from dvc_mlflow import records
from small import computed_small, small
from sparse_digits import cli
from tracking import bridge, client_of, dvc, found, names

__all__ = ["computed_small", "small"]  # fixtures


@pytest.fixture(scope="session")
def tracked_small(computed_small, tmp_path_factory, store):
    """The small pipeline, recorded and delivered. Not to be changed."""
    folder = tmp_path_factory.mktemp("tracked") / "a project"
    shutil.copytree(computed_small, folder)
    shutil.copy(store, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tracking.ROOT / "src"))
        bridge(folder, "track")
    return folder


@pytest.fixture
def tracked(small, tracked_small):
    """A copy of it to change; the working directory."""
    shutil.copytree(tracked_small, small, dirs_exist_ok=True)
    return small


@pytest.fixture
def status(capsys, monkeypatch):
    """Run `sparse-digits status` in the working directory, in this process; return what it printed."""

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


def test_a_result_that_is_everywhere_needs_nothing(tracked, status):
    assert rows(status) == [(["workspace"], "whole", "there", "")]
    told = status()
    assert records.record_folders(tracked)[0].name[:12] in told
    assert told.endswith("All is where it should be.\n")


def test_what_is_not_recorded_and_not_delivered_is_named_with_the_command(small, status):
    shutil.rmtree(small / "records")
    dvc(small, "exp", "run", "--temp", "--name", "loose", "-S", "train.C=3")
    shutil.rmtree(small / "records" / "sparse-digits")
    todo = "sparse-digits track"
    assert rows(status) == [
        (["experiment loose"], "missing", "missing", todo),
        (["workspace"], "missing", "missing", todo),
    ]
    assert "(there is no store yet)\nThere is something to do.\n" in status()
    assert "mlflow.db" not in names(small)
    bridge(small, "record")
    assert (["workspace"], "whole", "missing", todo) in rows(status)


def test_what_the_user_deleted_needs_nothing(tracked, status):
    records.save_record(found(0.5, "other"), tracked)
    bridge(tracked, "deliver")
    client = client_of(tracked)
    (run,) = client.search_runs([client.get_experiment_by_name("sparse-digits").experiment_id])
    client.delete_run(run.info.run_id)
    client.delete_experiment(client.get_experiment_by_name("other").experiment_id)
    assert rows(status) == [([], "whole", "deleted", ""), (["workspace"], "whole", "deleted", "")]


def test_damaged_records_and_those_set_aside_are_told_with_the_reason(tracked, status):
    (tracked / "mlflow.db").unlink()
    (records.record_folders(tracked)[0] / "files" / "models" / "model.json").write_text("{}")
    assert rows(status) == [(["workspace"], "damaged", "missing", "sparse-digits track")]
    bridge(tracked, "track")
    reason = "files/models/model.json is not what record.json has the digest of"
    assert f": {reason}\n" in status()
    assert rows(status) == [([], "set aside", "", ""), (["workspace"], "whole", "there", "")]


def test_a_result_that_cannot_be_recorded_is_told_with_the_reason(tracked, status):
    shutil.rmtree(tracked / ".dvc" / "cache")
    (tracked / "models" / "model.json").unlink()
    assert (["workspace"], "impossible", "", "") in rows(status)
    told = status()
    assert "workspace: not in the workspace nor in DVC's cache: models/model.json" in told
    assert told.endswith("\nWhat can be recorded is where it should be.\n")


def test_without_an_answer_from_the_store_the_rest_is_told(tracked, status):
    uri = "http://ann:hunter2@127.0.0.1:9"
    assert rows(status, MLFLOW_TRACKING_URI=uri) == [(["workspace"], "whole", "unknown", "")]
    told = status(MLFLOW_TRACKING_URI=uri)
    assert "MLflow: http://***@127.0.0.1:9 (Connection refused)\nWhat is in MLflow is not known.\n" in told
    assert "hunter2" not in told
