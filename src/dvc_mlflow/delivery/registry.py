"""A logged model of a record's run as a version in MLflow's registry."""

import re

from mlflow import MlflowClient, MlflowException
from mlflow.entities import LoggedModel, Run
from mlflow.entities.model_registry import ModelVersion

from dvc_mlflow import records
from dvc_mlflow.client.store_client import store_client
from dvc_mlflow.delivery.run_tags import active_run, models_of
from dvc_mlflow.errors import UserError
from dvc_mlflow.project import Project

ALIAS = re.compile(r"(?!v\d+$|latest$)[\w\-]+", re.ASCII | re.IGNORECASE)  # what MLflow takes


def register(project: Project, run_name: str, name: str, alias: str | None, model: str | None) -> str:
    """Register the model of a run, as `name`; return one line about it. A model has one version at most.

    run_name : the id of a run or the first digits of a record.  alias : that the version gets.
    model : the name of one of several models of the run.  Raises UserError.
    """
    if alias and not ALIAS.fullmatch(alias):
        raise UserError(f"--alias: expected letters, digits, _ and -, but not latest or v1, got {alias!r}")
    with store_client(project) as client:
        run = _find_run(client, project, run_name)
        logged = _choose(models_of(client, run), run, model)
        version = _version_of(client, name, logged) or _add_version(client, name, logged, run)
        if alias:
            client.set_registered_model_alias(name, alias, version.version)
    address = f"models:/{name}@{alias}" if alias else f"models:/{name}/{version.version}"
    return f"The model {logged.name} of {run.info.run_name} is version {version.version} of {name}: {address}"


def ensure_registered_model(client: MlflowClient, name: str) -> None:
    """Create a registered model unless there is one of this name."""
    try:
        client.create_registered_model(name)
    except MlflowException:
        client.get_registered_model(name)  # raises if that was not because it exists


def _find_run(client: MlflowClient, project: Project, name: str) -> Run:
    if folder := records.find_record_folder(project.root, name):
        if run := active_run(client, folder):
            return run
        raise UserError(
            f"{name}: expected a run of this record, found none. To send it: {project.command} track"
        )
    try:
        return client.get_run(name)
    except MlflowException:
        raise UserError(f"{name}: expected the id of a run, or the first digits of a record") from None


def _choose(models: list[LoggedModel], run: Run, name: str | None) -> LoggedModel:
    chosen = [model for model in models if name in {None, model.name}]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(sorted(model.name for model in models))
    if not models:
        raise UserError(
            f"{run.info.run_name}: expected a logged model, found none. An output with `type: model` is one "
            "if it is a .skops or .onnx file or a folder with an MLmodel file"
        )
    raise UserError(f"--model: expected one of the run's models, {names}; got {name or 'none'}")


def _version_of(client: MlflowClient, name: str, model: LoggedModel) -> ModelVersion | None:
    quoted = name.replace("'", "\\'")
    versions = client.search_model_versions(f"name = '{quoted}'")
    return next((version for version in versions if version.source == model.model_uri), None)


def _add_version(client: MlflowClient, name: str, model: LoggedModel, run: Run) -> ModelVersion:
    ensure_registered_model(client, name)
    return client.create_model_version(name, model.model_uri, run_id=run.info.run_id, model_id=model.model_id)
