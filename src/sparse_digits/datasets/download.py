"""One known file from one address: bounded in time and size, asked for again where that may help."""

import hashlib
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException, HTTPResponse
from threading import Thread
from typing import TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import Request, build_opener

from tqdm import tqdm

PIECE = 1 << 16  # bytes read at once
PASSING = {408, 429, 500, 502, 503, 504}  # the HTTP statuses that say "not now" and not "no"

T = TypeVar("T")


class UnavailableError(Exception):
    """Why one source did not give what was asked for: one line."""


class PassingError(UnavailableError):
    """A fault that may pass: the same source is worth asking again."""


@dataclass(frozen=True)
class Patience:
    """How long and how often a source is asked; seconds unless it says otherwise."""

    timeout: float
    """For a connection, and between one piece and the next."""
    answer: float
    """From the question to the head of the answer: bounds also what `timeout` does not, which are
    name look-up, a host's many addresses and redirects."""
    slowest: float
    """Bytes per second: a file that comes slower than this is given up."""
    total: float
    """For everything that one source does."""
    pauses: tuple[float, ...]
    """Before the second attempt, the third and so on."""


@dataclass(frozen=True)
class File:
    """A file that is known before it is fetched: its name, its length in bytes and its SHA-256."""

    name: str
    size: int
    sha256: str

    def check(self, body: bytes) -> None:
        """Raise UnavailableError, with what was expected and found, unless `body` is this very file."""
        if len(body) != self.size:
            raise UnavailableError(f"{self.name}: expected {self.size} bytes, found {len(body)}")
        found = hashlib.sha256(body).hexdigest()
        if found != self.sha256:
            raise UnavailableError(f"{self.name}: expected SHA-256 {self.sha256}, found {found}")


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what `call` returns, or raise TimeoutError after so many seconds.

    A call that takes longer is left behind in its thread, because nothing ends a name look-up or a library
    that waits; the thread is a daemon, so the process can still exit.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - handed to the caller, where result() raises it
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future.result(timeout=seconds)


def reason(error: BaseException) -> str:
    """Return the first line of what an exception says, or its name if it says nothing."""
    said = error.reason if isinstance(error, URLError) else error
    said = getattr(said, "strerror", None) or said  # without the number
    return next(iter(str(said).splitlines()), "") or type(error).__name__


def download(folder_url: str, file: File, patience: Patience, deadline: float) -> bytes:
    """Return the bytes of `file`, found under `folder_url`, with its length and SHA-256 checked.

    deadline : seconds on the clock of `time.monotonic`.
    Proxies in the environment are honoured. Raises UnavailableError with the reason.
    """
    for pause in patience.pauses:
        try:
            return _attempt(folder_url, file, patience, deadline)
        except PassingError:
            time.sleep(pause)
    return _attempt(folder_url, file, patience, deadline)


def _attempt(folder_url: str, file: File, patience: Patience, deadline: float) -> bytes:
    with _answer(folder_url + file.name, file, patience) as answer:
        if answer.length not in {None, file.size}:
            raise UnavailableError(
                f"{file.name}: expected {file.size} bytes, the server offers {answer.length}"
            )
        try:
            body = _body(answer, file, patience, deadline)
        except TimeoutError:
            raise UnavailableError(f"{file.name}: silent for {patience.timeout:g} s") from None
        except (OSError, HTTPException) as error:
            raise PassingError(f"{file.name}: {reason(error)}") from error
    if len(body) < file.size:
        raise PassingError(f"{file.name}: cut after {len(body)} of {file.size} bytes")
    file.check(body)
    return body


def _answer(url: str, file: File, patience: Patience) -> HTTPResponse:
    """Return the server's answer with its body still to be read."""
    # `identity`, because a body that was compressed on its way would have another digest.
    request = Request(url, headers={"Accept-Encoding": "identity"})  # noqa: S310 - the address is a constant
    opener = build_opener()  # `urlopen` would keep the proxies that it found when it was first called
    try:
        answer: HTTPResponse = within(
            patience.answer, partial(opener.open, request, timeout=patience.timeout)
        )
    except HTTPError as error:
        error.close()
        kind = PassingError if error.code in PASSING else UnavailableError
        raise kind(f"{file.name}: HTTP {error.code}, {reason(error)}") from error
    except TimeoutError:
        raise UnavailableError("no answer") from None
    except ConnectionError as error:  # it hung up; a fault in connecting is a URLError instead
        raise PassingError(f"{file.name}: {reason(error)}") from error
    except (OSError, HTTPException, ValueError) as error:  # ValueError: a proxy or a redirect that is no URL
        raise UnavailableError(reason(error)) from error
    return answer


def _body(answer: HTTPResponse, file: File, patience: Patience, deadline: float) -> bytes:
    """Return the body, or what came of it if it was cut; at most one piece more than the file has."""
    body = bytearray()
    started = time.monotonic()
    with tqdm(
        total=file.size,
        desc=file.name,
        unit="B",
        unit_scale=True,
        leave=False,
        disable=not sys.stderr.isatty(),
    ) as bar:
        while len(body) <= file.size and (piece := answer.read1(PIECE)):
            body += piece
            bar.update(len(piece))
            now = time.monotonic()
            if now > started + patience.timeout + len(body) / patience.slowest:
                raise UnavailableError(f"{file.name}: slower than {patience.slowest / 1000:g} kB/s")
            if now > deadline:
                raise UnavailableError(f"{file.name}: not done within {patience.total:g} s")
    return bytes(body)
