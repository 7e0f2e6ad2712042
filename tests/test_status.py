"""`sparse-digits status`: what is where, and what is not yet where it should be."""

import json
import shutil
import sys

import commands
import pytest
from small import computed_small, small
from tracking import bridge, client_of, dvc, found, names

from sparse_digits import record

__all__ = ["computed_small", "small"]  # fixtures


@pytest.fixture
def tracked(small, store):
    """The small pipeline, recorded and delivered."""
    shutil.copy(store, small)
    bridge(small, "track")
    return small


def status(folder, *arguments, **environment):
    command = (sys.executable, "-m", "sparse_digits.cli", "status", *arguments)
    done = commands.run(*command, cwd=folder, **environment)
    assert done.stderr == ""
    return done.stdout


def rows(folder, **environment):
    content = json.loads(status(folder, "--json", **environment))
    return [
        (row["found"], row["record"], row["mlflow"], row["todo"])
        for row in sorted(content["results"], key=lambda row: str(row["experiment"]))
    ]


def test_a_result_that_is_everywhere_needs_nothing(tracked):
    assert rows(tracked) == [(["workspace"], "whole", "there", "")]
    told = status(tracked)
    assert record.folders(tracked)[0].name[:12] in told
    assert told.endswith("All is where it should be.\n")


def test_what_is_not_recorded_and_not_delivered_is_named_with_the_command(small):
    shutil.rmtree(small / "records")
    dvc(small, "exp", "run", "--temp", "--name", "loose", "-S", "train.C=3")
    shutil.rmtree(small / "records" / "sparse-digits")
    todo = "sparse-digits track"
    assert rows(small) == [
        (["experiment loose"], "missing", "missing", todo),
        (["workspace"], "missing", "missing", todo),
    ]
    assert "(there is no store yet)\nThere is something to do.\n" in status(small)
    assert "mlflow.db" not in names(small)
    bridge(small, "record")
    assert (["workspace"], "whole", "missing", todo) in rows(small)


def test_what_the_user_deleted_needs_nothing(tracked):
    record.keep(found(0.5, "other"), tracked)
    bridge(tracked, "deliver")
    client = client_of(tracked)
    (run,) = client.search_runs([client.get_experiment_by_name("sparse-digits").experiment_id])
    client.delete_run(run.info.run_id)
    client.delete_experiment(client.get_experiment_by_name("other").experiment_id)
    assert rows(tracked) == [([], "whole", "deleted", ""), (["workspace"], "whole", "deleted", "")]


def test_damaged_records_and_those_set_aside_are_told_with_the_reason(tracked):
    (tracked / "mlflow.db").unlink()
    (record.folders(tracked)[0] / "files" / "models" / "model.json").write_text("{}")
    assert rows(tracked) == [(["workspace"], "damaged", "missing", "sparse-digits track")]
    bridge(tracked, "track")
    reason = "files/models/model.json is not what record.json has the digest of"
    assert f": {reason}\n" in status(tracked)
    assert rows(tracked) == [([], "set aside", "", ""), (["workspace"], "whole", "there", "")]


def test_a_result_that_cannot_be_recorded_is_told_with_the_reason(tracked):
    shutil.rmtree(tracked / ".dvc" / "cache")
    (tracked / "models" / "model.json").unlink()
    assert (["workspace"], "impossible", "", "") in rows(tracked)
    told = status(tracked)
    assert "workspace: not in the workspace nor in DVC's cache: models/model.json" in told
    assert told.endswith("\nWhat can be recorded is where it should be.\n")


def test_without_an_answer_from_the_store_the_rest_is_told(tracked):
    uri = "http://ann:hunter2@127.0.0.1:9"
    assert rows(tracked, MLFLOW_TRACKING_URI=uri) == [(["workspace"], "whole", "unknown", "")]
    told = status(tracked, MLFLOW_TRACKING_URI=uri)
    assert "MLflow: http://***@127.0.0.1:9 (Connection refused)\nWhat is in MLflow is not known.\n" in told
    assert "hunter2" not in told
