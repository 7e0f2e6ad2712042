"""Errors that a project's own content raises, separated from those of MLflow."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from mlflow import MlflowException

from dvc_mlflow.client.refusal import RefusedError
from dvc_mlflow.errors import describe, error_chain

OF_MLFLOW = (MlflowException, requests.RequestException, RefusedError)


class ContentError(Exception):
    """An error in a project's content; its text says of which kind and where."""


@contextmanager
def content_errors() -> Iterator[None]:
    """Raise ContentError from what the body raises, unless it is what a call of MLflow raised."""
    try:
        yield
    except Exception as error:
        if any(isinstance(link, OF_MLFLOW) for link in error_chain(error)):
            raise
        raise ContentError(f"the project's content raised {describe(error)}") from error
