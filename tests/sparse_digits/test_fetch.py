"""The fetch stage writes what the source gave."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sparse_digits import fetch
from sparse_digits.runtime.npz import read_npz


def test_digits_are_scikit_learns_own(digits):
    made_with, raw = read_npz(digits / "data/raw.npz")
    images, labels = load_digits(return_X_y=True)
    assert (raw["images"] == images).all()
    assert (raw["labels"] == labels).all()
    assert raw["images"].dtype == raw["labels"].dtype == "uint8"
    assert made_with == {"fetch.dataset": "digits"}


def test_the_stage_writes_the_same_bytes_in_another_process(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(digits)
    fetch.main(["own", str(tmp_path / "raw.npz")])
    assert (tmp_path / "raw.npz").read_bytes() == (digits / "data/raw.npz").read_bytes()


def test_labels_become_the_names_of_their_classes_where_these_have_names():
    labels = np.array([1, 0, 1], np.uint8)
    assert fetch.name_classes(labels, ("Bag", "Coat")).tolist() == ["Coat", "Bag", "Coat"]
    assert fetch.name_classes(labels, ()) is labels


def test_a_mirror_that_is_not_there_is_reported_and_nothing_is_written(digits, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text((Path(__file__).parents[2] / "params.yaml").read_text())
    monkeypatch.setenv("SPARSE_DIGITS_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(SystemExit) as end:
        fetch.main(["own", "raw.npz"])
    assert end.value.code == 2
    assert str(tmp_path / "nowhere") in capsys.readouterr().err
    assert not Path("raw.npz").exists()
