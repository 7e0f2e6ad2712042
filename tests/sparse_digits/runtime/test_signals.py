"""The block that ctrl-C ends at once; what it does then is in end_to_end/test_interruption.py."""

import os
import signal

import pytest

from sparse_digits.runtime.signals import exit_on_interrupt


@pytest.mark.parametrize("before", [None, "error"])
def test_environment_and_handlers_are_after_the_block_as_they_were(monkeypatch, before):
    if before:
        monkeypatch.setenv("PYTHONWARNINGS", before)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    environment = dict(os.environ)
    with exit_on_interrupt(lambda: ""):
        assert os.environ["PYTHONWARNINGS"].endswith("ignore:resource_tracker:UserWarning")
    assert dict(os.environ) == environment
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
