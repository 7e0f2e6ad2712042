"""Files: whole or not at all, the same bytes each time, read without pickle."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvc_mlflow.errors import UserError
from sparse_digits.runtime import files

PARAMS = {"train.C": 0.01, "fetch.dataset": "digits"}
ARRAYS = {"coef": np.array([[0.0, -1.5, np.nextafter(0, 1)]]), "labels": np.array([3, 1], np.uint8)}


@pytest.fixture
def npz(tmp_path):
    path = tmp_path / "folder" / "model.npz"
    files.write_npz(path, PARAMS, **ARRAYS)
    return path


def test_what_is_written_is_what_is_read_bit_for_bit(npz):
    params, arrays = files.read_npz(npz)
    assert params == PARAMS
    assert list(arrays) == list(ARRAYS)
    for name, array in arrays.items():
        assert array.dtype == ARRAYS[name].dtype
        assert array.tobytes() == ARRAYS[name].tobytes()


def test_an_npz_file_has_the_same_bytes_each_time(npz, tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 2e9)
    files.write_npz(tmp_path / "again.npz", dict(reversed(PARAMS.items())), **ARRAYS)
    assert (tmp_path / "again.npz").read_bytes() == npz.read_bytes()


def test_a_write_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it(npz):
    before = npz.read_bytes()

    def half(file):
        file.write(before[:10])
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        files.write(npz, half)
    assert npz.read_bytes() == before
    assert list(npz.parent.iterdir()) == [npz]


def test_who_reads_while_a_file_is_written_anew_reads_the_old_one_whole(npz):
    before = npz.read_bytes()
    with npz.open("rb") as reader:
        files.write_npz(npz, PARAMS, coef=np.zeros(1000))
        assert reader.read() == before
    assert npz.read_bytes() != before


def test_a_disk_that_fails_is_told_with_the_name_of_the_file_that_was_to_be(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match=r"taken'?$"):
        files.write(tmp_path / "taken", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken"]


def test_pickles_are_neither_written_nor_read(npz, tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):
        files.write_npz(tmp_path / "model.npz", PARAMS, coef=np.array([{}]))
    np.savez(tmp_path / "pickled.npz", params=np.array([{}]), allow_pickle=True)
    with pytest.raises(UserError, match="allow_pickle=False"):
        files.read_npz(tmp_path / "pickled.npz")


def test_a_missing_file_is_told_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(UserError, match=r"raw.npz: no such file. `dvc repro` makes it$"):
        files.read_npz(tmp_path / "raw.npz")


def test_a_file_cut_anywhere_is_a_fault(npz, tmp_path):
    whole = npz.read_bytes()
    cut = tmp_path / "cut.npz"
    for length in range(len(whole)):
        cut.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"cut.npz: expected a whole .npz file of this pipeline, but "):
            files.read_npz(cut)


def test_a_file_with_a_wrong_byte_anywhere_is_a_fault_or_reads_the_same(npz, tmp_path):
    whole = npz.read_bytes()
    wrong = tmp_path / "wrong.npz"
    faults = 0
    for at in range(len(whole)):
        wrong.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            params, arrays = files.read_npz(wrong)
        except UserError:
            faults += 1
        else:  # the byte was one of those that say nothing, such as a date
            assert params == PARAMS
            assert [array.tobytes() for array in arrays.values()] == [
                array.tobytes() for array in ARRAYS.values()
            ]
    assert faults > len(whole) / 2


@pytest.mark.parametrize("content", [{"coef": 1}, {"params": 1}, {"params": "{"}, {"params": [1, 2]}])
def test_another_npz_file_than_this_pipelines_is_a_fault(tmp_path, content):
    np.savez(tmp_path / "other.npz", **content)
    with pytest.raises(UserError, match="expected a whole"):
        files.read_npz(tmp_path / "other.npz")


def test_an_npy_file_is_a_fault(tmp_path):
    np.save(tmp_path / "other.npy", np.zeros(3))
    with pytest.raises(UserError, match="expected a whole"):
        files.read_npz(tmp_path / "other.npy")


@given(st.floats(-1e300, 1e300))
def test_floats_in_json_are_those_of_ten_significant_digits(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "metrics.json"
    files.write_json(path, {"value": value})
    read = json.loads(path.read_text())["value"]
    assert isinstance(read, float)
    assert f"{read:.10g}" == f"{value:.10g}"
    files.write_json(path, {"value": read})
    assert json.loads(path.read_text())["value"] == read


def test_other_values_in_json_are_as_they_are(tmp_path):
    values = {"n_iter": 12345678901234567, "converged": True, "name": "x", "accuracy": 1 / 3}
    files.write_json(tmp_path / "metrics.json", values)
    text = (tmp_path / "metrics.json").read_text()
    assert json.loads(text) == values | {"accuracy": 0.3333333333}
    assert text.endswith("}\n")
