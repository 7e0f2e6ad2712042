"""Where MLflow keeps runs: the one place that decides it. It imports no mlflow, which takes seconds."""

import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

LOCAL = {"", "file", "sqlite", "postgresql", "postgres", "mysql", "mssql"}  # schemes; all others are servers
MISFILING = {"MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID"}  # they would put a run elsewhere than its record says
OF_SERVERS = {"MLFLOW_WORKSPACE", "MLFLOW_ENABLE_WORKSPACES", "MLFLOW_WORKSPACE_STORE_URI"}


@dataclass(frozen=True)
class Store:
    """A store, the same from whichever folder a command runs in.

    uri : MLflow's tracking URI.  file : the SQLite file, if the store is one.
    artifacts : the URI under which experiments keep artifacts; None if a server decides.
    lock : the file lock of a delivery; beside a SQLite file, which several repositories may share.
    """

    uri: str
    artifacts: str | None
    lock: Path
    file: Path | None = None

    @classmethod
    def of(cls, root: Path) -> "Store":
        """Return what MLFLOW_TRACKING_URI says, else a SQLite file beside the records in `root`."""
        root = root.resolve()
        uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
        lock = root / "records" / ".delivery.lock"
        if uri.startswith("sqlite:///"):  # relative: to the main repository, not to an experiment's folder
            path, mark, options = uri.removeprefix("sqlite:///").partition("?")
            file = root / unquote(path)
            uri = sqlite(file) + mark + options
            return cls(uri, (file.parent / "mlartifacts").as_uri(), file.with_name(f"{file.name}.lock"), file)
        uri = _with_driver(uri)
        return cls(uri, None if _is_remote(uri) else (root / "mlartifacts").as_uri(), lock)

    @property
    def is_remote(self) -> bool:
        """Whether the store is a server, which has its own pages and artifacts."""
        return _is_remote(self.uri)

    def ignored_variables(self) -> list[str]:
        """Return those of MLflow's variables that are set and have no effect on this store."""
        ignored = MISFILING if self.is_remote else MISFILING | OF_SERVERS
        return sorted(name for name in ignored if os.environ.get(name))


def _is_remote(uri: str) -> bool:
    return _scheme(uri).partition("+")[0] not in LOCAL


def _scheme(uri: str) -> str:
    """Return the scheme of a URI in lower case, "" of a path."""
    return uri.partition(":")[0].lower() if re.match(r"[A-Za-z][\w+.-]+:|databricks", uri) else ""


def _with_driver(uri: str) -> str:
    """Return the URI of a PostgreSQL database, if it names no driver with the one that is installed."""
    scheme, mark, rest = uri.partition("://")
    if scheme.lower() in {"postgresql", "postgres"}:  # SQLAlchemy 2.1 would take psycopg, 2.0 takes psycopg2
        driver = next((name for name in ("psycopg", "psycopg2") if importlib.util.find_spec(name)), "")
        return f"postgresql{driver and '+'}{driver}{mark}{rest}"
    return uri


def sqlite(file: Path) -> str:
    """Return the URI of a SQLite file."""
    # SQLAlchemy unquotes; MLflow makes the folder of the quoted name: so no more than has to be.
    return "sqlite:///" + str(file).replace("%", "%25").replace("?", "%3F")


def redact_credentials(text: str) -> str:
    """Return a text without the passwords of the URIs in it."""
    text = re.sub(r"://[^/\s]*@", "://***@", text)
    return re.sub(r"(?i)\b(password|passwd|token|secret)=[^&\s'\")]*", r"\1=***", text)
