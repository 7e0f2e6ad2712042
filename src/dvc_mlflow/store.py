"""Where MLflow keeps runs: the one place that decides it. Imports no mlflow, which would decide it too."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote


@dataclass(frozen=True)
class Store:
    """A store, the same from whichever folder it is asked for.

    uri : MLflow's tracking URI.  file : it, if it is a SQLite file.
    artifacts : where experiments keep them; None: the server knows.
    lock : held by whoever delivers; beside a SQLite file, which several repositories may share.
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
        remote = uri.startswith(("http://", "https://", "databricks"))
        return cls(uri, None if remote else (root / "mlartifacts").as_uri(), lock)


def sqlite(file: Path) -> str:
    """Return the URI of a SQLite file."""
    # SQLAlchemy unquotes; MLflow makes the folder of the quoted name: so no more than has to be.
    return "sqlite:///" + str(file).replace("%", "%25").replace("?", "%3F")


def redact_credentials(text: str) -> str:
    """Return a text without the passwords of the URIs in it."""
    text = re.sub(r"://[^/\s]*@", "://***@", text)
    return re.sub(r"(?i)\b(password|passwd|token|secret)=[^&\s'\")]*", r"\1=***", text)
