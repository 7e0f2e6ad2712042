"""Whether a store knows logged models, which came with MLflow 3."""

from http import HTTPStatus

from mlflow import MlflowClient, MlflowException

NEEDED = "it has no logged models, which need MLflow 3: the runs arrive without their models"
_known: dict[str, bool] = {}


def has_logged_models(client: MlflowClient, experiment_id: str) -> bool:
    """Return whether the store of a client has logged models; asked once a process."""
    if client.tracking_uri not in _known:
        try:
            client.search_logged_models([experiment_id], max_results=1)
        except MlflowException as error:
            if error.get_http_status_code() != HTTPStatus.NOT_FOUND and " 404 " not in str(error):
                raise
            _known[client.tracking_uri] = False
        else:
            _known[client.tracking_uri] = True
    return _known[client.tracking_uri]
