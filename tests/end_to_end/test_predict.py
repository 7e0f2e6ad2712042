"""The command predict: from image files to labels, by every model that a project has."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dvc_mlflow import records
from projects import ROOT
from sparse_digits import model
from sparse_digits.runtime.npz import read_npz, write_npz


@pytest.fixture(scope="module")
def images(swept, tmp_path_factory):
    """A folder with test digits, one of them as a PNG and a hundred as an array."""
    folder = tmp_path_factory.mktemp("images")
    _, rows = read_npz(swept / "data/split.npz")
    np.save(folder / "hundred.npy", rows["test_images"][:100])
    gray = (rows["test_images"][0].reshape(8, 8) * (255 / 16)).astype(np.uint8)
    Image.fromarray(255 - gray).save(folder / "one.png")  # dark on light
    params, arrays = read_npz(swept / "results/model.npz")
    write_npz(folder / "odd.npz", params, **arrays | {"mean": arrays["mean"][1:]})
    return folder


@pytest.fixture(scope="module")
def predict(sparse_digits, swept):
    """Run the command in the project of the sweep and return what it printed."""
    return lambda *words, status=0: sparse_digits("predict", *words, cwd=swept, status=status)


def labels(done):
    return [answer["label"] for answer in json.loads(done.stdout)]


def test_every_model_of_a_project_gives_its_own_labels(predict, swept, images):
    hundred = images / "hundred.npy"
    pixels = np.load(hundred)
    of_workspace = model.read(swept / "results/model.npz").predict(pixels).tolist()
    assert labels(predict("--json", hundred)) == of_workspace

    (record,) = [
        path for path in records.record_folders(swept) if records.read_record(path).stage == "evaluate"
    ]
    assert labels(predict("--json", "--model", record.name[:8], hundred)) == of_workspace

    runs = json.loads(
        subprocess.run(
            [sys.executable, "-c", FIND_RUN, f"sqlite:///{swept}/mlflow.db", record.name],
            check=True,
            capture_output=True,
        ).stdout
    )
    assert labels(predict("--json", "--model", runs[0], hundred)) == of_workspace

    _, points = read_npz(swept / "sweep/models.npz")
    i = points["C"].tolist().index(0.3)
    scores = (pixels - points["mean"][i]) / points["scale"][i] @ points["coef"][i].T + points["intercept"][i]
    of_point = points["classes"][i][scores.argmax(axis=1)].tolist()
    assert of_point != of_workspace
    assert labels(predict("--json", "--C", "0.3", hundred)) == of_point


def test_a_model_file_needs_no_project_around_it(predict, sparse_digits, swept, images, tmp_path):
    words = ("predict", "--json", images / "one.png")
    alone = sparse_digits(*words, "--model", swept / "results/model.npz", cwd=tmp_path)
    assert labels(alone) == labels(predict("--json", images / "one.png"))
    message = sparse_digits(*words, cwd=tmp_path, status=2).stderr
    assert "expected a folder with .dvc, here or above, found none" in message


FIND_RUN = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
experiments = [experiment.experiment_id for experiment in client.search_experiments()]
runs = client.search_runs(experiments)
print(json.dumps([run.info.run_id for run in runs if sys.argv[2] in run.data.tags.values()]))
"""


def test_a_folder_and_standard_input_are_answered_as_a_table_or_as_json(predict, swept, images, tmp_path):
    table = predict(images, "--show", tmp_path / "votes.png").stdout.splitlines()
    assert len(table) == 1 + 100 + 1
    assert table[0].split() == ["file", "label", *"0123456789", "(%)"]
    assert table[1].startswith(f"{images}/hundred.npy[0]")
    assert table[-1].startswith(f"{images}/one.png")
    assert table[-1].split()[1:] == table[1].split()[1:]  # the same digit
    with Image.open(tmp_path / "votes.png") as picture:
        assert picture.height > picture.width  # a row for each of the first images

    piped = subprocess.run(
        [sys.executable, "-m", "sparse_digits.cli", "predict", "--json", "-"],
        input=(images / "one.png").read_bytes(),
        cwd=swept,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
        capture_output=True,
        check=True,
    )
    (answer,) = json.load(io.BytesIO(piped.stdout))
    assert list(answer) == ["file", "label", "probabilities"]
    assert answer["file"] == "standard input"
    assert str(answer["label"]) == max(answer["probabilities"], key=answer["probabilities"].get)
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("missing.png",), "missing.png: No such file or directory"),
        (("--C", "7", "{images}/one.png"), "sweep/models.npz: expected a C of the sweep (0.005, 0.01, "),
        (
            ("--model", "0000", "{images}/one.png"),
            "0000: expected a file, the first digits of a record, the id ",
        ),
        (
            ("--model", "{images}/hundred.npy", "{images}/one.png"),
            "expected a whole .npz file of this pipeline",
        ),
        (
            ("--model", "data/split.npz", "{images}/one.png"),
            "data/split.npz: expected a model, got arrays named ",
        ),
        (
            ("--model", "missing.npz", "{images}/one.png"),
            "missing.npz: expected a file with a model, got no file",
        ),
        (("--model", "data", "{images}/one.png"), "data: expected a file with a model, got a folder"),
        (
            ("--model", "{images}/odd.npz", "{images}/one.png"),
            "odd.npz: expected a model of square images, got",
        ),
        (("--show", ".", "{images}/one.png"), "--show: expected the name of a file to write, got '.'"),
        (("--show", "{images}/one.png", "{images}/one.png"), "--show: expected another file than the image"),
        (("red\x1b[31m.png",), "red\N{REPLACEMENT CHARACTER}[31m.png: No such file"),
        (
            ("{images}/one.png", "params.yaml"),
            "params.yaml: expected a PNG, JPEG or .npy file, got something",
        ),
    ],
)
def test_what_cannot_be_answered_is_one_message_and_no_answer(predict, images, words, message):
    done = predict(*(word.format(images=images) for word in words), status=2)
    assert done.stdout == ""
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.rstrip("\n").isprintable()


def test_export_writes_nothing_but_an_onnx_file(swept, sparse_digits, tmp_path):
    (tmp_path / "a.onnx").mkdir()
    for target in (tmp_path / "model.npz", tmp_path / "a.onnx"):
        done = sparse_digits("export", target, cwd=swept, status=2)
        assert done.stderr == f"{target}: expected the name of an .onnx file to write, got another\n"


def test_local_files_are_answered_without_scikit_learn_and_mlflow(swept, images):
    code = (
        "import sys; from sparse_digits.cli import main; main(['predict', sys.argv[1]]); "
        "slow = {'sklearn', 'scipy', 'mlflow', 'dvc', 'numba', 'matplotlib', 'pandas'} & set(sys.modules); "
        "sys.exit(str(slow) if slow else 0)"
    )
    command = [sys.executable, "-c", code, str(images / "one.png")]
    done = subprocess.run(
        command,
        cwd=swept,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_any_name_of_a_file_is_printed_and_drawn(swept, images, tmp_path):
    name = tmp_path / "$x_{$ \u65e5.png"
    name.write_bytes((images / "one.png").read_bytes())
    command = ("predict", str(name), "--show", str(tmp_path / "votes.png"))
    done = subprocess.run(
        [sys.executable, "-m", "sparse_digits.cli", *command],
        cwd=swept,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "", "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"$x_{$ \u65e5.png" in done.stdout
