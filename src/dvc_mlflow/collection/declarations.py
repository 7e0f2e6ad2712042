"""What dvc.yaml declares of files: metrics, plots, models and reports.

A declaration belongs to an output of a stage (`metrics:`, `plots:`, `type: model` below it) or stands in one
of the sections `metrics:`, `plots:` and `artifacts:` of a dvc.yaml, which name files in outputs of any stage.
"""

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from dvc.repo import Repo

from dvc_mlflow.collection.outputs import file_md5s, read_file, relative_path
from dvc_mlflow.files import is_within

if TYPE_CHECKING:
    from dvc.output import Output

Kind = Literal["metric", "plot", "model", "report"]
FLAVORS = {".skops": "skops", ".onnx": "onnx"}  # by suffix; an annotation may name them too


@dataclass(frozen=True)
class Declaration:
    """What dvc.yaml says of a file, or of all files in a folder.

    path : relative to the project.
    properties : of a plot what it is drawn from, {"x": column, "y": [columns], "template": name, "header":
        bool}; of a model {"name": name, "flavor": name, "trusted": [types]}. A key may be missing.
    """

    path: str
    kind: Kind
    properties: dict[str, Any] = field(default_factory=dict)

    def covers(self, path: str) -> bool:
        """Return whether it is about this file or folder, whole."""
        return is_within(path, self.path)

    def touches(self, path: str) -> bool:
        """Return whether it is about this file or folder, or a part of it."""
        return self.covers(path) or is_within(self.path, path)


@dataclass(frozen=True)
class DeclaredFile:
    """A file of a result. content : None if it is neither in the workspace nor in DVC's cache."""

    path: str
    kinds: frozenset[Kind]
    md5: str
    content: bytes | None


def declarations_of(repo: Repo) -> list[Declaration]:
    """Return all declarations of a project, those of outputs first."""
    index = repo.index
    found = [declaration for out in index.outs for declaration in _of_output(repo, out)]
    # DVC has no public name for these sections by dvc.yaml; its own commands read them so.
    for dvc_yaml, paths in index._metrics.items():  # noqa: SLF001
        found += [Declaration(_join(repo, dvc_yaml, path), "metric") for path in paths]
    for dvc_yaml, plots in index._plots.items():  # noqa: SLF001
        for plot in plots:
            entries = {plot: None} if isinstance(plot, str) else plot
            for name, properties in entries.items():
                found += _of_plot(repo, dvc_yaml, name, properties or {})
    for dvc_yaml, artifacts in index._artifacts.items():  # noqa: SLF001
        for name, artifact in artifacts.items():
            path = _join(repo, dvc_yaml, artifact["path"])
            labels, meta = artifact.get("labels") or [], artifact.get("meta")
            found += _of_artifact(path, artifact.get("type"), labels, meta, name)
    return found


def declarations_about(
    paths: Iterable[str], declarations: Iterable[Declaration], kind: Kind
) -> list[Declaration]:
    """Return the declarations of one kind that cover any of these files."""
    paths = list(paths)
    return [one for one in declarations if one.kind == kind and any(map(one.covers, paths))]


def missing_stages(repo: Repo, declarations: Iterable[Declaration]) -> list[str]:
    """Return a warning for each declaration of files that no stage writes: no result has them."""
    written = [relative_path(repo, out) for out in repo.index.outs]
    return [
        f"dvc.yaml declares {one.path} as {one.kind}, but no stage writes it, so the record lacks it. "
        "To record it: name it in the outs of its stage"
        for one in declarations
        if not any(map(one.touches, written))
    ]


def declared_files(
    repo: Repo, out: "Output", md5: str, declarations: Iterable[Declaration]
) -> Iterator[DeclaredFile]:
    """Yield the declared files of an output that has the MD5 `md5`.

    The output itself is yielded, without content, if it is a folder whose list of files is missing.
    """
    output_path = relative_path(repo, out)
    declared = [one for one in declarations if one.touches(output_path)]
    md5s = file_md5s(repo, out, md5) if declared else {}
    if md5s is None:
        yield DeclaredFile(output_path, frozenset(), md5, None)
    for relative, digest in (md5s or {}).items():
        path = str(PurePosixPath(output_path, relative))
        if kinds := frozenset(one.kind for one in declared if one.covers(path)):
            yield DeclaredFile(path, kinds, digest, read_file(out, relative, digest))


def _of_output(repo: Repo, out: "Output") -> Iterator[Declaration]:
    path, annotation = relative_path(repo, out), out.annot
    if out.metric:
        yield Declaration(path, "metric")
    if out.plot:
        properties = out.plot if isinstance(out.plot, Mapping) else {}
        yield Declaration(path, "plot", _properties(properties, properties.get("y")))
    yield from _of_artifact(path, annotation.type, annotation.labels, annotation.meta)


def _of_plot(repo: Repo, dvc_yaml: str, name: str, properties: Mapping[str, Any]) -> Iterator[Declaration]:
    """Yield a declaration for each file of a plot, whose name is the path of its file unless `y` has that."""
    y = properties.get("y")
    by_path = y if isinstance(y, Mapping) else {name: y}
    for path, columns in by_path.items():
        yield Declaration(_join(repo, dvc_yaml, path), "plot", _properties(properties, columns, path))


def _properties(properties: Mapping[str, Any], y: Any, path: str = "") -> dict[str, Any]:
    x = properties.get("x")
    x = x.get(path) if isinstance(x, Mapping) else x  # the column of another file has other rows
    columns = [y] if isinstance(y, str) else list(y or [])
    kept = {"x": x, "y": columns, "template": properties.get("template"), "header": properties.get("header")}
    return {key: value for key, value in kept.items() if value not in (None, [])}


def _of_artifact(
    path: str, kind: str | None, labels: list[str], meta: object, name: str | None = None
) -> Iterator[Declaration]:
    if kind == "report":
        yield Declaration(path, "report")
    if kind == "model":
        meta = meta if isinstance(meta, Mapping) else {}
        named = [str(meta.get("flavor", "")), *labels]
        by_annotation = next((flavor for flavor in named if flavor in FLAVORS.values()), None)
        properties = {
            "name": name or PurePosixPath(path).stem,
            "flavor": by_annotation or FLAVORS.get(PurePosixPath(path).suffix.lower()),
            "trusted": list(meta.get("trusted") or []),
        }
        yield Declaration(path, "model", {key: value for key, value in properties.items() if value})


def _join(repo: Repo, dvc_yaml: str, path: str) -> str:
    """Return a path that a dvc.yaml names, relative to the project."""
    folder = str(repo.fs.relpath(repo.fs.parent(dvc_yaml), repo.root_dir)).replace(os.sep, "/")
    return posixpath.normpath(posixpath.join(folder, path.replace(os.sep, "/")))
