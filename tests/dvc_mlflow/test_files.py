"""Files are written whole or not at all."""

import pytest

from dvc_mlflow.files import md5, md5_of_bytes, write_atomically


def test_a_file_is_written_with_its_folder_and_no_other_file_stays(tmp_path):
    path = tmp_path / "new" / "file"
    write_atomically(path, b"content")
    assert path.read_bytes() == b"content"
    assert md5(path) == md5_of_bytes(b"content")
    assert list(path.parent.iterdir()) == [path]


def test_a_writer_that_fails_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"earlier")

    def fail(file):
        file.write(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_atomically(path, fail)
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_the_disk_names_the_file_and_not_its_temporary_name(tmp_path):
    (tmp_path / "folder" / "in the way").mkdir(parents=True)
    with pytest.raises(OSError) as raised:  # noqa: PT011 - its file name is what counts
        write_atomically(tmp_path / "folder", b"content")
    assert raised.value.filename == str(tmp_path / "folder")
