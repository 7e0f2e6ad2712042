"""Compile a kernel at its first call, once for a machine, a version of numba and a content of this folder.

numba keys its cache by the path of the source file, and a queued experiment runs in a checkout of its own. So
the cache here stands under the user's cache folder and is keyed by the content of all kernel files, since a
kernel contains the kernels that it calls, and by numba's version: numba empties the index of another version,
so environments that alternate would compile each time (docs/decisions/0012, 0019).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, NullCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DAMAGED = (EOFError, ValueError, pickle.UnpicklingError)  # what reading a torn or foreign index raises


def kernel(function: Callable[..., Any]) -> Any:
    """Compile `function` at its first call, or load what was compiled from the same source before.

    No fastmath, so no sum is reordered. Division by zero gives infinity: a check would prevent vector code.
    """
    dispatcher = numba.njit(nogil=True, error_model="numpy")(function)
    dispatcher._cache = _KernelCache(function)  # noqa: SLF001 - as its enable_caching does
    return dispatcher


@functools.cache
def cache_folder() -> Path | None:
    """Make and return the cache folder of compiled kernels, or return None if none is writable."""
    try:
        root = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(root).absolute() / "l1path"
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError):  # read-only, no space, or no home folder at all
        return None
    return folder


@functools.cache
def cache_key() -> str:
    """Return the digest of numba's version and all kernel files, names and contents."""
    digest = hashlib.sha256(f"numba {numba.__version__}\n".encode())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


@functools.cache
def _announce(where: str) -> None:
    """Print once in a process why it is slow now."""
    print(f"l1path: compiling the path solver, some ten seconds ({where})", file=sys.stderr, flush=True)


class _Locator:
    """Where numba stores the compiled code of a function: in a folder named by the cache key."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._line = function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> _Locator:  # noqa: ARG003 - numba's
        return cls(function)

    def get_cache_path(self) -> str:
        return str(Path(str(cache_folder()), cache_key()[:32]))

    def ensure_cache_path(self) -> None:
        Path(self.get_cache_path()).mkdir(exist_ok=True)

    def get_source_stamp(self) -> str:
        return cache_key()

    def get_disambiguator(self) -> str:
        return str(self._line)


class _Implementation(CompileResultCacheImpl):  # type: ignore[misc]  # numba ships no types
    _locator_classes = [_Locator]  # noqa: RUF012 - numba's own name for it


class _FileCache(FunctionCache):  # type: ignore[misc]  # numba ships no types
    """numba's cache with a lock around each write."""

    _impl_class = _Implementation

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        with contextlib.suppress(OSError, *_DAMAGED):  # an unreadable entry is compiled again
            return super().load_overload(sig, target_context)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError), self._lock():
            try:
                super().save_overload(sig, data)
            except _DAMAGED:
                self.flush()
                super().save_overload(sig, data)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Lock the folder: of two writers one could store its code under the other's name in the index."""
        self._impl.locator.ensure_cache_path()
        with Path(self.cache_path, "lock").open("wb") as file:
            try:
                import fcntl  # noqa: PLC0415 - not on Windows
            except ImportError:
                pass
            else:
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


class _KernelCache(NullCache):  # type: ignore[misc]  # numba ships no types
    """The cache of one kernel: no file is touched before its first call, and a compilation is announced."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    @functools.cached_property
    def _files(self) -> _FileCache | None:
        return None if cache_folder() is None else _FileCache(self._function)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        if self._files is None:
            _announce("for this process only: the cache folder is not writable")
            return None
        compiled = self._files.load_overload(sig, target_context)
        if compiled is None:
            _announce(f"once for this machine, cached in {cache_folder()}")
        return compiled

    def save_overload(self, sig: Any, data: Any) -> None:
        if self._files is not None:
            self._files.save_overload(sig, data)
