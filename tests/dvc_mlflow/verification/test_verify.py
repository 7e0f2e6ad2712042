"""Results that are computed again, and runs that were edited."""

import sys
from dataclasses import replace

import pytest
import sklearn
import skops.io
import sqlalchemy
from sklearn.preprocessing import StandardScaler

import commands
from dvc_mlflow import provenance, records
from dvc_mlflow.delivery import run_tags
from dvc_mlflow.delivery.deliver import deliver
from dvc_mlflow.errors import UserError
from dvc_mlflow.files import md5_of_bytes
from dvc_mlflow.project import Project
from dvc_mlflow.run_content import RunContent
from dvc_mlflow.verification import run_snapshot
from dvc_mlflow.verification.verify import _compare_values, verify
from small import computed_small, small
from sparse_digits import model
from sparse_digits.mlflow_content.content import CONTENT
from sparse_digits.predict.sklearn_pipeline import to_pipeline
from tracking import EXPERIMENT, SHOWN, client_of, collected, dvc, git

__all__ = ["computed_small", "small"]  # fixtures


def printed(capsys):
    return capsys.readouterr().out


def digest_of(folder):
    (one,) = records.record_folders(folder)
    return one.name


@pytest.mark.slow
def test_a_run_of_the_real_pipeline_computed_again_is_the_same_byte_for_byte(computed, sparse_digits):
    sparse_digits("track")
    digest = digest_of(computed)
    output = sparse_digits("verify", digest[:8]).stdout
    for path in ("data/raw.npz", "results/model.npz", "results/metrics.json", "results/coefficients.png"):
        assert f"rebuilt: {path} " in output
    assert "DIFFERS" not in output
    assert output.endswith(" are the same.\n")
    assert len(records.record_folders(computed)) == 1
    assert git(computed, "status", "--porcelain") == ""


def test_a_run_that_was_edited_differs_from_its_record(tmp_path, store, capsys):
    (tmp_path / "mlflow.db").write_bytes(store.read_bytes())
    records.save_record(collected(0.02), tmp_path)
    deliver(tmp_path, SHOWN)
    client = client_of(tmp_path)
    (run,) = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    assert not verify(run.info.run_id, Project(tmp_path, tmp_path), SHOWN)  # its commit is made up
    assert "DIFFERS" not in printed(capsys)

    client.log_metric(run.info.run_id, "accuracy", 0.999)
    (artifact,) = (tmp_path / "mlartifacts").rglob("model.json")
    artifact.write_text("{}")
    (image,) = (tmp_path / "mlartifacts").rglob("class*.png")
    image.write_bytes(image.read_bytes() + b"\n")
    assert not verify(run.info.run_id, Project(tmp_path, tmp_path), SHOWN)
    output = printed(capsys)
    assert "MLflow does not return a file with such a name: eval/plots/a #1 50 %.csv" in output
    differing = [line.split()[:2] for line in output.splitlines() if line.endswith("DIFFERS")]
    image_row = ["run:", "images/class+step+0+.png"]
    assert differing == [["run:", "accuracy"], image_row, ["run:", "models/model.json"]]


def test_a_point_within_a_history_that_was_edited_differs_and_one_without_a_number_is_the_same(
    tmp_path, store, capsys
):
    (tmp_path / "mlflow.db").write_bytes(store.read_bytes())
    metrics = {"accuracy": 0.98, "undefined": float("nan")}
    plots = [{"path": "eval/plots/a #1 50 %.csv", "x": "x", "y": "y"}]
    one = collected(0.02, metrics=metrics, plots=plots)
    curve = b"x,y\n0,1\n1,2\n2,5\n"
    outputs = one.record.outputs | {"eval/plots/a #1 50 %.csv": md5_of_bytes(curve)}
    record = replace(one.record, outputs=outputs, result="")
    record = replace(record, result=records.identity_of(record))
    files = one.files | {"eval/plots/a #1 50 %.csv": curve}
    records.save_record(records.CollectedResult(record, files, []), tmp_path)
    deliver(tmp_path, SHOWN)
    client = client_of(tmp_path)
    (run,) = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    (key,) = (key for key in run.data.metrics if key.endswith("/y"))
    verify(record.result, Project(tmp_path, tmp_path), SHOWN)
    assert "DIFFERS" not in printed(capsys)
    client.log_metric(run.info.run_id, key, 7, timestamp=1, step=1)
    client.log_metric(run.info.run_id, key, 3, step=-1)
    assert client.get_run(run.info.run_id).data.metrics[key] == 5
    verify(record.result, Project(tmp_path, tmp_path), SHOWN)
    differing = [line.split() for line in printed(capsys).splitlines() if line.endswith("DIFFERS")]
    assert [words[-4:] for words in differing] == [
        ["-1", "none", "3", "DIFFERS"],
        ["2", "[7.0,", "2.0]", "DIFFERS"],
    ]


def test_a_child_beyond_the_first_page_that_was_edited_differs(tmp_path, store, monkeypatch):
    monkeypatch.setattr(run_tags, "RUNS", 2)
    (tmp_path / "mlflow.db").write_bytes(store.read_bytes())
    records.save_record(collected(0.02), tmp_path)

    def add(client, run, one, folder):
        for i in range(5):
            tags = {"mlflow.parentRunId": run.info.run_id}
            child = client.create_run(run.info.experiment_id, 0, tags, f"point {i}")
            client.log_metric(child.info.run_id, "accuracy", i)
            for step in range(3):
                client.log_metric(child.info.run_id, "loss", 1 / (i + step + 1), step=step)

    content = RunContent(SHOWN.title, SHOWN.dataset, add)
    deliver(tmp_path, content)
    client = client_of(tmp_path)
    (run,) = run_tags.record_runs(client, client.get_experiment_by_name(EXPERIMENT).experiment_id)
    expected = run_snapshot.expected_snapshot(collected(0.02).record.folder(tmp_path), content)
    assert run_snapshot.snapshot(client, run) == expected
    first = next(child for child in run_tags.child_runs(client, run) if child.info.run_name == "point 0")
    client.log_metric(first.info.run_id, "accuracy", 0.5)
    client.log_metric(first.info.run_id, "loss", 7, step=1)
    found = run_snapshot.snapshot(client, run)
    differing = {key for key in expected if found[key] != expected[key]}
    assert differing == {"point 0: accuracy", "point 0: loss"}
    (_, *compared) = _compare_values(client, run, {})
    assert [one.same for one in compared] == [False]  # nothing to compare is no success


def test_a_snapshot_of_many_children_asks_the_store_as_often_as_one_of_few(tmp_path, store):
    (tmp_path / "mlflow.db").write_bytes(store.read_bytes())
    records.save_record(collected(0.02), tmp_path)
    deliver(tmp_path, SHOWN)
    client, questions = client_of(tmp_path), []
    (run,) = run_tags.record_runs(client, client.get_experiment_by_name(EXPERIMENT).experiment_id)

    def count(*_):
        questions[-1] += 1

    def add_children(names):
        for name in names:
            tags = {"mlflow.parentRunId": run.info.run_id}
            child = client.create_run(run.info.experiment_id, 0, tags, name).info.run_id
            client.log_metric(child, "accuracy", 0.5)
            client.log_param(child, "C", 0.02)
            client.log_text(child, name, "folder/name.txt")

    for names in ("ab", "cdefgh"):
        add_children(names)
        questions.append(0)
        sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", count)
        try:
            found = run_snapshot.snapshot(client, run)
        finally:
            sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", count)
        assert {f"{name}: folder/name.txt" for name in names} <= found.keys()
    assert questions[0] == questions[1]


def test_a_model_or_an_image_that_was_replaced_in_the_store_differs(computed, sparse_digits):
    sparse_digits("track")
    (folder,) = records.record_folders(computed)
    client = client_of(computed)
    (run,) = run_tags.record_runs(client, client.get_experiment_by_name("sparse-digits").experiment_id)
    expected = run_snapshot.expected_snapshot(folder, CONTENT)
    assert run_snapshot.snapshot(client, run) == expected
    assert len([key for key in expected if key.startswith("images/")]) == 2 * 11
    assert "model C-0_05: model.skops" in expected

    (packed,) = (computed / "mlartifacts").rglob("model.skops")
    other = to_pipeline(model.read(computed / "results/model.npz"))
    other[-1].coef_ = -other[-1].coef_
    skops.io.dump(other, packed)
    zero, one = (next((computed / "mlartifacts").rglob(f"class+step+{digit}+*.png")) for digit in (0, 1))
    zero.write_bytes(one.read_bytes())
    found = run_snapshot.snapshot(client, run)
    differing = {key for key in expected if found.get(key) != expected[key]}
    assert differing == {"model C-0_05: model.skops", "images/class+step+0+.png"}

    packed.write_bytes(b"not one")
    assert (
        run_snapshot.snapshot(client, run)["model C-0_05: model.skops"]
        == "BadZipFile: File is not a zip file"
    )


def test_a_model_that_another_version_of_scikit_learn_saved_is_compared_by_what_it_holds(
    tmp_path, monkeypatch
):
    digests = []
    for version in (sklearn.__version__, "1.0"):
        monkeypatch.setattr(sklearn.base, "__version__", version)
        skops.io.dump(StandardScaler().fit([[1.0], [2.0]]), tmp_path / "model.skops")
        monkeypatch.undo()
        digests.append(run_snapshot._digest(tmp_path / "model.skops"))
    assert digests[0] == digests[1]
    assert " " not in digests[0]  # the text of an error


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (None, "the code that computed it is unknown"),
        (
            {"commit": "c" * 40, "dirty": True},
            "it was computed by code that differs from the commit cccccccccccc, and no commit here has it",
        ),
        (
            {"commit": "c" * 40, "dirty": False},
            "this repository has no commit cccccccccccc. To bring it: git fetch",
        ),
    ],
)
def test_a_record_that_cannot_be_computed_again_is_reported_with_the_reason(tmp_path, capsys, code, reason):
    git(tmp_path, "init", "--quiet")
    records.save_record(collected(0.02, code=code), tmp_path)
    assert not verify(digest_of(tmp_path), Project(tmp_path, tmp_path), SHOWN)
    output = printed(capsys)
    assert f"It cannot be computed again: {reason}." in output
    assert "No run in MLflow shows it." in output


def test_another_environment_is_printed_and_the_result_compared_anyway(small, capsys):
    (one,) = map(records.read_record, records.record_folders(small))
    other = replace(one, experiment="other", environment=one.environment | {"numpy": "1.0"})
    commands.run("rm", "-r", small / "records", cwd=small)
    records.save_record(
        records.CollectedResult(other, {path: (small / path).read_bytes() for path in one.outputs}, []), small
    )
    assert verify(one.result, Project.read(small), SHOWN)
    output = printed(capsys)
    assert f"The environment differs: numpy was 1.0, is {provenance.environment()['numpy']}.\n" in output
    assert "rebuilt: models/model.json" in output
    assert "rebuilt: data/prepared" in output


def test_an_experiment_computed_by_uncommitted_code_is_computed_again_from_its_own_commit(small, capsys):
    commands.run("rm", "-r", small / "records", cwd=small)
    code = small / "evaluate.py"
    code.write_text(code.read_text().replace("1 - C", "0.5 - C"))
    dvc(small, "exp", "run", "--temp", "--name", "halved", "-S", "train.C=0.25")
    code.write_text(code.read_text().replace("0.5 - C", "1 - C"))
    (one,) = map(records.read_record, records.record_folders(small))
    assert (one.code["dirty"], one.metrics["accuracy"]) == (True, 0.25)
    assert verify(one.result[:6], Project.read(small), SHOWN)
    assert "rebuilt: metric accuracy" in printed(capsys)
    dvc(small, "exp", "remove", "halved")
    assert not verify(one.result[:6], Project.read(small), SHOWN)
    assert "It cannot be computed again: it was computed by code that differs" in printed(capsys)


def test_a_commit_that_computes_other_bytes_differs(small, capsys):
    (one,) = map(records.read_record, records.record_folders(small))
    code = small / "evaluate.py"
    code.write_text(code.read_text().replace("0, 0]", "0, 1]"))
    git(small, "commit", "--quiet", "--all", "--message", "Other bytes")
    other = replace(one, experiment="other", code={"commit": git(small, "rev-parse", "HEAD"), "dirty": False})
    commands.run("rm", "-r", small / "records", cwd=small)
    records.save_record(
        records.CollectedResult(other, {path: (small / path).read_bytes() for path in one.outputs}, []), small
    )
    command = (sys.executable, "-m", "dvc_mlflow.cli", "verify", one.result)
    done = commands.run(*command, cwd=small, status=1)
    differing = [line.split()[:2] for line in done.stdout.splitlines() if line.endswith("DIFFERS")]
    assert differing == [["rebuilt:", "models/model.json"]]


def test_a_name_of_no_record_or_several_is_a_user_error(tmp_path, store):
    (tmp_path / "mlflow.db").write_bytes(store.read_bytes())
    records.save_record(collected(0.02), tmp_path)
    records.save_record(collected(0.03), tmp_path)
    with pytest.raises(UserError, match="begin with it"):
        verify("", Project(tmp_path, tmp_path), SHOWN)
    with pytest.raises(UserError, match="expected the id of a run with a record here"):
        verify("f" * 32, Project(tmp_path, tmp_path), SHOWN)
