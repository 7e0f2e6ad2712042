"""Tags of an experiment, which several hosts may set at once."""

from mlflow import MlflowClient, MlflowException


def set_experiment_tag(client: MlflowClient, experiment_id: str, key: str, value: str) -> None:
    """Set a tag. Of two hosts that add the same one at once, a database fails one; the tag is there then."""
    try:
        client.set_experiment_tag(experiment_id, key, value)
    except MlflowException as error:
        if "duplicate" not in str(error).lower():  # as PostgreSQL, MySQL and SQL Server say, also by a server
            raise
        client.set_experiment_tag(experiment_id, key, value)
