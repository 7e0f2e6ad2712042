"""A folder of the user's own goes through both pipelines and `predict` by the names of its classes."""

import csv
import json
import shutil

import pytest

from own_images import CLASSES, write_classes
from sparse_digits import model
from sweeps import SAGA, change


@pytest.fixture
def own(project, store):
    """The project with its params set to a folder of three classes."""
    shutil.copy(store, project)
    write_classes(project / "data/own/shapes")
    sizes = {"train_size": 60, "validation_size": 30, "test_size": 30}
    change(
        project / "params.yaml",
        fetch={"dataset": "shapes"},
        split=sizes,
        sweep={"C": [0.05, 0.2], "train_sizes": [60], **SAGA},
    )
    return project


@pytest.mark.slow(20)
def test_the_names_of_the_classes_reach_every_result_and_a_changed_image_makes_fetch_stale(
    own, dvc, sparse_digits
):
    dvc("repro", "dvc.yaml", "sweep/dvc.yaml")
    assert model.read(own / "results/model.npz").classes.tolist() == list(CLASSES)
    rows = list(csv.DictReader((own / "results/per_class.csv").read_text().splitlines()))
    assert [row["class"] for row in rows] == list(CLASSES)
    assert '"classes":["arrow","box","cross"]' in (own / "sweep/report.html").read_text()
    assert "Every result has its record and its run" in sparse_digits("status").stdout

    image = "data/own/shapes/box/07.png"
    (answer,) = json.loads(sparse_digits("predict", image, "--json", "--C", "0.2").stdout)
    assert answer["label"] == "box"

    (own / image).unlink()
    assert set(json.loads(dvc("status", "--json", "dvc.yaml").stdout)) == {"fetch"}
