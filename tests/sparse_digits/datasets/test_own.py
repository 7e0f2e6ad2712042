"""A folder of the user's own is a data set, or one message says all that is wrong with it."""

import numpy as np
import pytest
from PIL import Image

from idx_files import LABELS, encode_idx
from own_images import CLASSES, write_classes
from sparse_digits.datasets.own import load_own
from sparse_digits.predict.preparation import Preparation
from sparse_digits.predict.read_images import images_of
from sparse_digits.runtime.errors import FaultyFolderError

LENGTHS = {"train": 3, "t10k": 2}  # of the files of idx_files


@pytest.fixture
def folder(tmp_path):
    return write_classes(tmp_path / "shapes", n=2)


def faults(folder):
    with pytest.raises(FaultyFolderError) as raised:
        load_own(folder)
    first, *faults = str(raised.value).splitlines()
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    assert first == f"{folder}: {count}"
    return [fault.removeprefix("  ") for fault in faults]


def test_a_folder_for_each_class_gives_the_pixels_that_predict_reads_and_the_folders_names(folder):
    (folder / ".DS_Store").write_bytes(b"what a file manager leaves")
    white = folder / "box/white_paper.png"
    Image.eval(Image.open(folder / "box/00.png"), lambda value: 255 - value).save(white)
    images, labels = load_own(folder)
    assert images.dtype == np.uint8
    assert labels.tolist() == ["arrow"] * 2 + ["box"] * 3 + ["cross"] * 2
    assert (images[4] == images[2]).all()
    files = [str(folder / name) for name in CLASSES]
    read = [pixels for _, pixels in images_of(files, Preparation.of(36, "shapes"))]
    assert (images == read).all()


def test_idx_files_give_their_labels(small_folder):
    with pytest.raises(FaultyFolderError, match="expected square images, got images of 6 pixels"):
        load_own(small_folder)
    square = np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2)
    for part in ("train", "t10k"):
        (small_folder / f"{part}-images-idx3-ubyte.gz").write_bytes(encode_idx(square[: LENGTHS[part]]))
    images, labels = load_own(small_folder)
    assert labels.tolist() == LABELS.tolist()
    assert images[:3].tolist() == square.reshape(3, 4).tolist()


def test_images_of_8_x_8_have_255_values_unless_they_are_scikit_learns():
    assert Preparation.of(64).full == Preparation.of(64, "digits").full == 16
    assert Preparation.of(64, "shapes").full == 255


def test_all_faults_of_the_images_are_listed_at_once(folder):
    (folder / "empty").mkdir()
    (folder / "a,b").mkdir()
    Image.new("L", (6, 6), 7).save(folder / "a,b/0.png")
    (folder / "arrow/cut.png").write_bytes((folder / "arrow/00.png").read_bytes()[:60])
    (folder / "arrow/notes.txt").write_text("first try")
    (folder / "arrow/page.png").write_text("<html></html>")
    (folder / "box/folder.png").mkdir()
    (folder / "box/link.png").symlink_to("nowhere.png")
    Image.new("L", (7, 7)).save(folder / "box/large.png")
    Image.new("L", (6, 5)).save(folder / "cross/wide.png")
    first, *others = faults(folder)
    assert first == "expected letters, digits and . + - ( ) ' & in a class's name, got 'a,b'"
    assert others == [
        "arrow/cut.png: expected a whole image, but it cannot be decoded: image file is truncated",
        "arrow/notes.txt: expected PNG images alone in the folder of a class",
        "arrow/page.png: expected a PNG, JPEG or .npy file, got something else",
        "box/folder.png: expected PNG images alone in the folder of a class",
        "box/large.png: expected 6 x 6 pixels, as a,b/0.png has, got 7 x 7",
        "box/link.png: expected PNG images alone in the folder of a class",
        "cross/wide.png: expected a square image, got 6 x 5 pixels",
        "empty: expected PNG images of this class, got none",
    ]


def test_of_many_faults_the_first_twenty_are_listed(tmp_path):
    folder = write_classes(tmp_path / "shapes", n=8)
    Image.new("L", (7, 7)).save(folder / "arrow/-.png")
    *_, last, rest = faults(folder)
    assert last == "cross/03.png: expected 7 x 7 pixels, as arrow/-.png has, got 6 x 6"
    assert rest == "and 4 more"


@pytest.mark.parametrize(
    ("classes", "fault"),
    [
        ((), "expected IDX files, or a folder of PNG images for each class, got neither"),
        (("box",), "expected images of 3 classes or more, got only box"),
        (("box", "cross"), "expected images of 3 classes or more, got only box and cross"),
    ],
)
def test_a_folder_with_too_few_classes_is_refused(tmp_path, classes, fault):
    (tmp_path / "shapes").mkdir()
    assert faults(write_classes(tmp_path / "shapes", classes, n=1)) == [fault]
