import gc
import os
import socket
import time
from pathlib import Path

import pytest

from loopback import serving
from sparse_digits.datasets.arrays import digest
from sparse_digits.datasets.catalogue import MNIST
from sparse_digits.datasets.download import SourceError, Timeouts
from sparse_digits.datasets.load import TIMEOUTS
from sparse_digits.datasets.openml import load_openml


@pytest.mark.slow
def test_openml_gives_mnist_in_the_same_order():
    home = os.environ.get("SCIKIT_LEARN_DATA")
    if not home or not Path(home, "openml", "openml.org").is_dir():
        pytest.skip("SCIKIT_LEARN_DATA names no folder with OpenML 554")
    assert digest(*load_openml(554, TIMEOUTS)) == MNIST.sha256


@pytest.mark.slow
@pytest.mark.usefixtures("empty_data_home", "use_index")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # for the socket below
@pytest.mark.parametrize(
    ("socket_timeout", "total", "reason"), [(0.3, 120, "timed out"), (60, 0.5, r"not done within 0\.5 s")]
)
def test_a_server_that_never_answers_is_abandoned(monkeypatch, socket_timeout, total, reason):
    timeouts = Timeouts(
        socket=socket_timeout, response=1, min_bytes_per_second=1, total=total, retry_delays=(0.1,)
    )
    before = socket.getdefaulttimeout()
    with serving({}) as proxy:
        monkeypatch.setenv("https_proxy", proxy.proxy())
        with pytest.raises(SourceError, match=reason):
            load_openml(554, timeouts)
        while not proxy.asked:
            time.sleep(0.01)
    assert socket.getdefaulttimeout() == before
    gc.collect()  # `http.client` before Python 3.11.4 leaves the socket of an unanswered CONNECT to it
