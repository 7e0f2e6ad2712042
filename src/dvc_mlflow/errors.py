"""Faults in what the user gave or in the place where it runs: one message, status 2, no traceback."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Something that the user can mend. Its text says what was expected, what was found, and where."""


@contextmanager
def exit_on_user_error(afterwards: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Run the body; end the program with a message and status 2 if it meets a `Fault` or the disk fails.

    `afterwards` may print more, after the message. Ctrl-C ends it with status 130, as a shell's commands do.
    Anything else is a fault in the program and shows its traceback.
    """
    importing = signal.getsignal(signal.SIGINT) is signal.SIG_DFL  # as the package has set it
    if importing:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except UserError as fault:
        message = str(fault)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except OSError as error:  # a full disk, a read-only folder, a file that is not there
        message = f"{error.filename or 'a file'}: {error.strerror or error}"
    else:
        return
    finally:
        if importing:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    print(message, file=sys.stderr, flush=True)
    afterwards()
    raise SystemExit(2)
