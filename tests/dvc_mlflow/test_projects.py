"""Projects in the shapes that public ones have, computed by the real `dvc`, as MLflow's client sees them."""

import importlib.util
import pathlib
import textwrap

import mlflow
import mlflow.runs
import mlflow.store.artifact.cli
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from dvc_mlflow import cli
from projects import ROOT
from tracking import artifacts_of, client_of, dvc, git

pytestmark = pytest.mark.slow

NUMBERS = "import json, pathlib, sys\nfrom dvc.utils.serialize import load_yaml\n"


def write(folder, files):
    """Write texts by path."""
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(textwrap.dedent(text))
    return folder


def track(folder, store):
    """Run `dvc-mlflow track` in this process, which has imported MLflow; return its client and its runs."""
    (folder / "mlflow.db").write_bytes(store.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", str(ROOT / "src"))
        with pytest.raises(SystemExit) as end:
            cli.main(["track"])
    assert end.value.code == 0
    client = client_of(folder)
    experiment = client.get_experiment_by_name(folder.name)
    runs = client.search_runs([experiment.experiment_id])
    return client, {run.info.run_name: run for run in runs}


def history(client, run, key):
    return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, key)]


def histories(client, run):
    """Return the number of points of each metric that has more than one."""
    numbers = {key: len(history(client, run, key)) for key in run.data.metrics}
    return {key: number for key, number in numbers.items() if number > 1}


def images_of(paths):
    """Return key and step of the images that MLflow's comparison of runs shows."""
    names = [path.removeprefix("images/").split("+") for path in paths if path.startswith("images/")]
    return sorted({(name[0].replace("~", "/"), int(name[2])) for name in names})


# The shape of github.com/treeverse/example-get-started: four stages, and what DVCLive writes in the last one.

GET_STARTED = {
    "params.yaml": """\
        prepare: {split: 0.25}
        featurize: {max_features: 2}
        train: {C: 10.0}
        """,
    "data/data.csv": "".join(f"{i % 7},{i % 3},{int(i % 7 > 3)}\n" for i in range(40)),
    "src/prepare.py": NUMBERS
    + """
rows = pathlib.Path("data/data.csv").read_text().splitlines()
cut = int(len(rows) * load_yaml("params.yaml")["prepare"]["split"])
folder = pathlib.Path("data/prepared")
folder.mkdir(parents=True, exist_ok=True)
for name, part in (("test", rows[:cut]), ("train", rows[cut:])):
    (folder / f"{name}.csv").write_text("\\n".join(part) + "\\n")
""",
    "src/featurize.py": NUMBERS
    + """
folder = pathlib.Path("data/features")
folder.mkdir(parents=True, exist_ok=True)
for name in ("test", "train"):
    text = pathlib.Path(f"data/prepared/{name}.csv").read_text()
    (folder / f"{name}.csv").write_text(text.replace(",", " "))
""",
    "src/train.py": NUMBERS
    + """
import numpy as np, skops.io
from sklearn.linear_model import LogisticRegression
rows = np.loadtxt("data/features/train.csv")
model = LogisticRegression(C=load_yaml("params.yaml")["train"]["C"]).fit(rows[:, :2], rows[:, 2])
skops.io.dump(model, "model.skops")
""",
    # What DVCLive documents: metrics.json, plots/metrics/NAME.tsv, plots/sklearn, plots/images.
    "src/evaluate.py": NUMBERS
    + """
import PIL.Image
live = pathlib.Path("eval")
summary = {"step": 2, "train": {"loss": 0.25}, "acc": 0.5}
series = {"train/loss": (1.0, 0.5, 0.25), "acc": (0.25, 0.75, 0.625)}
for name, values in series.items():
    file = live / f"plots/metrics/{name}.tsv"
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{1700000000000 + i}\\t{i}\\t{value}" for i, value in enumerate(values)]
    file.write_text("\\n".join(["timestamp\\tstep\\t" + file.stem, *rows]) + "\\n")
for kind, key, rows in (
    ("roc", "roc", [{"fpr": x, "tpr": x**0.5, "threshold": 1 - x} for x in (0.0, 0.25, 1.0)]),
    ("cm", "cm", [{"actual": str(i % 2), "predicted": str(i % 3 % 2)} for i in range(6)]),
):
    file = live / f"plots/sklearn/{kind}/test.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({key: rows}))
(live / "plots/images/epoch").mkdir(parents=True)
PIL.Image.new("RGB", (9, 6), "red").save(live / "plots/images/importance.png")
for i in range(2):
    PIL.Image.new("L", (4, 4), i).save(live / f"plots/images/epoch/{i}.png")
(live / "metrics.json").write_text(json.dumps(summary))
""",
    "dvc.yaml": """\
        stages:
          prepare:
            cmd: python src/prepare.py
            deps: [data/data.csv, src/prepare.py]
            params: [prepare.split]
            outs: [data/prepared]
          featurize:
            cmd: python src/featurize.py
            deps: [data/prepared, src/featurize.py]
            params: [featurize.max_features]
            outs: [data/features]
          train:
            cmd: python src/train.py
            deps: [data/features, src/train.py]
            params: [train.C]
            outs: [model.skops]
          evaluate:
            cmd: python src/evaluate.py
            deps: [data/features, model.skops, src/evaluate.py]
            outs: [eval]
        metrics: [eval/metrics.json]
        plots:
          - eval/plots/metrics: {x: step}
          - ROC:
              template: simple
              x: fpr
              y: {eval/plots/sklearn/roc/test.json: tpr}
          - Confusion-Matrix:
              template: confusion
              x: actual
              y: {eval/plots/sklearn/cm/test.json: predicted}
          - eval/plots/images
        artifacts:
          text-classification:
            path: model.skops
            type: model
            labels: [nlp, classification]
        """,
    ".gitignore": "/records/\n/mlflow.db*\n/mlartifacts/\n/data/data.csv\n",
}


@pytest.fixture(scope="module")
def get_started(tmp_path_factory, shell, store):
    """The client and the run of the project, computed once."""
    folder = write(tmp_path_factory.mktemp("get-started") / "get-started", GET_STARTED)
    git(folder, "init", "--quiet", "--initial-branch=main")
    dvc(folder, "init", "--quiet")
    dvc(folder, "add", "--quiet", "data/data.csv")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "A project")
    dvc(folder, "repro", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Computed")
    client, runs = track(folder, store)
    (run,) = runs.values()
    return folder, client, run


def test_get_started_shows_params_metrics_data_and_files_of_all_stages(get_started):
    _, client, run = get_started
    assert run.info.run_name == "evaluate"
    assert run.data.params == {"prepare.split": "0.25", "featurize.max_features": "2", "train.C": "10.0"}
    shown = {"step": 2, "train.loss": 0.25, "acc": 0.5}
    assert {key: run.data.metrics[key] for key in shown} == shown
    assert [entry.dataset.name for entry in run.inputs.dataset_inputs] == ["data/data.csv"]
    declared = {"model.skops", "eval/metrics.json", "eval/plots/sklearn/cm/test.json"}
    assert declared <= set(artifacts_of(client, run.info.run_id))
    assert run.data.tags["record.code"] == "unknown"  # no stage wrote its provenance


def test_what_dvclive_logged_step_by_step_is_the_history_of_the_metric_of_its_name(get_started):
    _, client, run = get_started
    assert history(client, run, "train.loss") == [(0, 1.0), (1, 0.5), (2, 0.25)]
    assert sorted(history(client, run, "acc")) == [(0, 0.25), (1, 0.75), (2, 0.5), (2, 0.625)]
    assert run.data.metrics["acc"] == 0.5  # metrics.json has the last word


def test_a_curve_over_a_column_that_is_no_step_has_that_column_as_a_history_too(get_started):
    _, client, run = get_started
    assert history(client, run, "eval/plots/sklearn/roc/test/tpr") == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert history(client, run, "eval/plots/sklearn/roc/test/fpr") == [(0, 0.0), (1, 0.25), (2, 1.0)]
    assert not [key for key in run.data.metrics if "threshold" in key or "/cm/" in key]


def test_images_are_what_the_comparison_of_runs_shows(get_started):
    _, client, run = get_started
    paths = artifacts_of(client, run.info.run_id)
    assert images_of(paths) == [("epoch", 0), ("epoch", 1), ("importance", 0)]
    assert run.data.tags["mlflow.loggedImages"] == "True"


def test_a_skops_model_that_an_artifact_names_is_logged_as_it_is_and_predicts(get_started):
    folder, client, run = get_started
    (model,) = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    assert (model.name, str(model.status)) == ("text-classification", "READY")
    place = mlflow.artifacts.download_artifacts(
        artifact_uri=model.artifact_location, tracking_uri=client.tracking_uri
    )
    assert (pathlib.Path(place) / "model.skops").read_bytes() == (folder / "model.skops").read_bytes()
    loaded = mlflow.pyfunc.load_model(place)
    assert {"python_function", "sklearn"} <= loaded.metadata.flavors.keys()
    assert loaded.predict(np.array([[6.0, 0.0], [0.0, 0.0]])).tolist() == [1, 0]
    metrics = client.get_logged_model(model.model_id).metrics
    assert {metric.key: metric.value for metric in metrics} == {"step": 2, "train.loss": 0.25, "acc": 0.5}


def test_registering_a_model_twice_makes_one_version_with_the_alias(get_started, monkeypatch, capsys):
    folder, client, run = get_started
    monkeypatch.chdir(folder)
    for name in (run.info.run_id, run.data.tags["record.result"][:8]):
        cli.main(["register", name, "--name", "text", "--alias", "champion"])
    line = "The model text-classification of evaluate is version 1 of text: models:/text@champion\n"
    assert capsys.readouterr().out == line * 2
    version = client.get_model_version_by_alias("text", "champion")
    (model,) = client.search_logged_models([run.info.experiment_id])
    assert (version.run_id, version.source) == (run.info.run_id, model.model_uri)


def test_mlflows_own_commands_list_the_run_and_download_its_files(get_started, use_store, tmp_path):
    folder, client, run = get_started
    use_store(client.tracking_uri)
    mlflow_command = CliRunner().invoke
    listed = mlflow_command(mlflow.runs.commands, ["list", "--experiment-id", run.info.experiment_id]).output
    assert listed.splitlines()[-1].split()[-2:] == [run.info.run_name, run.info.run_id]
    words = ["download", "--run-id", run.info.run_id, "--dst-path", str(tmp_path)]
    assert mlflow_command(mlflow.store.artifact.cli.commands, words).exit_code == 0
    for path in ("model.skops", "eval/metrics.json", "eval/plots/metrics/train/loss.tsv"):
        assert (tmp_path / path).read_bytes() == (folder / path).read_bytes()


def test_search_runs_has_the_run_as_a_row(get_started, use_store):
    _, client, run = get_started
    use_store(client.tracking_uri)
    (row,) = mlflow.search_runs(search_all_experiments=True).to_dict("records")
    assert (row["run_id"], row["status"], row["tags.mlflow.runName"]) == (
        run.info.run_id,
        "FINISHED",
        "evaluate",
    )
    assert (row["params.train.C"], row["metrics.acc"], row["metrics.train.loss"]) == ("10.0", 0.5, 0.25)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["0" * 32], "expected the id of a run, or the first digits of a record"),
        (["--model", "tree"], "--model: expected one of the run's models, text-classification; got tree"),
        (["--alias", "latest"], "--alias: expected letters, digits, _ and -, but not latest or v1"),
    ],
)
def test_what_cannot_be_registered_is_one_message(get_started, monkeypatch, capsys, words, expected):
    folder, client, run = get_started
    monkeypatch.chdir(folder)
    name = [] if words[0].isdigit() else [run.info.run_id]
    with pytest.raises(SystemExit, match="2"):
        cli.main(["register", *name, *words, "--name", "other"])
    assert expected in capsys.readouterr().err
    assert not client.search_registered_models("name = 'other'")


# One pipeline over a matrix, its values and paths from templates, its params and metrics in several files.

MATRIX = {
    "params.yaml": "fit: {tol: 0.5}\n",
    "more.json": '{"models": ["svm", "tree"], "depth": 3}',
    "rows.toml": "[rows]\ntrain = 20\n",
    "dvc.yaml": """\
        vars:
          - more.json
          - out: results
        stages:
          fit:
            matrix:
              model: ${models}
              seed: [1, 2]
            cmd:
              - mkdir -p ${out}/${key}/curves
              - echo '{"score":' ${item.seed}'}' > ${out}/${key}/score.json
              - 'echo "seconds: {fit: ${item.seed}.5}" > ${out}/${key}/time.yaml'
              - printf 'epoch,${item.model}\\n10,1\\n20,2\\n' > ${out}/${key}/curves/loss.csv
            params:
              - fit.tol
              - more.json: [depth]
              - rows.toml: [rows.train]
            metrics:
              - ${out}/${key}/score.json
              - ${out}/${key}/time.yaml
            plots: ["${out}/${key}/curves"]
        """,
    "pyproject.toml": '[tool.dvc-mlflow]\ntags = {team = "rows", "record.code" = "mine"}\n',
    ".gitignore": "/records/\n/mlflow.db*\n/mlartifacts/\n/results/\n",
}


def test_each_stage_of_a_matrix_is_a_run_with_what_its_templates_declare(tmp_path, store):
    folder = write(tmp_path / "matrix", MATRIX)
    git(folder, "init", "--quiet", "--initial-branch=main")
    dvc(folder, "init", "--quiet")
    dvc(folder, "repro", "--quiet")
    client, runs = track(folder, store)
    assert sorted(runs) == ["fit@svm-1", "fit@svm-2", "fit@tree-1", "fit@tree-2"]
    for name, run in runs.items():
        model, _, seed = name.removeprefix("fit@").partition("-")
        assert run.data.params == {"fit.tol": "0.5", "more.json:depth": "3", "rows.toml:rows.train": "20"}
        assert run.data.metrics["score"] == int(seed)
        assert run.data.metrics["seconds.fit"] == int(seed) + 0.5
        assert history(client, run, f"loss/{model}") == [(10, 1), (20, 2)]
        assert (run.data.tags["team"], run.data.tags["record.code"]) == ("rows", "unknown")
        assert run.inputs.dataset_inputs == []  # a stage's own metrics and plots are no data


# A monorepo: two pipelines of one DVC project in a subfolder, with params of the repository and an import.

MONOREPO = {
    "shared.yaml": "lr: 0.5\n",
    "ml/text/dvc.yaml": """\
        stages:
          train:
            foreach: [en, de]
            do:
              cmd: cp ../words.txt ${item}.txt
              deps: [../words.txt]
              outs: ["${item}.txt"]
          join:
            cmd:
              - cat en.txt de.txt > all.pkl
              - echo '{"words":' $(wc -l < all.pkl)'}' > metrics.json
            deps: [en.txt, de.txt]
            params: [../../shared.yaml: [lr]]
            outs: [all.pkl]
            metrics: [metrics.json]
        artifacts:
          words: {path: all.pkl, type: model}
        """,
    "ml/image/dvc.yaml": """\
        stages:
          render:
            cmd: mkdir -p out && cp ../words.txt out/report.html
            deps: [../words.txt]
            outs:
              - out: {type: report}
        """,
    ".gitignore": "/ml/records/\n/ml/mlflow.db*\n/ml/mlartifacts/\n",
}


def test_each_pipeline_of_a_monorepo_is_a_run_with_the_data_that_dvc_import_brought(tmp_path, store):
    source = write(tmp_path / "source", {"words.txt": "one\ntwo\n"})
    git(source, "init", "--quiet")
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message", "Words")
    folder = write(tmp_path / "monorepo", MONOREPO)
    git(folder, "init", "--quiet", "--initial-branch=main")
    dvc(folder / "ml", "init", "--quiet", "--subdir")
    dvc(folder / "ml", "import", "--quiet", source, "words.txt")
    dvc(folder / "ml", "repro", "--quiet", "--all-pipelines")
    client, runs = track(folder / "ml", store)
    assert sorted(runs) == ["image/dvc.yaml:render", "text/dvc.yaml:join"]
    text, image = runs["text/dvc.yaml:join"], runs["image/dvc.yaml:render"]
    assert text.data.params == {"shared.yaml:lr": "0.5"}
    assert text.data.metrics == {"words": 4}
    for run in runs.values():
        assert [entry.dataset.name for entry in run.inputs.dataset_inputs] == ["words.txt"]
    assert {"text/all.pkl", "text/metrics.json"} < set(artifacts_of(client, text.info.run_id))
    assert "image/out/report.html" in artifacts_of(client, image.info.run_id)
    assert client.search_logged_models([text.info.experiment_id]) == []  # a pickle is a file, never loaded


# Without git, every kind of plot, and models of which one cannot be logged.

VARIETY = (
    NUMBERS
    + """
import PIL.Image
out = pathlib.Path("out")
out.mkdir()
(out / "long.csv").write_text("x,y\\n" + "".join(f"{i},{i * i}\\n" for i in range(5001)))
pathlib.Path("plain.csv").write_text("0.5\\n0.25\\n")
(out / "text.tsv").write_text("actual\\tpredicted\\tscore\\ncat\\tdog\\t0.5\\ndog\\tdog\\t1\\n")
(out / "loss.yaml").write_text("history:\\n- {step: 1, a: 1e-3, b: .nan}\\n- {step: 2, a: 2, b: 3}\\n")
(out / "wide.csv").write_text(",".join(f"c{i}" for i in range(60)) + "\\n" + ",".join("1" * 60) + "\\n")
(out / "broken.json").write_text("{")
(out / "broken.png").write_text("no image")
PIL.Image.new("P", (5, 5)).save(out / "caf\\u00e9 +1.gif")
pathlib.Path("model.onnx").write_bytes(b"an ONNX model")
pathlib.Path("other.bin").write_bytes(b"a skops model")
saved = pathlib.Path("saved")
saved.mkdir()
(saved / "MLmodel").write_text("flavors:\\n  keras: {data: weights.bin}\\n")
(saved / "weights.bin").write_bytes(b"weights")
"""
)

WITHOUT_GIT = {
    "variety.py": VARIETY,
    "dvc.yaml": """\
        stages:
          all:
            cmd: python variety.py
            deps: [variety.py]
            outs:
              - model.onnx: {type: model}
              - saved: {type: model}
              - other.bin: {type: model, labels: [skops], meta: {trusted: [mine.Model]}}
            plots:
              - out
              - plain.csv: {header: false}
        plots:
          - out/long.csv: {x: x, y: [y]}
          - nowhere.csv
        """,
}


@pytest.fixture(scope="module")
def without_git(tmp_path_factory, shell, store):
    """The client and the run of the project, computed once."""
    folder = tmp_path_factory.mktemp("no git") / "without git"
    write(folder, WITHOUT_GIT)
    dvc(folder, "init", "--quiet", "--no-scm")
    dvc(folder, "repro", "--quiet")
    client, runs = track(folder, store)
    return client, runs["all"]


def test_without_git_every_table_of_numbers_is_a_history_and_no_other_file(without_git):
    client, run = without_git
    assert histories(client, run) == {"long/y": 1000, "plain/0": 2, "loss/a": 2, "loss/b": 2}
    points = history(client, run, "long/y")
    assert (points[0], points[-1]) == ((0, 0), (5000, 5000**2))
    assert history(client, run, "loss/a") == [(1, 0.001), (2, 2)]
    assert run.data.tags["record.code"] == "unknown"
    assert images_of(artifacts_of(client, run.info.run_id)) == [("caf_ _1", 0)]


def test_a_model_has_the_flavor_that_its_annotation_or_its_mlmodel_file_names(without_git):
    client, run = without_git
    places = {}
    for model in client.search_logged_models([run.info.experiment_id]):
        place = mlflow.artifacts.download_artifacts(
            artifact_uri=model.artifact_location, tracking_uri=client.tracking_uri
        )
        places[model.name] = pathlib.Path(place)
    flavors = {
        name: yaml.safe_load((place / "MLmodel").read_text())["flavors"] for name, place in places.items()
    }
    assert flavors["saved"] == {"keras": {"data": "weights.bin"}}
    assert (places["saved"] / "weights.bin").read_bytes() == b"weights"
    assert flavors["other"]["sklearn"]["skops_trusted_types"] == ["mine.Model"]
    assert (places["other"] / "model.skops").read_bytes() == b"a skops model"
    installed = importlib.util.find_spec("onnx") is not None
    assert ("model" in flavors) == installed
    assert "model.onnx" in artifacts_of(client, run.info.run_id)
