"""Tags of an experiment, which several hosts may set at once."""

from mlflow import MlflowClient, MlflowException


def set_experiment_tag(client: MlflowClient, experiment_id: str, key: str, value: str) -> None:
    """Set a tag. Of two hosts that add the same one at once, PostgreSQL fails one; the tag is there then."""
    try:
        client.set_experiment_tag(experiment_id, key, value)
    except MlflowException:
        client.set_experiment_tag(experiment_id, key, value)
