""".npz files: the same bytes each time, read without pickle, damaged ones refused."""

import json
import sys
import zipfile

import numpy as np
import pytest

from dvc_mlflow.errors import UserError
from sparse_digits.runtime import npz as npz_file

PARAMS = {"train.C": 0.01, "fetch.dataset": "digits"}
ARRAYS = {"coef": np.array([[0.0, -1.5, np.nextafter(0, 1)]]), "labels": np.array([3, 1], np.uint8)}


@pytest.fixture
def npz(tmp_path):
    path = tmp_path / "folder" / "model.npz"
    npz_file.write_npz(path, PARAMS, **ARRAYS)
    return path


def test_arrays_and_params_are_read_as_they_were_written_bit_for_bit(npz):
    params, arrays = npz_file.read_npz(npz)
    assert params == PARAMS
    assert list(arrays) == list(ARRAYS)
    for name, array in arrays.items():
        assert array.dtype == ARRAYS[name].dtype
        assert array.tobytes() == ARRAYS[name].tobytes()


def test_an_npz_file_has_the_same_bytes_each_time(npz, tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 2e9)
    npz_file.write_npz(tmp_path / "again.npz", dict(reversed(PARAMS.items())), **ARRAYS)
    assert (tmp_path / "again.npz").read_bytes() == npz.read_bytes()


def test_an_npz_file_has_the_bytes_of_numpy_whatever_header_python_writes(npz, tmp_path, monkeypatch):
    np.savez(tmp_path / "numpy.npz", **ARRAYS, params=json.dumps(PARAMS, sort_keys=True))
    if sys.version_info >= (3, 11, 4):
        assert (tmp_path / "numpy.npz").read_bytes() == npz.read_bytes()

    header_of = zipfile.ZipInfo.FileHeader

    def before_3_11_4(entry, zip64=None):
        header = bytearray(header_of(entry, zip64))
        entry.extract_version = entry.create_version = 20
        header[4:6] = (20).to_bytes(2, "little")
        header[18:26] = entry.compress_size.to_bytes(4, "little") + entry.file_size.to_bytes(4, "little")
        return bytes(header)

    monkeypatch.setattr(zipfile.ZipInfo, "FileHeader", before_3_11_4)
    np.savez(tmp_path / "older.npz", **ARRAYS, params=json.dumps(PARAMS, sort_keys=True))
    assert (tmp_path / "older.npz").read_bytes() != npz.read_bytes()
    npz_file.write_npz(tmp_path / "again.npz", PARAMS, **ARRAYS)
    assert (tmp_path / "again.npz").read_bytes() == npz.read_bytes()


def test_pickles_are_neither_written_nor_read(npz, tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):
        npz_file.write_npz(tmp_path / "model.npz", PARAMS, coef=np.array([{}]))
    np.savez(tmp_path / "pickled.npz", params=np.array([{}]), allow_pickle=True)
    with pytest.raises(UserError, match="allow_pickle=False"):
        npz_file.read_npz(tmp_path / "pickled.npz")


def test_a_missing_file_is_reported_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(UserError, match=r"raw.npz: no such file. `dvc repro` makes it$"):
        npz_file.read_npz(tmp_path / "raw.npz")


def test_a_file_truncated_anywhere_is_refused(npz, tmp_path):
    whole = npz.read_bytes()
    cut = tmp_path / "cut.npz"
    for length in range(len(whole)):
        cut.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"cut.npz: expected a whole .npz file of this pipeline, but "):
            npz_file.read_npz(cut)


def test_a_file_with_a_wrong_byte_anywhere_is_refused_or_reads_the_same(npz, tmp_path):
    whole = npz.read_bytes()
    wrong = tmp_path / "wrong.npz"
    faults = 0
    for at in range(len(whole)):
        wrong.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            params, arrays = npz_file.read_npz(wrong)
        except UserError:
            faults += 1
        else:  # the byte has no meaning, such as one of a date
            assert params == PARAMS
            assert [array.tobytes() for array in arrays.values()] == [
                array.tobytes() for array in ARRAYS.values()
            ]
    assert faults > len(whole) / 2


@pytest.mark.parametrize("content", [{"coef": 1}, {"params": 1}, {"params": "{"}, {"params": [1, 2]}])
def test_an_npz_file_of_another_program_is_refused(tmp_path, content):
    np.savez(tmp_path / "other.npz", **content)
    with pytest.raises(UserError, match="expected a whole"):
        npz_file.read_npz(tmp_path / "other.npz")


def test_no_message_about_a_file_that_is_refused_advises_to_unpickle_it(tmp_path):
    file = tmp_path / "data.npz"
    file.write_bytes(b"\x80\x04 a pickle, perhaps")
    with pytest.raises(UserError, match=r"it is no zip archive.*makes it again$") as fault:
        npz_file.read_npz(file)
    assert "pickle" not in str(fault.value)


def test_a_folder_in_the_place_of_a_file_is_reported(tmp_path):
    with pytest.raises(UserError, match=f"^{tmp_path}: expected a file that can be read, got: Is a dir"):
        npz_file.read_npz(tmp_path)


def test_an_npy_file_is_refused(tmp_path):
    np.save(tmp_path / "other.npy", np.zeros(3))
    with pytest.raises(UserError, match="expected a whole"):
        npz_file.read_npz(tmp_path / "other.npy")
