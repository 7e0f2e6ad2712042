"""Ctrl-C that ends the program at once, whatever it is computing."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil


@contextmanager
def exit_on_interrupt(last_words: Callable[[], str]) -> Iterator[None]:
    """Within the block, ctrl-C or SIGTERM ends the program and its worker processes, after `last_words`.

    Python by itself would look only when the compiled code that runs, a fit of minutes perhaps, comes back.
    Nothing is cleaned up: what has to survive is on the disk already.
    """
    # joblib's tracker, which outlives us, would tell all that it removes then.
    os.environ["PYTHONWARNINGS"] = ",".join(
        filter(None, [os.environ.get("PYTHONWARNINGS"), "ignore:resource_tracker:UserWarning"])
    )
    heard, said = os.pipe()
    os.set_blocking(said, False)  # as set_wakeup_fd asks for

    def listen() -> None:
        number = os.read(heard, 1)
        os.close(heard)
        if number:
            with contextlib.suppress(OSError, ValueError):  # nobody may be reading any more
                print(f"\n{last_words()}", file=sys.stderr, flush=True)
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):  # it may have ended by itself meanwhile
                    # joblib's tracker outlives us, removes what we leave in shared memory, and ends by itself
                    if "resource_tracker" not in " ".join(child.cmdline()):
                        child.kill()
            os._exit(128 + number[0])

    handlers = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    before = signal.set_wakeup_fd(said)
    threading.Thread(target=listen, daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(said)
