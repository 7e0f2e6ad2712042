"""Files that are written whole or not at all, and their digests as DVC has them."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

BLOCK = 1 << 20  # bytes that are read at once


def write_atomically(path: Path, content: bytes | Callable[[IO[bytes]], object]) -> None:
    """Write bytes, or what a function writes into the open file, under a temporary name; then rename it.

    The folder is created if it is missing. Raises OSError that names `path`, never the temporary file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def is_within(path: str, folder: str) -> bool:
    """Return whether a path is `folder` itself or below it; both are relative to the same place, with /."""
    return path == folder or path.startswith(f"{folder}/")


def kind_of(path: Path) -> str:
    """Return what is at a path, for a message about something else that was expected there."""
    if path.is_dir():
        return "a folder"
    if path.is_symlink() and not path.exists():
        return f"a link to {path.readlink()}, which does not exist"
    return "a file" if path.is_file() else "something else" if path.exists() else "nothing"


def md5(path: Path) -> str:
    """Return the MD5 of a file, or of a folder, as dvc.lock has it."""
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file()]
        listed = [{"md5": md5(file), "relpath": file.relative_to(path).as_posix()} for file in files]
        listed.sort(key=lambda entry: entry["relpath"])
        return md5_of_bytes(json.dumps(listed, sort_keys=True).encode()) + ".dir"
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb", buffering=0) as file:  # hashlib.file_digest takes twice as long for a small file
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def md5_of_bytes(content: bytes) -> str:
    """Return the MD5 of bytes."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
