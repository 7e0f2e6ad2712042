"""A client of the store: quiet, without retries, in tables that are complete."""

import contextlib
import logging
import os
import sqlite3
import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import mlflow.store.db.utils
import requests
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.tracking.registry import UnsupportedModelRegistryStoreURIException
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError

from dvc_mlflow.client import request_watchdog
from dvc_mlflow.client.proxy import ProxyFailure
from dvc_mlflow.client.refusal import RefusedError
from dvc_mlflow.errors import error_chain
from dvc_mlflow.store import Store, sqlite

WITHOUT_ANSWER = (requests.ConnectionError, requests.Timeout, requests.exceptions.RetryError)
TABLES_LOCK = 7_210_371_955  # an arbitrary number, the same in all versions
TABLES_PATIENCE = 120  # seconds; another host takes some ten to create them
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's code of a lock that was waited for in vain
UNKNOWN_KIND = (
    "MLflow knows no store of this kind here. Packages add kinds to it: sagemaker-mlflow arn:, "
    "azureml-mlflow azureml:"
)
MAX_REASON = 400  # characters
SQL_DETAILS = ("[SQL:", "[parameters:", "(Background on")  # lines that SQLAlchemy adds to a driver's error


@contextmanager
def connect(root: Path, give_up: Callable[[str], None], status: int = 1) -> Iterator[MlflowClient]:
    """Yield a client to look into the store, which is not created if missing. Raises what MLflow raises.

    give_up : is called with the reason, and the process ended with `status`, when the store does not answer.
    """
    store = Store.of(root)
    if store.file and not store.file.exists():
        raise FileNotFoundError("there is no store yet")
    with request_watchdog.request_watchdog(give_up, status), quiet(store):
        yield open_client(store, root)


def initialize_store(root: Path, *, wait: bool = True) -> None:
    """Create the store's tables if they are missing, as the first delivery does.

    wait : for another process that delivers; else filelock.Timeout is raised.
    """
    store = Store.of(root)
    with quiet(store), FileLock(store.lock, blocking=wait):
        open_client(store, root)


def open_client(store: Store, root: Path) -> MlflowClient:
    """Return a client of the store. The caller holds the store's lock if its SQLite file may be missing.

    A new SQLite file gets its name when it has its tables: of two processes that create tables in one file,
    one fails.
    """
    mlflow.set_tracking_uri(store.uri)
    with contextlib.chdir(root):  # MLflow gives its Default experiment a place in the working directory
        if store.file and not store.file.exists():
            draft = store.file.with_name(f"{store.file.name}.new")
            for left in (draft, draft.with_name(f"{draft.name}-journal")):  # by a process that was killed
                left.unlink(missing_ok=True)
            _create_tables(draft)
            draft.rename(store.file)
        with _tables_lock(store):
            try:
                client = MlflowClient(store.uri)
                client.search_experiments(max_results=1)
            except UnsupportedModelRegistryStoreURIException:
                raise ModuleNotFoundError(UNKNOWN_KIND) from None
    with contextlib.suppress(OSError):  # MLflow made the folder that the quoted URI seems to name: empty
        os.removedirs(Path(store.uri.removeprefix("sqlite:///")).parent)
    return client


def _create_tables(draft: Path) -> None:
    """Create a SQLite file with MLflow's tables, and write it to the disk once, at the end.

    MLflow's migrations commit some 70 times, and each commit would wait for the disk.
    """

    def defer_writing(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")

    event.listen(Engine, "connect", defer_writing)
    try:
        MlflowClient(sqlite(draft)).search_experiments(max_results=1)
    finally:
        event.remove(Engine, "connect", defer_writing)
    with draft.open("rb+") as file:
        os.fsync(file.fileno())


@contextmanager
def _tables_lock(store: Store) -> Iterator[None]:
    """Let one host after the other create the tables of an empty PostgreSQL database."""
    if not store.uri.startswith("postgresql"):
        yield
        return
    try:
        engine = mlflow.store.db.utils.create_sqlalchemy_engine(store.uri)
    except ImportError as error:
        raise ModuleNotFoundError(
            f"expected a driver of PostgreSQL, got none ({error}). To get one: pip install psycopg2-binary"
        ) from None
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"SET lock_timeout = '{TABLES_PATIENCE}s'")
            with request_watchdog.unwatched():
                _take_tables_lock(connection)
            yield
    finally:
        engine.dispose()  # the lock ends with the connection


def _take_tables_lock(connection: Connection) -> None:
    try:
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({TABLES_LOCK})")
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) != LOCK_NOT_AVAILABLE:
            raise
        raise TimeoutError(
            f"another host has been creating the database's tables for {TABLES_PATIENCE} s"
        ) from None


@contextmanager
def quiet(store: Store) -> Iterator[None]:
    """Keep MLflow to one attempt a request and off the terminal; leave the environment as it was.

    Meanwhile the environment is without the variables that the store ignores.
    """
    before = dict(os.environ)  # MLflow puts the store's URI there, which the next delivery would use
    for name in store.ignored_variables():
        del os.environ[name]
    os.environ |= {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": f"{max(request_watchdog.artifact_patience(), 1):.0f}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "DO_NOT_TRACK": "true",
    }
    mlflow.store.db.utils.MAX_RETRY_COUNT = 1  # else a file that cannot be opened takes 100 s
    for name in ("mlflow", "urllib3", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.environ.clear()
        os.environ |= before


def root_cause(error: BaseException) -> str:
    """Return one line about what went wrong: a refusal, or the error at the bottom of a failed connection.

    A proxy that failed is named by its variable.
    """
    text, chain = str(error), error_chain(error)
    proxy = next((f"{link}: " for link in chain if isinstance(link, ProxyFailure)), "")
    if refusal := refusal_in(error):
        text = str(refusal)
    elif proxy or any(isinstance(link, WITHOUT_ANSWER) for link in chain):
        error = chain[-1]
        while error.args and isinstance(error.args[-1], BaseException):
            error = error.args[-1]
        text = proxy + (getattr(error, "strerror", None) or str(error))
    lines = [line.strip() for line in text.splitlines() if not line.startswith(SQL_DETAILS)]
    return textwrap.shorten(" ".join(lines), MAX_REASON, placeholder=" ...") or type(error).__name__


def refusal_in(error: BaseException) -> RefusedError | None:
    """Return the refusal that an error came from, None without one."""
    return next((link for link in error_chain(error) if isinstance(link, RefusedError)), None)
