"""Downloads with bounds on time and size: of one pinned file, and for libraries that download themselves."""

import hashlib
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException, HTTPResponse
from threading import Thread
from typing import TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, build_opener, getproxies, proxy_bypass

from tqdm import tqdm

from dvc_mlflow.store import redact_credentials
from sparse_digits.datasets.catalogue import PinnedFile

CHUNK_SIZE = 1 << 16  # bytes read at once
TRANSIENT_STATUSES = {408, 429, 500, 502, 503, 504}  # HTTP statuses that a retry may cure
LIBRARY_RETRIES = 1  # of pip and scikit-learn; at a dead host each costs a timeout for each of its addresses
MAX_LIBRARY_FILE_SIZE = 64_000_000  # bytes, three times the longest file expected

T = TypeVar("T")


class SourceError(Exception):
    """The reason why one source did not give its data, on one line, without the passwords of proxies."""

    def __init__(self, text: str) -> None:
        super().__init__(redact_credentials(text))


class TransientError(SourceError):
    """A failure that a retry at the same source may cure."""


@dataclass(frozen=True)
class Timeouts:
    """How long and how often a source is tried; in seconds unless stated otherwise.

    socket : for a connection, and between one chunk and the next.
    response : from the request to the end of the response's headers. It also bounds what `socket` does not:
    name look-up, a host with many addresses, redirects.
    min_bytes_per_second : a slower download is abandoned.
    total : for everything that one source does.
    retry_delays : before the second attempt, the third and so on.
    """

    socket: float
    response: float
    min_bytes_per_second: float
    total: float
    retry_delays: tuple[float, ...]


def check_file(content: bytes, file: PinnedFile) -> None:
    """Raise SourceError unless the content has the pinned length and SHA-256."""
    if len(content) != file.size:
        raise SourceError(f"{file.name}: expected {file.size} bytes, got {len(content)}")
    actual = hashlib.sha256(content).hexdigest()
    if actual != file.sha256:
        raise SourceError(f"{file.name}: expected SHA-256 {file.sha256}, got {actual}")


def call_with_timeout(seconds: float, function: Callable[[], T]) -> T:
    """Return what `function` returns, or raise TimeoutError after so many seconds.

    A call that takes longer is abandoned in its thread, because nothing can end a name look-up or a library
    that waits; the thread is a daemon, so the process can still exit.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - result() raises it in the caller's thread
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future.result(timeout=seconds)


@contextmanager
def limit_file_size(size: int = MAX_LIBRARY_FILE_SIZE) -> Iterator[None]:
    """Make this process, and those it starts, fail with OSError when they write a file above `size` bytes.

    This is the one bound that holds for libraries that download without any.
    """
    before = soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    lowest = min(limit for limit in (size, soft, hard) if limit != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_FSIZE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def reason(error: BaseException) -> str:
    """Return the first line of an exception's text, or its class if it has none."""
    cause = error.reason if isinstance(error, URLError) else error
    text = getattr(cause, "strerror", None) or cause  # strerror omits the number
    return next(iter(str(text).splitlines()), "") or type(error).__name__


def download(folder_url: str, file: PinnedFile, timeouts: Timeouts, deadline: float) -> bytes:
    """Return the content of `file` under `folder_url`, with its length and SHA-256 checked.

    deadline : seconds on the clock of `time.monotonic`.
    Proxies in the environment are used. Raises SourceError with the reason.
    """
    for delay in timeouts.retry_delays:
        try:
            return _attempt(folder_url, file, timeouts, deadline)
        except TransientError:
            time.sleep(delay)
    return _attempt(folder_url, file, timeouts, deadline)


def _attempt(folder_url: str, file: PinnedFile, timeouts: Timeouts, deadline: float) -> bytes:
    with _open(folder_url + file.name, file, timeouts) as response:
        if response.length not in {None, file.size}:
            raise SourceError(f"{file.name}: expected {file.size} bytes, the server offers {response.length}")
        try:
            content = _read(response, file, timeouts, deadline)
        except TimeoutError:
            raise SourceError(f"{file.name}: no data for {timeouts.socket:g} s") from None
        except (OSError, HTTPException) as error:
            raise TransientError(f"{file.name}: {reason(error)}") from error
    if len(content) < file.size:
        raise TransientError(f"{file.name}: connection closed after {len(content)} of {file.size} bytes")
    check_file(content, file)
    return content


def _open(url: str, file: PinnedFile, timeouts: Timeouts) -> HTTPResponse:
    """Return the server's response with its body not yet read."""
    # `identity`, because a body that was compressed on its way would have another digest.
    request = Request(url, headers={"Accept-Encoding": "identity"})  # noqa: S310 - the address is a constant
    opener = build_opener()  # `urlopen` would reuse the proxies of its first call
    try:
        response: HTTPResponse = call_with_timeout(
            timeouts.response, partial(opener.open, request, timeout=timeouts.socket)
        )
    except HTTPError as error:
        error.close()
        kind = TransientError if error.code in TRANSIENT_STATUSES else SourceError
        raise kind(f"{file.name}: HTTP {error.code}, {reason(error)}") from error
    except TimeoutError:
        raise SourceError(f"no response within {timeouts.response:g} s") from None
    except ConnectionError as error:  # the server hung up; a failure to connect is a URLError instead
        raise TransientError(f"{file.name}: {reason(error)}") from error
    except (OSError, HTTPException, ValueError) as error:  # ValueError: a malformed proxy or redirect
        raise SourceError(_by_way_of(url) + reason(error)) from error
    return response


def _by_way_of(url: str) -> str:
    """Return the beginning of a reason that names the proxy's variable, "" where a URL needs no proxy."""
    from dvc_mlflow.client.proxy import proxy_variable  # noqa: PLC0415 - imports requests, for an error alone

    parts = urlsplit(url)
    if parts.scheme not in getproxies() or proxy_bypass(parts.hostname or ""):
        return ""
    return f"through the proxy in {proxy_variable(parts.scheme)}: "


def _read(response: HTTPResponse, file: PinnedFile, timeouts: Timeouts, deadline: float) -> bytes:
    """Return the body, or its beginning if the connection closed; at most one chunk more than file.size."""
    content = bytearray()
    started = time.monotonic()
    with tqdm(
        total=file.size,
        desc=file.name,
        unit="B",
        unit_scale=True,
        leave=False,
        disable=not sys.stderr.isatty(),
    ) as bar:
        while len(content) <= file.size and (chunk := response.read1(CHUNK_SIZE)):
            content += chunk
            bar.update(len(chunk))
            now = time.monotonic()
            if now > started + timeouts.socket + len(content) / timeouts.min_bytes_per_second:
                raise SourceError(f"{file.name}: slower than {timeouts.min_bytes_per_second / 1000:g} kB/s")
            if now > deadline:
                raise SourceError(f"{file.name}: not done within {timeouts.total:g} s")
    return bytes(content)
