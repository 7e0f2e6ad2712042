"""Ctrl-C that ends the program at once, whatever it is computing."""

import _posixsubprocess
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

WARNINGS = "PYTHONWARNINGS"


@contextmanager
def exit_on_interrupt(message: Callable[[], str]) -> Iterator[None]:
    """Within the block, ctrl-C or SIGTERM prints `message()` and kills the program and its worker processes.

    Python by itself handles a signal only when compiled code returns, which can be minutes of a fit later.
    Nothing is cleaned up: what has to survive is on the disk already.
    """
    # Otherwise joblib's resource tracker, which outlives the program, warns of all that it removes.
    before = os.environ.get(WARNINGS)
    os.environ[WARNINGS] = ",".join(filter(None, [before, "ignore:resource_tracker:UserWarning"]))
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)  # set_wakeup_fd requires it

    def wait_for_signal() -> None:
        number = os.read(read_end, 1)
        os.close(read_end)
        if number:
            with contextlib.suppress(OSError, ValueError):  # standard error may be closed
                print(f"\n{message()}", file=sys.stderr, flush=True)
            # joblib, which is about to start workers or to replace those that end, starts none from here on
            _posixsubprocess.fork_exec = lambda *_: threading.Event().wait()
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):  # it may have ended meanwhile
                    # The resource tracker frees the program's shared memory, then ends by itself.
                    if "resource_tracker" not in " ".join(child.cmdline()):
                        child.kill()
            os._exit(128 + number[0])

    handlers = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    previous_fd = signal.set_wakeup_fd(write_end)
    threading.Thread(target=wait_for_signal, daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous_fd)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(write_end)
        os.environ.pop(WARNINGS)
        if before is not None:
            os.environ[WARNINGS] = before
