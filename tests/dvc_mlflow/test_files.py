"""Files are written whole or not at all."""

import pytest

from dvc_mlflow.files import write_atomically


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "folder" / "model.npz"
    write_atomically(path, b"before")
    return path


def test_a_write_that_fails_leaves_the_file_as_it_was_and_no_temporary_file(file):
    def write_half(stream):
        stream.write(b"aft")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        write_atomically(file, write_half)
    assert file.read_bytes() == b"before"
    assert list(file.parent.iterdir()) == [file]


def test_a_reader_that_opened_the_file_before_it_was_replaced_reads_the_old_content(file):
    with file.open("rb") as reader:
        write_atomically(file, lambda stream: stream.write(b"after"))
        assert reader.read() == b"before"
    assert file.read_bytes() == b"after"


def test_an_error_of_the_disk_names_the_file_and_not_the_temporary_one(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match=r"taken'?$"):
        write_atomically(tmp_path / "taken", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
