"""What a run shows beyond what dvc.yaml declares: the one object that a project may add."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dvc_mlflow.records import Record

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def stage_title(record: Record) -> str:
    """Return a run's name: the stage, and the DVC experiment if the record is one."""
    return f"{record.stage} ({record.name})" if record.name else record.stage


def six_digits(value: float) -> float:
    """Return a number rounded to six digits, as all metrics are in MLflow."""
    return float(f"{value:.6g}")


def add_nothing(client: "MlflowClient", run: "Run", record: Record, folder: Path) -> None:
    """Leave a run as it is."""


def arrange_nothing(client: "MlflowClient", experiment_id: str) -> None:
    """Leave an experiment's page as it is."""


def prepare_nothing() -> None:
    """Import nothing before it is used."""


@dataclass(frozen=True)
class Parts:
    """Child runs that show a part of a record, as a point of a sweep is one.

    tag : the child's tag with the digest of the record.
    md5 : the child's tag with a file name and the MD5 of the part's one output.
    stage : the stage that computes a part by itself.
    record_of : returns the record that a part would have by itself, given the whole record, its folder, the
        child run, `stage`, and the path of the model that the pipeline of `stage` declares.
    """

    tag: str
    md5: str
    stage: str
    record_of: "Callable[[Record, Path, Run, str, str], Record]"


@dataclass(frozen=True)
class RunContent:
    """What the runs of a project show beyond what it declares to DVC. Each field has a default.

    title : returns the run's name.
    dataset : returns the data set's name; by default each path of the data is a data set of its own.
    add : logs a model, images and the like, given the run, the record and the record's folder.
    arrange : prepares the page of an experiment, given its id, after runs were added.
    page : returns the name of the shared view that `add` made for this record, None if it made none.
    parts : how the children of a run are verified.
    without : what `add` replaces of the default content, which every plot and model of dvc.yaml gives.
    prepare : imports what takes `add` seconds to import, while the command of `record --run` runs.
    """

    title: Callable[[Record], str] = stage_title
    dataset: Callable[[Record], str] | None = None
    add: "Callable[[MlflowClient, Run, Record, Path], None]" = add_nothing
    arrange: "Callable[[MlflowClient, str], None]" = arrange_nothing
    page: Callable[[Record], str | None] = lambda _record: None
    parts: Parts | None = None
    without: frozenset[Literal["histories", "images", "models"]] = frozenset()
    prepare: Callable[[], None] = prepare_nothing
