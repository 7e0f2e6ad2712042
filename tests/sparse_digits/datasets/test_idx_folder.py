"""IDX files of any bytes are read whole, or refused with all their faults."""

import gzip

import numpy as np
import pytest

from idx_files import CONTENTS, IMAGES, LABELS
from sparse_digits.datasets.idx_folder import MAX_BYTES, FolderError, load_any


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
