"""Errors that the user can correct: one message, exit status 2, no traceback."""

import os
import signal
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# In bytes: where less is allowed, a library that cannot be loaded most likely lacks it.
ADDRESS_SPACE_OF_LIBRARIES = 10**9


class UserError(Exception):
    """An error that the user can correct. Its text says where, what was expected, and what was found."""


class NotRecorded(Exception):  # noqa: N818 - not an error of the program: the text says why and what to do
    """A result that cannot be recorded completely and without a guess."""


class NeverRun(NotRecorded):
    """A stage without an entry in dvc.lock."""


class NotAtHand(NotRecorded):
    """A result whose files are elsewhere: neither in the workspace nor in DVC's cache.

    digests, params : what dvc.lock has of it.
    """

    def __init__(self, reason: str, digests: Mapping[str, str], params: Mapping[str, object]) -> None:
        super().__init__(reason)
        self.digests = dict(digests)
        self.params = dict(params)


@contextmanager
def exit_on_user_error(afterwards: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Run the body; end the program with a message and status 2 on a `UserError`, a full disk or memory.

    Where memory runs out while a library is loaded, that may raise an ImportError or a SystemError.

    `afterwards` may print more, after the message. Ctrl-C ends the program with status 130, as a shell does.
    Any other exception is an error of the program and shows its traceback.
    """
    importing = signal.getsignal(signal.SIGINT) is signal.SIG_DFL  # a program sets it while it imports
    if importing:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
        _flush_stdout()
    except UserError as error:
        message = str(error)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:  # the reader of the output has ended, as `| head` does
        _drop_stdout()
        raise SystemExit(128 + signal.SIGPIPE) from None
    except (MemoryError, ImportError, SystemError) as error:
        message = _describe_memory_error(error)
        if not message:
            raise
    except OSError as error:
        message = describe_os_error(error)
    else:
        return
    finally:
        if importing:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    print("\n".join(map(printable, message.split("\n"))), file=sys.stderr, flush=True)
    afterwards()
    raise SystemExit(2)


def _describe_memory_error(error: Exception) -> str:
    """Return the message of an error for want of memory, and "" for any other."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        limit = -1
    else:
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    limited = 0 <= limit < ADDRESS_SPACE_OF_LIBRARIES
    if not limited and not isinstance(error, MemoryError):
        return ""
    message = f"memory ran out{f' ({error})' if str(error) else ''}"
    if limited:
        allowed = f"{limit // 10**6:,} MB of address space that ulimit -v allows"
        message += f": the libraries alone may need more than the {allowed}"
    return message


def describe_os_error(error: OSError) -> str:
    """Return the file and what the system says of it: a full disk, a read-only folder, a missing file."""
    return f"{error.filename or 'a file'}: {error.strerror or error}"


def _flush_stdout() -> None:
    """Write what was printed, here and not as Python ends, so that a full disk has its message."""
    try:
        if sys.stdout:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop_stdout()
        raise OSError(error.errno, error.strerror, "standard output") from None


def _drop_stdout() -> None:
    """Let standard output go nowhere, else Python fails again as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def describe(error: BaseException) -> str:
    """Return the kind of an error, its text, and the line of the user's own code that it came from."""
    text = " ".join(str(error).split())
    kind = type(error).__name__
    libraries = [sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")]
    ours = str(Path(__file__).parent)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        within = (frame.filename.startswith(f"{folder}{os.sep}") for folder in (ours, *libraries))
        if not any(within) and not frame.filename.startswith("<"):
            return f"{kind}{text and ': '}{text} ({frame.filename}, line {frame.lineno})"
    return f"{kind}{text and ': '}{text}"


def error_chain(error: BaseException) -> list[BaseException]:
    """Return an error and those that it came from."""
    chain = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) and inner not in chain:
        chain.append(inner)
    return chain


def warn(text: str) -> None:
    """Print a warning on standard error, as one line, whatever the text has."""
    print(f"warning: {printable('; '.join(text.splitlines()))}", file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Return a line without characters that control a terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
