"""The real `dvc` on digits: which stages run after a change, what is restored, and what MLflow gets."""

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.types import DataType

from sparse_digits import model
from sparse_digits.runtime.npz import read_npz
from sparse_digits.sweep import csv_table
from sweeps import SWEPT_CS

RESULTS = (
    "results/metrics.json",
    "results/coefficients.png",
    "results/confusion.csv",
    "results/per_class.csv",
    "results/model.npz",
)
DATA = ("data/raw.npz", "data/split.npz", "data/scaled.npz")


def stages_run(done):
    """Return the stages that a finished `dvc` ran."""
    return re.findall(r"^Running stage '(\w+)':$", done.stdout, re.MULTILINE)


def test_a_faulty_value_of_an_experiment_is_reported_and_nothing_is_lost(computed, dvc, git):
    outputs = ["results/model.npz", "results/metrics.json"]
    before = [Path(path).read_bytes() for path in outputs]
    refused = dvc("exp", "run", "-S", "train.C=abc", status=255).stderr
    assert "params.yaml: 1 fault\n  train.C: expected a number > 0, got 'abc' (line " in refused
    (command,) = re.findall(r"To restore them: (dvc checkout .*)", refused)
    git("checkout", "--quiet", "params.yaml")
    dvc(*command.split()[1:])
    assert [Path(path).read_bytes() for path in outputs] == before
    assert "Could not override 'train.tols'" in dvc("exp", "run", "-S", "train.tols=1", status=255).stderr
    assert git("status", "--porcelain") == ""


def change(path, old, new):
    text = Path(path).read_text()
    assert text.count(old) == 1
    Path(path).write_text(text.replace(old, new))


def contents(*paths, folder=Path()):
    return {path: (folder / path).read_bytes() for path in paths}


def metrics(folder=Path()):
    return json.loads((folder / "results/metrics.json").read_text())


# --- what runs --------------------------------------------------------------------------------------------


def test_a_second_repro_runs_nothing(computed, dvc, git):
    before = contents("dvc.lock", *RESULTS, *DATA)
    assert stages_run(dvc("repro")) == []
    assert contents("dvc.lock", *RESULTS, *DATA) == before
    assert git("status", "--porcelain") == ""


@pytest.mark.slow
def test_a_forced_repro_leaves_the_lock_and_every_byte_as_they_were(computed, dvc, git):
    before = contents("dvc.lock", *RESULTS, *DATA)
    done = dvc("repro", "--force", RECORDS_ONLY="yes")
    assert stages_run(done) == ["fetch", "split", "scale", "train", "evaluate"]
    assert contents("dvc.lock", *RESULTS, *DATA) == before
    assert git("status", "--porcelain") == ""


@pytest.mark.slow
def test_another_C_trains_and_evaluates_and_the_old_C_runs_nothing(computed, dvc, git):
    before = contents(*RESULTS)
    change("params.yaml", "C: 0.05 ", "C: 0.03 ")
    assert stages_run(dvc("repro", RECORDS_ONLY="yes")) == ["train", "evaluate"]
    after = contents(*RESULTS)
    assert all(after[path] != before[path] for path in RESULTS)

    git("checkout", "--quiet", "params.yaml")
    for path in RESULTS:
        Path(path).unlink()
    done = dvc("repro")
    assert stages_run(done) == []
    assert "Stage 'evaluate' is cached - skipping run, checking out outputs" in done.stdout
    assert contents(*RESULTS) == before  # those in git too, which DVC keeps in its cache for this alone
    assert git("status", "--porcelain") == ""


def stale_stages(dvc):
    """Return the stages of the first pipeline that DVC would run."""
    return {name for name in json.loads(dvc("status", "--json").stdout) if not name.startswith("sweep/")}


def test_another_split_does_not_fetch(computed, dvc):
    change("params.yaml", "\n  seed: 0\n", "\n  seed: 1\n")
    assert stages_run(dvc("repro", "split")) == ["split"]
    assert stale_stages(dvc) == {"scale", "evaluate"}  # which read its output


@pytest.mark.parametrize(
    ("module", "stale"),
    [
        ("sparse_digits/figures.py", {"evaluate"}),
        ("l1path/objective.py", {"train", "evaluate"}),
        ("dvc_mlflow/provenance.py", set()),
        ("sparse_digits/cli.py", set()),
    ],
)
def test_changed_code_makes_only_the_stages_stale_that_use_it(computed, dvc, module, stale):
    with (computed / "src" / module).open("a") as file:
        file.write("# changed\n")
    assert stale_stages(dvc) == stale


# --- an error in params.yaml -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fetch", "split", "scale", "train", "evaluate"])
def test_the_command_in_the_message_restores_what_dvc_removed_before_the_stage_refused_its_params(
    computed, dvc, name
):
    before = contents(*RESULTS, *DATA)
    with Path("params.yaml").open("a") as file:
        file.write("serving: 1\n")  # an error that makes no stage stale
    line = len(Path("params.yaml").read_text().splitlines())
    with Path(f"src/sparse_digits/{name}.py").open("a") as file:
        file.write("# changed\n")  # this does

    done = dvc("repro", status=255)
    assert stages_run(done) == [name]
    assert (
        f"params.yaml: 1 fault\n  serving: no such key; there are fetch, split, train, sweep (line {line})\n"
        in done.stderr
    )
    assert "Traceback" not in done.stderr
    assert [path for path in before if not Path(path).exists()]

    (command,) = re.findall(r"^DVC removed .* To restore them: (.*)$", done.stderr, re.MULTILINE)
    subprocess.run(command, shell=True, check=True, capture_output=True)  # noqa: S602 - as printed
    assert contents(*RESULTS, *DATA) == before


def test_an_invalid_value_is_reported_once_and_no_later_stage_runs(computed, dvc):
    change("params.yaml", "C: 0.05 ", "C: minus one ")
    done = dvc("repro", status=255)
    assert stages_run(done) == ["train"]
    assert re.search(
        r"^params.yaml: 1 fault\n"
        r"  train.C: expected a number > 0, got 'minus one' \(line \d+\)\n"
        r"DVC removed .*: dvc checkout results/model.npz\n",
        done.stderr,
        re.MULTILINE,
    )


def test_the_command_in_the_message_restores_a_dvc_lock_that_was_half_written(computed, dvc, sparse_digits):
    before = contents("dvc.lock", *RESULTS, *DATA)
    Path("dvc.lock").write_text("")
    done = sparse_digits("repro", status=255)
    assert "Traceback" not in done.stderr
    (line,) = re.findall(r"To restore it: (git checkout \S+) ", done.stderr)
    assert f"{line} " in sparse_digits("status").stdout
    subprocess.run(line, shell=True, check=True, capture_output=True)  # noqa: S602 - as printed
    assert stages_run(dvc("repro")) == []
    assert contents("dvc.lock", *RESULTS, *DATA) == before


def test_the_message_names_no_command_if_dvc_removed_nothing(project, dvc):
    change("params.yaml", "C: 0.05 ", "C: minus one ")
    assert "To restore them" not in dvc("repro", status=255).stderr


# --- experiments ------------------------------------------------------------------------------------------


@pytest.mark.slow(15)
def test_exp_show_has_the_params_and_metrics_of_every_experiment(tried, digits, dvc):
    rows = json.loads(dvc("exp", "show", "--json", cwd=tried).stdout)
    by_name = {
        row["name"]: row
        for commit in rows
        for group in [[commit], *(each["revs"] for each in commit["experiments"] or [])]
        for row in group
    }
    for name, folder, C in [("main", digits, 0.05), ("weaker", tried, 0.02)]:
        data = by_name[name]["data"]
        assert data["params"]["params.yaml"]["data"]["train"]["C"] == C
        assert data["metrics"]["results/metrics.json"]["data"] == metrics(folder)


def test_an_experiment_with_another_C_trains_and_evaluates(tried):
    printed = (tried.parent / "printed").read_text()
    assert re.findall(r"^Running stage '(\w+)':$", printed, re.MULTILINE) == ["train", "evaluate"]


def test_metrics_diff_has_every_metric_of_both(tried, digits, dvc):
    ((path, diff),) = json.loads(dvc("metrics", "diff", "--json", cwd=tried).stdout).items()
    old, new = metrics(digits), metrics(tried)
    assert path == "results/metrics.json"
    assert new["sparsity"] > old["sparsity"]
    assert {name: (value["old"], value["new"]) for name, value in diff.items()} == {
        name: (old[name], new[name]) for name in old if old[name] != new[name]
    }


@pytest.mark.slow
def test_plots_show_has_the_picture_and_the_confusion_matrix(tried, dvc, git):
    shown = json.loads(dvc("plots", "show", "--json", cwd=tried).stdout)["data"]
    (picture,) = shown["results/coefficients.png"]
    assert Path(picture["url"]).read_bytes() == (tried / "results/coefficients.png").read_bytes()
    (matrix,) = shown["results/confusion.csv"]
    assert len(matrix["content"]["data"]["values"]) == 500
    encodings = json.dumps(matrix["content"])
    assert '"field": "actual"' in encodings
    assert '"field": "predicted"' in encodings
    assert '"op": "count"' in encodings  # DVC's confusion template counts the rows
    assert "dvc_plots" not in git("status", "--porcelain", cwd=tried)  # where DVC puts them


@pytest.mark.slow(20)
def test_a_queued_experiment_computes_with_the_queued_code_and_is_delivered_to_the_main_store(
    computed, dvc, git
):
    def edit(which):
        git("checkout", "--quiet", "src")
        line = "values = {metric.name: "
        change("src/sparse_digits/metrics.py", line, f'values = {{"code": {which}}} | {{metric.name: ')

    edit(1)
    dvc("exp", "run", "--queue", "--name", "queued")
    edit(2)
    dvc("exp", "run", "--run-all")
    assert json.loads(git("show", f"{experiment(git, 'queued')}:results/metrics.json"))["code"] == 1
    (run,) = runs(computed, "sparse-digits")
    assert run.info.status == "FINISHED"
    assert run.data.metrics["code"] == 1
    assert run.data.tags["record.name"] == "queued"
    assert "(queued)" in run.info.run_name
    assert (computed / "mlartifacts").is_dir()
    assert not list(Path(".dvc/tmp").rglob("mlflow.db"))


def experiment(git, name):
    """Return the ref of a DVC experiment."""
    refs = git("for-each-ref", "--format=%(refname)", "refs/exps").split()
    (ref,) = [ref for ref in refs if ref.endswith(f"/{name}")]
    return ref


# --- MLflow -----------------------------------------------------------------------------------------------


def runs(folder, name):
    """Return the runs of an experiment in a project's store."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    return client.search_runs([client.get_experiment_by_name(name).experiment_id])


@pytest.fixture
def run(digits):
    """The one run that `dvc repro` left in the store."""
    (only,) = runs(digits, "sparse-digits")
    return only


def local(uri):
    """Return the path of a file: address."""
    return Path(url2pathname(urlsplit(uri).path))


def artifacts(run):
    """Return the bytes of a run's artifacts by path."""
    root = local(run.info.artifact_uri)
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_repro_ends_with_one_finished_run(run, digits):
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "C=0.05 saga"
    with closing(sqlite3.connect(digits / "mlflow.db")) as store:  # in whatever experiment
        assert store.execute("select count(*) from runs").fetchone() == (1,)


def test_the_run_has_every_param_by_its_full_name_and_log10_C(run, digits):
    made_with = model.read(digits / "results/model.npz").params
    assert run.data.params == {name: str(value) for name, value in made_with.items()}
    assert run.data.metrics["log10_C"] == pytest.approx(np.log10(0.05), abs=1e-4)


def test_the_run_has_every_metric_and_the_seconds_of_each_stage(run, digits):
    logged = dict(run.data.metrics)
    seconds = {name: logged.pop(name) for name in list(logged) if name.startswith("seconds_")}
    assert set(seconds) == {f"seconds_{name}" for name in ("fetch", "split", "scale", "train", "evaluate")}
    assert all(0 < value < 600 for value in seconds.values())
    del logged["log10_C"]
    written = {name: float(value) for name, value in metrics(digits).items()}
    of_classes = csv_table.read_csv(digits / "results/per_class.csv")
    for name in ("precision", "recall", "f1", "roc_auc"):
        written |= {f"per_class/{name}": of_classes[name][-1], f"{name}_macro": of_classes[name].mean()}
    assert logged == pytest.approx(written, rel=1e-5)  # MLflow rounds to six digits


def test_the_run_has_the_figure_and_an_image_of_each_class_and_the_confusion_table(run, digits):
    stored = artifacts(run)
    for path in RESULTS:
        assert stored[path] == (digits / path).read_bytes()
    images = [path for path in stored if path.startswith("images/class") and path.endswith(".png")]
    assert sorted(int(re.search(r"step.(\d+)", path)[1]) for path in images) == list(range(10))
    keys = {path.partition("+")[0] for path in stored if path.startswith("images/")}
    assert keys == {"images/coef", "images/class"}  # those of the project, in place of its plots


def test_the_run_has_the_data_set_with_its_digest(run, digits):
    (given,) = run.inputs.dataset_inputs
    lock = (digits / "dvc.lock").read_text()
    assert given.dataset.name == "digits"
    assert f"path: data/raw.npz\n      hash: md5\n      md5: {given.dataset.digest}\n" in lock


def test_the_run_has_mlflows_source_and_git_tags_and_the_locks_digests(run, digits, git):
    tags = run.data.tags
    code_commit = git("rev-list", "--max-parents=0", "HEAD", cwd=digits).strip()
    assert tags["mlflow.source.git.commit"] == code_commit  # the results were committed after it
    assert tags["record.code"] == code_commit[:12]
    assert tags["mlflow.source.name"] == "dvc repro evaluate"
    assert tags["mlflow.source.type"] == "LOCAL"
    client = MlflowClient(f"sqlite:///{digits}/mlflow.db")
    record = json.loads(Path(client.download_artifacts(run.info.run_id, "record.json")).read_text())
    assert record["environment"]["scikit-learn"]
    lock = (digits / "dvc.lock").read_text()
    digests = dict(re.findall(r"path: (\S+)\n +hash: md5\n +md5: (\S+)", lock))
    assert record["digests"] == digests


def test_the_runs_model_is_loaded_by_mlflow_and_predicts_what_the_projects_does(run, digits):
    client = MlflowClient(f"sqlite:///{digits}/mlflow.db")
    (logged,) = client.search_logged_models([run.info.experiment_id])
    assert logged.source_run_id == run.info.run_id
    _, rows = read_npz(digits / "data/split.npz")
    fit = model.read(digits / "results/model.npz")
    loaded = mlflow.sklearn.load_model(str(local(logged.artifact_location)))
    assert (loaded.predict(rows["test_images"]) == fit.predict(rows["test_images"])).all()
    scores = fit.decision_function(rows["test_images"])
    np.testing.assert_allclose(loaded.decision_function(rows["test_images"]), scores, rtol=1e-12, atol=1e-12)

    saved = mlflow.models.Model.load(local(logged.artifact_location))
    assert saved.signature.inputs.input_types() == [DataType.double] * 64
    assert saved.saved_input_example_info["type"] == "ndarray"
    requirements = (local(logged.artifact_location) / "requirements.txt").read_text()
    assert re.search(r"^scikit-learn==\d", requirements, re.MULTILINE)


# --- start-up ---------------------------------------------------------------------------------------------


HEAVY = ("sklearn", "scipy", "numba", "pandas", "matplotlib", "mlflow", "dvc", "sqlalchemy")


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        ("fetch - -", {"sklearn", "scipy", "pandas"}),  # digits come from there
        ("split data/raw.npz -", set()),
        ("scale data/split.npz -", set()),
        (
            "train data/scaled.npz -",
            {"sklearn", "scipy", "pandas"},
        ),  # SAGA; pandas: scikit-learn's own import
        (
            "evaluate data/split.npz data/scaled.npz results/model.npz - - - - - -",
            {"matplotlib", "numba", "scipy"},
        ),
    ],
)
def test_a_stage_imports_no_heavy_library_that_it_does_not_need(digits, tmp_path, words, needed):
    name, *arguments = words.split()
    arguments = [str(tmp_path / str(n)) if word == "-" else word for n, word in enumerate(arguments)]
    code = f"import sys; from sparse_digits.{name} import main; main(sys.argv[1:]); print(*sys.modules)"
    assert heavy(code, *arguments, cwd=digits) == needed


@pytest.mark.parametrize(
    ("code", "needed"),
    [
        ("from sparse_digits import fetch", set()),  # MNIST needs none of them
        ("from sparse_digits import cli; cli.main(['check'])", set()),
        ("from sparse_digits import cli, model; cli.dvc_mlflow.cli.prepare_recording()", {"dvc"}),
        (
            "from dvc_mlflow import cli; cli.prepare_delivery(cli.Project.find())",
            {"matplotlib", "mlflow", "pandas", "scipy", "sqlalchemy"},  # pandas, scipy: MLflow's own imports
        ),
    ],
)
def test_a_command_imports_no_heavy_library_that_it_does_not_need(digits, code, needed):
    assert heavy(f"import sys; {code}; print(*sys.modules)", cwd=digits) == needed


def heavy(code, *arguments, cwd):
    """Return the heavy libraries that a process had imported in the end."""
    words = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=True)
    return set(HEAVY) & set(done.stdout.strip().split("\n")[-1].split())


def test_the_report_of_a_sweep_shows_its_figures_and_dvc_plots_its_table(swept, dvc):
    page = (swept / "sweep/report.md").read_text()
    assert "[report.html](report.html)" in page
    images = re.findall(r"!\[.*?\]\((.*?)\)", page)
    assert len(images) == 6
    assert all((swept / "sweep" / name).read_bytes().startswith(b"\x89PNG") for name in images)
    shown = json.loads(dvc("plots", "show", "--json", "sweep/sweep.csv", cwd=swept).stdout)["data"]
    (plot,) = shown["sweep/sweep.csv"]
    assert plot["content"]["encoding"]["x"]["field"] == "sparsity"
    assert [float(point["C"]) for point in plot["content"]["data"]["values"]] == SWEPT_CS
