import gzip
import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from idx_files import CONTENTS, FILES, IMAGES, LABELS
from loopback import serving
from sparse_digits.datasets.arrays import digest
from sparse_digits.datasets.catalogue import MNIST
from sparse_digits.datasets.download import SourceError, Timeouts
from sparse_digits.datasets.idx import MAX_BYTES, FolderError, load_any, load_folder, load_mirror

TIMEOUTS = Timeouts(socket=5, response=10, min_bytes_per_second=1e5, total=20, retry_delays=(0.01, 0.02))


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


def test_files_of_other_bytes_are_read_gzipped_or_not_with_the_training_rows_first(small_folder):
    for gzipped in small_folder.glob("train-*"):
        gzipped.with_suffix("").write_bytes(gzip.decompress(CONTENTS[gzipped.name]))
        gzipped.unlink()
    images, labels = load_any(small_folder)
    assert np.array_equal(images, IMAGES.reshape(5, 6))
    assert np.array_equal(labels, LABELS)


def header(*shape):
    return bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()


TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
WHOLE = gzip.decompress(CONTENTS[TRAIN_IMAGES])


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "expected IDX of bytes with 3 axes, got something else"),
        (b"<html></html>", "expected a whole IDX file, but: Not a gzipped file (b'<h')"),
        (gzip.compress(b"<html></html>"), "expected IDX of bytes with 3 axes, got something else"),
        (CONTENTS["train-labels-idx1-ubyte.gz"], "expected IDX of bytes with 3 axes, got something else"),
        (CONTENTS[TRAIN_IMAGES][:-9], "expected a whole IDX file, but: Compressed file ended before"),
        (CONTENTS[TRAIN_IMAGES][:-8] + bytes(8), "expected a whole IDX file, but: CRC check failed"),
        (CONTENTS[TRAIN_IMAGES] + b"more", "expected a whole IDX file, but: Not a gzipped file (b'mo')"),
        (gzip.compress(WHOLE[:-1]), "expected 18 values, as its header says, got only 17"),
        (gzip.compress(WHOLE + b"\0"), "expected 18 values, as its header says, got more"),
        (
            gzip.compress(header(2**31, 28, 28)),
            f"expected 1 to {MAX_BYTES:,} values, its header says 1,683,627",
        ),
        (gzip.compress(header(0, 28, 28)), f"expected 1 to {MAX_BYTES:,} values, its header says 0"),
        (gzip.compress(header(1, 1, 1) + bytes(10**7)), "expected 1 values, as its header says, got more"),
    ],
    ids=[
        "empty",
        "a web page",
        "a gzipped web page",
        "labels",
        "cut",
        "a changed checksum",
        "trailing garbage",
        "a row cut off",
        "a byte too many",
        "2^31 rows",
        "no rows",
        "a bomb",
    ],
)
def test_a_file_that_is_not_whole_is_refused_before_more_than_its_header_says_is_read(
    small_folder, content, fault
):
    (small_folder / TRAIN_IMAGES).write_bytes(content)
    with pytest.raises(FolderError) as raised:
        load_any(small_folder)
    (only,) = raised.value.faults
    assert only.startswith(f"{TRAIN_IMAGES}: {fault}")


def test_all_faults_of_files_of_other_bytes_are_listed_at_once(small_folder):
    with pytest.raises(FolderError, match=r"expected files \*-images-idx3-ubyte.gz and .*, got none"):
        load_any(small_folder / "empty")
    (small_folder / "train-labels-idx1-ubyte.gz").unlink()
    (small_folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(header(1) + b"1"))
    with pytest.raises(FolderError) as raised:
        load_any(small_folder)
    assert raised.value.faults == [
        "train-labels-idx1-ubyte.gz: expected a whole IDX file, but: No such file or directory",
        "t10k-labels-idx1-ubyte.gz: expected 2 labels, as many as images, got 1",
    ]
