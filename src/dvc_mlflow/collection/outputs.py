"""The files of DVC's outputs: their digests, and their bytes from the workspace or DVC's cache."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from dvc.repo import Repo
from dvc.utils.serialize import PARSERS
from dvc_data.hashfile import load
from dvc_data.hashfile.build import build
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.obj import HashFile
from dvc_data.hashfile.tree import Tree
from dvc_objects.errors import ObjectFormatError

from dvc_mlflow.errors import NotRecorded
from dvc_mlflow.files import md5_of_bytes

if TYPE_CHECKING:
    from dvc.output import Output


def relative_path(repo: Repo, out: "Output") -> str:
    """Return a path relative to the project, with forward slashes; in a monorepo it may begin with "../"."""
    return str(repo.fs.relpath(out.fs_path, repo.root_dir)).replace(os.sep, "/")


def output_md5(repo: Repo, out: "Output", *, from_workspace: bool) -> str:
    """Return DVC's MD5 of an output or dependency: of the file in the workspace, or dvc.lock's."""
    if from_workspace:
        try:
            return _hash_workspace(repo, out)[0]
        except OSError:
            raise NotRecorded(f"{relative_path(repo, out)}: no such file. To compute it: dvc repro") from None
    if out.hash_info and isinstance(out.hash_info.value, str):
        return out.hash_info.value
    raise NotRecorded(f"dvc.lock has no digest of {relative_path(repo, out)}. To compute it: dvc repro")


def file_md5s(repo: Repo, out: "Output", md5: str) -> dict[str, str] | None:
    """Return the MD5 of each file of an output by its path within; None if a folder's list is missing.

    A file has the path "" within itself.
    """
    if not md5.endswith(".dir"):
        return {"": md5}
    with contextlib.suppress(FileNotFoundError, ObjectFormatError):
        return _md5s_within(load(out.cache, HashInfo("md5", md5)))
    with contextlib.suppress(OSError):
        md5_in_workspace, md5s = _hash_workspace(repo, out)
        return md5s if md5_in_workspace == md5 else None
    return None


def read_file(out: "Output", relative: str, md5: str) -> bytes | None:
    """Return the bytes of a file with this MD5, from the workspace or DVC's cache; None if neither has it."""
    places = [(out.fs, out.fs.join(out.fs_path, *relative.split("/")) if relative else out.fs_path)]
    if out.use_cache:
        places.append((out.cache.fs, out.cache.oid_to_path(md5)))
    for fs, path in places:
        try:
            content = bytes(fs.cat_file(path))
        except OSError:
            continue
        if md5_of_bytes(content) == md5:
            return content
    return None


def output_files(repo: Repo, path: str, md5: str) -> dict[str, bytes] | None:
    """Return the bytes of an output's files by their paths within; None if one is missing."""
    for out in repo.index.outs:
        if relative_path(repo, out) == path and (md5s := file_md5s(repo, out, md5)) is not None:
            contents = {relative: read_file(out, relative, digest) for relative, digest in md5s.items()}
            files = {relative: content for relative, content in contents.items() if content is not None}
            return files if len(files) == len(md5s) else None
    return None


def numbers(path: str, content: bytes) -> dict[str, float]:
    """Return the numbers of a metrics file by dotted name."""
    values = PARSERS[PurePosixPath(path).suffix.lower()](content.decode(), path)
    named = flatten(values if isinstance(values, Mapping) else {})
    return {name: float(value) for name, value in named.items() if isinstance(value, (bool, int, float))}


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values by dotted name."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _hash_workspace(repo: Repo, out: "Output") -> tuple[str, dict[str, str]]:
    """Return the MD5 of an output in the workspace, and those of the files within."""
    _, _, hashed = build(repo.cache.local, out.fs_path, out.fs, "md5", dry_run=True, ignore=out.dvcignore)
    return str(hashed.hash_info.value), _md5s_within(hashed)


def _md5s_within(hashed: HashFile) -> dict[str, str]:
    if isinstance(hashed, Tree):
        return {"/".join(key): str(info.value) for key, _, info in hashed}
    return {"": str(hashed.hash_info.value)}
