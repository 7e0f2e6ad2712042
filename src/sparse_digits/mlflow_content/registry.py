"""The project's model in MLflow's registry: its versions, and the one with the alias champion."""

import re
from collections.abc import Callable
from typing import Any

import mlflow
import mlflow.sklearn
import numpy.typing as npt
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from dvc_mlflow.delivery.registry import ensure_registered_model
from dvc_mlflow.files import md5_of_bytes
from sparse_digits import model
from sparse_digits.mlflow_content.logged_model import log_model
from sparse_digits.predict.sklearn_pipeline import from_pipeline

NAME = "sparse-digits"
CHAMPION = "champion"
DIGEST = "model.digest"  # the tag of a version with the digest of what its answers depend on
URI = f"models:/{NAME}@{CHAMPION}"

Predict = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


def digest(fitted: model.Model) -> str:
    """Return a digest of what a model's answers depend on, the same for a run and for a point of a sweep."""
    parts = (fitted.coef, fitted.intercept, fitted.classes, fitted.mean, fitted.scale)
    return md5_of_bytes(b"".join(part.tobytes() for part in parts))


def champion(client: MlflowClient) -> ModelVersion | None:
    """Return the version with the alias champion, None if there is none. A store that fails raises."""
    aliases = [found.aliases for found in client.search_registered_models(f"name = '{NAME}'")]
    version = aliases[0].get(CHAMPION) if aliases else None
    return client.get_model_version(NAME, version) if version else None


def read(client: MlflowClient, uri: str) -> model.Model:
    """Return the model of a URI. Raises ValueError for one that `add_version` did not make.

    A model that would be unpickled, and so could run code, is not loaded.
    """
    if not (named := re.fullmatch(r"models:/([^/@]+)(?:@([^/@]+)|/(\d+))", uri)):
        raise ValueError("no models:/NAME@ALIAS or models:/NAME/VERSION")
    name, alias, number = named.groups()
    version = (
        client.get_model_version_by_alias(name, alias) if alias else client.get_model_version(name, number)
    )
    uri = f"models:/{name}/{version.version}"
    form = mlflow.models.get_model_info(uri).flavors.get("sklearn", {}).get("serialization_format")
    if form != mlflow.sklearn.SERIALIZATION_FORMAT_SKOPS or "C" not in version.tags:
        raise ValueError("another")
    return from_pipeline(mlflow.sklearn.load_model(uri), float(version.tags["C"]))


def load(version: ModelVersion) -> Predict:
    """Return the function that predicts by a version's model."""
    predict: Predict = mlflow.sklearn.load_model(f"models:/{NAME}/{version.version}").predict
    return predict


def version_of(client: MlflowClient, fitted: model.Model) -> ModelVersion | None:
    """Return the version that a model has already, if any: that with the same answers."""
    versions = client.search_model_versions(f"name = '{NAME}' and tags.`{DIGEST}` = '{digest(fitted)}'")
    return min(versions, key=lambda version: int(version.version), default=None)


def add_version(client: MlflowClient, experiment_id: str, fitted: model.Model) -> ModelVersion:
    """Log a model to an experiment and register it as a new version, tagged with its digest."""
    mlflow.set_experiment(experiment_id=experiment_id)
    ensure_registered_model(client, NAME)
    info = log_model(fitted)
    return client.create_model_version(
        NAME,
        info.model_uri,
        model_id=info.model_id,
        tags={DIGEST: digest(fitted), "C": f"{fitted.params['train.C']:g}"},
    )


def make_champion(client: MlflowClient, version: ModelVersion) -> None:
    """Give a version the alias champion, which its predecessor loses."""
    client.set_registered_model_alias(NAME, CHAMPION, version.version)
