"""The plots of a record: which declaration is about a file, and what its series and images are called."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dvc_mlflow.declared.series import Points, read_series, spread
from dvc_mlflow.files import is_within
from dvc_mlflow.records import Record

# DVC's templates in which a row is no point of a curve.
NO_CURVE = {
    "bar_horizontal",
    "bar_horizontal_sorted",
    "confusion",
    "confusion_normalized",
    "scatter",
    "scatter_jitter",
}
IMAGES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"}
MAX_POINTS = 20_000  # of all series of a run: MLflow's own database takes some 3,000 a second
MAX_IMAGES = 100  # of a run; all are artifacts


@dataclass(frozen=True)
class PlotFile:
    """A file of a plot.

    path : as that of an output.  base : its name without suffix, within the declared folder if that is one.
    properties : of the declarations about it, as `collection.declarations` has them.
    """

    path: str
    base: str
    in_folder: bool
    properties: list[dict[str, Any]]


def plot_files(record: Record) -> Iterator[PlotFile]:
    """Yield the files of a record's plots.

    A declaration of a file counts before that of its folder, but a file in a declared folder has its name
    there: plots of several files, which name them one by one, show files of DVCLive's folders again.
    """
    for path in record.outputs:
        about = [plot for plot in record.plots if is_within(path, plot["path"])]
        nearest = max((plot["path"] for plot in about), key=len, default=None)
        if nearest is not None:
            folder = max((plot["path"] for plot in about if plot["path"] != path), key=len, default=None)
            relative = path if folder is None else posixpath.relpath(path, folder)
            base = str(PurePosixPath(relative).with_suffix(""))
            declared = [plot for plot in about if plot["path"] == nearest]
            yield PlotFile(path, base, folder is not None, declared)


def histories(record: Record, files: Path) -> dict[str, Points]:
    """Return the series of a record's plots by the names of their metrics.  files : the record's files.

    A column of a file has the name FILE/COLUMN, or FILE if the file is named after its column, as DVCLive's
    are. A series of a metric of the same name, which DVCLive writes too, is the history of that metric.
    """
    named: dict[str, Points] = {}
    for file in plot_files(record):
        for properties in file.properties:
            if properties.get("template") in NO_CURVE:
                continue
            series = read_series(
                files / file.path,
                properties.get("x"),
                properties.get("y", ()),
                header=properties.get("header", True),
            )
            for column, points in series.items():
                if points:
                    named.setdefault(_name(file, column, record.metrics, named), points)
    share = max(MAX_POINTS // max(len(named), 1), 2)
    return {name: list(spread(points, share)) for name, points in named.items()}


def images(record: Record, files: Path) -> Iterator[tuple[Path, str, int]]:
    """Yield path, key and step of at most MAX_IMAGES images. DVCLive's names are KEY/STEP.png."""
    found = [file for file in plot_files(record) if PurePosixPath(file.path).suffix.lower() in IMAGES]
    for file in found[:MAX_IMAGES]:
        folder, _, last = file.base.rpartition("/")
        numbered = folder and file.in_folder and re.fullmatch(r"\d{1,9}", last)
        key, step = (folder, int(last)) if numbered else (file.base, 0)
        yield files / file.path, re.sub(r"[^a-zA-Z0-9_\-./ ]", "_", key), step


def _name(file: PlotFile, column: str, metrics: Mapping[str, float], named: Mapping[str, Points]) -> str:
    same = column in {file.base, posixpath.basename(file.base)}
    name = file.base if same else f"{file.base}/{column}"
    for metric in (name, name.replace("/", ".")):
        if same and metric in metrics and metric not in named:
            return metric
    if name not in metrics and name not in named:
        return name
    return f"{PurePosixPath(file.path).with_suffix('')}/{column}"
