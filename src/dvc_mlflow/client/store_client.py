"""A client of the project's store for commands that need its answer: whatever fails is one message."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from mlflow import MlflowClient, MlflowException

from dvc_mlflow.client.mlflow_session import connect, root_cause
from dvc_mlflow.errors import UserError
from dvc_mlflow.project import Project
from dvc_mlflow.store import Store, redact_credentials


@contextmanager
def store_client(project: Project) -> Iterator[MlflowClient]:
    """Yield a client of the store. Raises UserError where there is none or MLflow reports a failure."""
    store = Store.of(project.root)
    where = f"MLflow at {redact_credentials(store.uri)}"

    def give_up(reason: str) -> None:
        print(f"{where}: expected an answer, got none ({reason})", file=sys.stderr)

    def failure(error: Exception) -> UserError:
        return UserError(f"{where}: expected an answer, got: {redact_credentials(root_cause(error))}")

    with ExitStack() as stack:
        try:
            client = stack.enter_context(connect(project.root, give_up, 2))
        except FileNotFoundError:
            raise UserError(f"{store.file}: no such store. To make it: {project.command} track") from None
        except Exception as error:  # noqa: BLE001 - whatever a server, a database or a disk says
            raise failure(error) from None
        try:
            yield client
        except MlflowException as error:
            raise failure(error) from None
