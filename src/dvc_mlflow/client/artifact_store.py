"""Whether this machine can write where an experiment keeps its artifacts; asked before any run is made."""

from mlflow import MlflowException
from mlflow.entities import Experiment
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from dvc_mlflow.errors import UserError
from dvc_mlflow.store import Store, redact_credentials

WAY_OUT = "Or name another experiment: MLFLOW_EXPERIMENT_NAME, or experiment in [tool.dvc-mlflow]"


def check_artifact_store(experiment: Experiment, store: Store) -> None:
    """Raise UserError, with the way out, if artifacts of the experiment cannot be written from here."""
    location = experiment.artifact_location or ""
    where = f"the experiment {experiment.name!r} keeps its artifacts at {redact_credentials(location)}"
    if location.startswith("mlflow-artifacts:") and not store.is_remote:
        raise UserError(
            f"{where}, which only the server that created it can write. "
            f"Set MLFLOW_TRACKING_URI to that server's address. {WAY_OUT}"
        )
    try:
        get_artifact_repository(location).list_artifacts()
    except ImportError as error:
        raise UserError(
            f"{where}, for which the package {error.name or error} is missing. {WAY_OUT}"
        ) from None
    except MlflowException as error:
        if "registered artifact repositor" in str(error):
            raise UserError(f"{where}, of a kind that MLflow does not know here. {WAY_OUT}") from None
    except Exception as error:  # noqa: BLE001 - boto3's and others' own; a store may well refuse to list
        if "Credentials" in type(error).__name__:
            raise UserError(f"{where}, for which there are no credentials ({error}). {WAY_OUT}") from None
