"""Records and stores of version 0.1 still work: its records are read, delivered and verified."""

import json
import shutil
import sqlite3
import sys
import tarfile
from pathlib import Path

import pytest
from mlflow import MlflowClient

import commands
from dvc_mlflow import records
from dvc_mlflow.delivery.deliver import deliver
from dvc_mlflow.delivery.run_tags import record_runs
from dvc_mlflow.store import Store
from dvc_mlflow.verification.run_snapshot import snapshot
from projects import ROOT
from sparse_digits.mlflow_content.content import CONTENT

ARCHIVE = Path(__file__).parent / "fixtures" / "earlier_records.tar.xz"
COMMIT = "d1edca880d3f0ca8e0363300e8d505aa629fe266"  # the code that computed them
FOLDER = "/tmp/old/fix"  # noqa: S108 - the folder that they were computed in, which the store's URIs have
OTHER_NPZ = sys.version_info < (3, 11, 4)  # zipfile wrote other headers, which that code did not even out
STAGES = ("evaluate", "sweep/dvc.yaml:report")
URIS = {"runs": "artifact_uri", "experiments": "artifact_location", "logged_models": "artifact_location"}


def unpack(folder):
    """Unpack records, mlflow.db and mlartifacts, and let the store's URIs name the folder they are in."""
    with tarfile.open(ARCHIVE) as archive:
        # The filter came with Python 3.11.4; before it, there is nothing to set.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        archive.extractall(folder)  # noqa: S202 - an archive of our own
    database = sqlite3.connect(folder / "mlflow.db")
    with database:
        for table, column in URIS.items():
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (FOLDER, str(folder)))  # noqa: S608
    database.close()
    return folder


@pytest.fixture
def earlier(tmp_path):
    """A folder with the earlier records and their store."""
    folder = tmp_path / "earlier"
    folder.mkdir()
    return unpack(folder)


def all_runs(root):
    """Return all runs of a store, deleted ones too, by the record that they show."""
    client = MlflowClient(Store.of(root).uri)
    experiment = client.get_experiment_by_name("sparse-digits").experiment_id
    return client, {run.data.tags["record.result"]: run for run in record_runs(client, experiment)}


def test_every_earlier_record_is_whole(earlier):
    read = [records.read_record(folder) for folder in records.record_folders(earlier)]
    assert sorted(record.stage for record in read) == sorted(STAGES)
    assert {record.code["commit"] for record in read} == {COMMIT}


def test_status_lists_the_earlier_records_with_their_runs(project, sparse_digits):
    unpack(project)
    rows = json.loads(sparse_digits("status", "--json").stdout)["results"]
    recorded = {row["stage"]: (row["record"], row["mlflow"], row["todo"]) for row in rows if row["result"]}
    assert recorded == dict.fromkeys(STAGES, ("whole", "there", ""))


def test_the_earlier_records_delivered_to_an_empty_store_show_what_the_earlier_runs_show(
    earlier, store, tmp_path
):
    new = tmp_path / "new"
    shutil.copytree(earlier / "records", new / "records")
    shutil.copy(store, new)
    assert deliver(new, CONTENT) == 0
    earlier_client, earlier_runs = all_runs(earlier)
    new_client, new_runs = all_runs(new)
    assert new_runs.keys() == earlier_runs.keys()
    assert len(new_runs) == len(STAGES)
    for result, run in earlier_runs.items():
        assert snapshot(new_client, new_runs[result]) == snapshot(earlier_client, run)


def test_the_earlier_store_gets_no_record_a_second_time(earlier):
    client, before = all_runs(earlier)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    number = len(client.search_runs(experiments))
    assert deliver(earlier, CONTENT) == 0
    _, after = all_runs(earlier)
    assert {run.info.run_id for run in after.values()} == {run.info.run_id for run in before.values()}
    assert len(client.search_runs(experiments)) == number


def clone_with_history(folder):
    """Clone the project with its history, and unpack the earlier records and their store there."""
    present = ["git", "-C", ROOT, "cat-file", "-e", f"{COMMIT}^{{commit}}"]
    if commands.run("sh", "-c", '"$@" 2>/dev/null || echo missing', "sh", *present).stdout:
        pytest.skip(f"the history here lacks the commit {COMMIT[:12]}, as an archive or a shallow clone does")
    commands.run("git", "clone", "--quiet", "--shared", ROOT, folder)
    return unpack(folder)


def names_to_verify(folder):
    """Return the identity of the record of `evaluate`, and the run of one point of the sweep.

    The record of the whole sweep cannot be computed again from COMMIT alone: its params.yaml is MNIST's, and
    its sizes, which the sweep does not declare, do not fit digits. A point has all its params in its record.
    """
    client, by_result = all_runs(folder)
    (evaluate,) = (key for key, run in by_result.items() if run.data.params.get("train.C") == "0.05")
    (sweep,) = by_result.keys() - {evaluate}
    (experiment,) = {run.info.experiment_id for run in by_result.values()}
    points = client.search_runs([experiment], f"tags.sweep = '{sweep}' AND params.`train.C` = '0.211'")
    return {"evaluate": evaluate[:8], "a point of the sweep": points[0].info.run_id}


@pytest.mark.slow
@pytest.mark.parametrize("which", ["evaluate", "a point of the sweep"])
def test_an_earlier_result_computed_again_at_its_commit_is_the_same(tmp_path, sparse_digits, which):
    clone = clone_with_history(tmp_path / "a clone")
    name = names_to_verify(clone)[which]
    printed = sparse_digits("verify", name, cwd=clone, status=int(OTHER_NPZ)).stdout
    assert "run: values, files, models" in printed
    assert "rebuilt: metric accuracy" in printed
    differing = {line.split()[1] for line in printed.splitlines() if line.endswith("DIFFERS")}
    assert differing == ({"data/raw.npz", "results/model.npz"} if OTHER_NPZ else set())
    assert printed.endswith(" are the same.\n")
