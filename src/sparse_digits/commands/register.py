"""The command `register`: a model into MLflow's registry, as champion if it is not worse than that."""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from dvc_mlflow.cli import keep_mlflow_private
from dvc_mlflow.errors import UserError
from dvc_mlflow.project import Project
from dvc_mlflow.store import Store, redact_credentials
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
    candidate = find_model(project, name, C) if name or C is not None else selected_model(project)
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
    from dvc_mlflow.delivery.mlflow_session import connect
    from sparse_digits.mlflow_content import registry

    store = Store.of(project.root)

    def give_up(reason: str) -> None:
        print(
            f"MLflow at {redact_credentials(store.uri)}: expected an answer, got none ({reason})",
            file=sys.stderr,
        )

    try:
        with FileLock(store.lock), connect(project.root, give_up, 2) as client:
            experiment = client.get_experiment_by_name(project.experiment)
            if experiment is None:
                raise UserError(
                    f"MLflow: expected the experiment {project.experiment}, found none. "
                    f"To make it: {project.command} track"
                )
            present, version = registry.champion(client), registry.version_of(client, candidate)
            if present:
                try:
                    predicted = registry.load(present)(images)
                except ValueError as error:  # of another number of pixels
                    raise UserError(f"{registry.URI}: expected a model of these images: {error}") from None
                print(f"champion, version {present.version}: {_score(predicted, labels)} rows right")
                if (answers == labels).sum() < (predicted == labels).sum():
                    print("The champion stays; no version was registered.")
                    return False
            if version:
                print(f"This model is version {version.version} of {registry.NAME} already.")
            else:
                version = registry.add_version(client, experiment.experiment_id, candidate)
                print(f"Registered as version {version.version} of {registry.NAME}.")
            registry.make_champion(client, version)
            print(f"It is the champion: {registry.URI}")
            return True
    except FileNotFoundError:
        raise UserError(f"{store.file}: no such store. To make it: {project.command} track") from None


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
