"""The command `register`: a model into MLflow's registry, as champion if it is not worse than that."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from dvc_mlflow.cli import keep_mlflow_private
from dvc_mlflow.errors import UserError
from dvc_mlflow.project import Project
from dvc_mlflow.store import Store
from sparse_digits import model
from sparse_digits.predict.find_model import SWEEP_MODELS, find_model, point_of_sweep
from sparse_digits.runtime.errors import MissingFileError
from sparse_digits.runtime.npz import read_npz
from sparse_digits.sweep.selection import read_selection

SPLIT = "data/split.npz"
SELECTION = "sweep/chosen.json"
RULE = "A model becomes champion if it is right on at least as many of these rows as the champion is."


def register(project: Project, name: str | None, C: float | None) -> bool:
    """Register a model, print the rule and both scores, and return whether it is the champion.

    name, C : of the model, as `find_model` takes them; without both it is the one selected in the sweep.
    Raises UserError.
    """
    candidate = find_model(name, C) if name or C is not None else selected_model(project)
    _, rows = read_npz(project.folder / SPLIT)
    images, labels = rows["validation_images"], rows["validation_labels"]
    if images.shape[1] != len(candidate.mean):
        raise UserError(
            f"{SPLIT}: expected images of {len(candidate.mean)} pixels, as the model takes them, "
            f"got {images.shape[1]}"
        )
    answers = candidate.predict(images)
    print(f"C = {candidate.params['train.C']:g}: {_score(answers, labels)} validation rows right")
    print(RULE)

    keep_mlflow_private()
    from dvc_mlflow.client.store_client import store_client
    from sparse_digits.mlflow_content import registry

    with FileLock(Store.of(project.root).lock), store_client(project) as client:
        experiment = client.get_experiment_by_name(project.experiment)
        if experiment is None:
            raise UserError(
                f"MLflow: expected the experiment {project.experiment}, found none. "
                f"To make it: {project.command} track"
            )
        if present := registry.champion(client):
            champions = _answers(registry.load(present), images)
            print(f"champion, version {present.version}: {_score(champions, labels)} rows right")
            if (answers == labels).sum() < (champions == labels).sum():
                print("The champion stays; no version was registered.")
                return False
        if version := registry.version_of(client, candidate):
            print(f"This model is version {version.version} of {registry.NAME} already.")
        else:
            version = registry.add_version(client, experiment.experiment_id, candidate)
            print(f"Registered as version {version.version} of {registry.NAME}.")
        registry.make_champion(client, version)
        print(f"It is the champion: {registry.URI}")
        return True


def _answers(
    predict: Callable[[npt.NDArray[Any]], npt.NDArray[Any]], images: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Return the champion's answers. Raises UserError if it takes other images."""
    try:
        return predict(images)
    except ValueError as error:  # of another number of pixels
        raise UserError(f"champion: expected a model of these images: {error}") from None


def selected_model(project: Project) -> model.Model:
    """Return the model at the C that the sweep selected by the one-standard-error rule, of most rows."""
    try:
        selection = read_selection((project.folder / SELECTION).read_bytes())
    except FileNotFoundError:
        raise MissingFileError(SELECTION, "sparse-digits sweep") from None
    largest = max(selection, key=lambda key: int(key.rpartition("_")[2]))
    return point_of_sweep(project.folder / SWEEP_MODELS, selection[largest]["one_standard_error"]["C"])


def _score(predicted: npt.NDArray[Any], labels: npt.NDArray[Any]) -> str:
    return f"{int(np.sum(predicted == labels)):,} of {len(labels):,}"
