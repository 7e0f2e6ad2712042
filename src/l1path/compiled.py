"""The door to the compiler: `kernel` compiles a function once for a machine and a content of its file.

numba keys its cache by the path of the source file, and a queued experiment runs in a checkout of its own; so
the cache here stands under the user's cache folder and is keyed by what the file says (docs/decisions/0012).
"""

from __future__ import annotations

import contextlib
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

_DAMAGED = (EOFError, ValueError, pickle.UnpicklingError)  # how a torn or foreign index shows
_announced = False


def cache_folder() -> Path | None:
    """Return where compiled kernels are kept, or None if no such folder can be written to."""
    try:
        root = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(root).absolute() / "l1path"
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError):  # read-only, no space, or no home at all
        return None
    return folder


def kernel(function: Callable[..., Any]) -> Any:
    """Compile `function` at its first call, or load what was compiled from the same file content before.

    No fastmath, so no sum is reordered. Division by zero gives infinity: a check would prevent vector code.
    """
    dispatcher = numba.njit(nogil=True, error_model="numpy")(function)
    cache = _Uncached() if _FOLDER is None else _Cache(function)
    dispatcher._cache = cache  # noqa: SLF001 - as its enable_caching does
    return dispatcher


def _announce(where: str) -> None:
    """Say once in a process why it waits."""
    global _announced  # noqa: PLW0603 - one line for a process, whichever kernel comes first
    if not _announced:
        _announced = True
        print(
            f"l1path: compiling the path solver, some ten seconds ({where})",
            file=sys.stderr,
            flush=True,
        )


class _Locator:
    """Where numba keeps the compiled code of a function: in a folder named by its file's digest."""

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        self._stamp = hashlib.sha256(Path(file).read_bytes()).hexdigest()
        self._line = function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> _Locator:
        return cls(function, file)

    def get_cache_path(self) -> str:
        return str(Path(str(_FOLDER), self._stamp[:32]))

    def ensure_cache_path(self) -> None:
        Path(self.get_cache_path()).mkdir(exist_ok=True)

    def get_source_stamp(self) -> str:
        return self._stamp

    def get_disambiguator(self) -> str:
        return str(self._line)


class _Implementation(CompileResultCacheImpl):  # type: ignore[misc]  # numba ships no types
    _locator_classes = [_Locator]  # noqa: RUF012 - numba's own name for it


class _Cache(FunctionCache):  # type: ignore[misc]  # numba ships no types
    """numba's cache, announced where it misses and locked where it writes."""

    _impl_class = _Implementation

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        found = None
        with contextlib.suppress(OSError, *_DAMAGED):  # what cannot be read is compiled again
            found = super().load_overload(sig, target_context)
        if found is None:
            _announce(f"once for this machine, kept in {_FOLDER}")
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError), self._lock():
            try:
                super().save_overload(sig, data)
            except _DAMAGED:
                self.flush()
                super().save_overload(sig, data)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the folder: of two writers one could put its code under the other's name in the index."""
        self._impl.locator.ensure_cache_path()
        with Path(self.cache_path, "lock").open("wb") as file:
            try:
                import fcntl  # noqa: PLC0415 - not on Windows
            except ImportError:
                pass
            else:
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


class _Uncached(NullCache):  # type: ignore[misc]  # numba ships no types
    """No cache, but the announcement."""

    def load_overload(self, sig: Any, target_context: Any) -> None:  # noqa: ARG002 - numba's signature
        _announce("for this process only: the cache folder cannot be written to")


_FOLDER = cache_folder()
