"""The object that dvc-mlflow asks for this project's content: single runs and sweeps."""

from importlib import import_module
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from dvc_mlflow.client.experiment_tag import set_experiment_tag
from dvc_mlflow.records import Record
from dvc_mlflow.run_content import Parts, RunContent
from sparse_digits.mlflow_content import charts, run_content, sweep_content


def title(record: Record) -> str:
    """Return a run's name."""
    return sweep_content.title(record) if sweep_content.is_sweep(record) else run_content.title(record)


def dataset(record: Record) -> str:
    """Return the data set's name."""
    return str(record.params["fetch.dataset"])


def add(client: MlflowClient, run: Run, record: Record, folder: Path) -> None:
    """Log what a record shows beyond what dvc.yaml declares.  folder : of the record."""
    content = sweep_content if sweep_content.is_sweep(record) else run_content
    content.add(client, run, record, folder)


def arrange(client: MlflowClient, experiment_id: str) -> None:
    """Give the experiment the page of all runs: columns with C and the metrics, charts, images."""
    set_experiment_tag(client, experiment_id, charts.TAG, charts.all_runs_view())


def page(record: Record) -> str | None:
    """Return the name of the shared view of a sweep's page; other records have no page of their own."""
    return charts.sweep_name(record.result) if sweep_content.is_sweep(record) else None


def prepare() -> None:
    """Import what logging a model needs; a sweep, which logs none, does without it."""
    import_module("sparse_digits.mlflow_content.logged_model")


CONTENT = RunContent(
    title=title,
    dataset=dataset,
    add=add,
    arrange=arrange,
    page=page,
    parts=Parts(charts.SWEEP, sweep_content.MODEL_MD5, "evaluate", sweep_content.record_of_point),
    without=frozenset({"histories", "images", "models"}),  # `add` has better ones, by the same files
    prepare=prepare,
)
