import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from idx_files import CONTENTS, FILES, IMAGES, LABELS
from loopback import serving
from patient import TIMEOUTS
from sparse_digits.datasets.arrays import digest
from sparse_digits.datasets.catalogue import MNIST
from sparse_digits.datasets.download import SourceError
from sparse_digits.datasets.idx import load_folder, load_mirror
from sparse_digits.datasets.idx_folder import FolderError


def test_the_training_rows_come_first(small_folder):
    images, labels = load_folder(small_folder, FILES)
    assert np.array_equal(images, IMAGES.reshape(5, 6))
    assert np.array_equal(labels, LABELS)


def test_all_faults_of_a_folder_are_listed_at_once(small_folder):
    missing, cut, wrong, is_folder = (small_folder / file.name for file in FILES)
    missing.unlink()
    cut.write_bytes(CONTENTS[cut.name][:-1])
    wrong.write_bytes(bytes(len(CONTENTS[wrong.name])))
    is_folder.unlink()
    is_folder.mkdir()
    size = {file.name: file.size for file in FILES}
    zeros = hashlib.sha256(bytes(size[wrong.name])).hexdigest()
    with pytest.raises(FolderError) as raised:
        load_folder(small_folder, FILES)
    assert raised.value.faults == [
        f"{missing.name}: expected a file of {size[missing.name]} bytes, got: No such file or directory",
        f"{cut.name}: expected {size[cut.name]} bytes, got {size[cut.name] - 1}",
        f"{wrong.name}: expected SHA-256 {FILES[2].sha256}, got {zeros}",
        f"{is_folder.name}: expected a regular file, got another kind",
    ]


@pytest.mark.parametrize("obstacle", ["No such file or directory", "Not a directory"])
def test_a_path_that_is_no_folder_is_one_fault_that_lists_the_files_expected_there(tmp_path, obstacle):
    path = tmp_path / "mnist"
    if obstacle == "Not a directory":
        path.write_bytes(b"")
    with pytest.raises(FolderError) as raised:
        load_folder(path, FILES)
    names = ", ".join(file.name for file in FILES)
    assert raised.value.faults == [f"expected a folder with {names}, got: {obstacle}"]


def test_an_unreadable_file_is_named():
    name = FILES[0].name
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for file, content in CONTENTS.items():
            Path(folder, file).write_bytes(content)
        Path(folder, name).chmod(0)
        check_as_nobody(Path(folder), f"{name}: expected .*, got: Permission denied")


def test_a_folder_that_may_not_be_entered_is_named():
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder, "mnist")
        inner.mkdir()
        Path(folder).chmod(0)
        check_as_nobody(inner, "expected a folder with .*, got: Permission denied")
        Path(folder).chmod(0o700)


def check_as_nobody(folder: Path, fault: str) -> None:
    """Load as a user whose rights are checked, which those of root are not; expect the one fault."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(FolderError, match=fault) as raised:
            load_folder(folder, FILES)
    finally:
        os.seteuid(user)
    assert len(raised.value.faults) == 1


def test_a_mirror_gives_mnist(mnist_folder, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    contents = {file.name: (mnist_folder / file.name).read_bytes() for file in MNIST.idx_files}
    with serving(contents) as mirror:
        arrays = load_mirror(mirror.url("good"), MNIST.idx_files, TIMEOUTS)
    assert digest(*arrays) == MNIST.sha256


def test_a_mirror_and_a_folder_give_the_same_arrays(small_folder, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(CONTENTS) as mirror:
        from_mirror = load_mirror(mirror.url("busy-once"), FILES, TIMEOUTS)
    from_folder = load_folder(small_folder, FILES)
    assert all(map(np.array_equal, from_mirror, from_folder))


def test_a_mirror_is_abandoned_at_its_first_file_that_fails(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(CONTENTS) as mirror, pytest.raises(SourceError, match="HTTP 404"):
        load_mirror(mirror.url("missing"), FILES, TIMEOUTS)
    assert mirror.asked == ["/missing/train-images-idx3-ubyte.gz"]
