"""Where MLflow keeps runs: decided here, for the delivery and for the pages. Imports no mlflow."""

import os
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Store:
    """Where MLflow keeps runs, and where new experiments keep their artifacts (None: the server knows)."""

    uri: str
    artifacts: str | None

    @classmethod
    def of(cls, root: Path) -> "Store":
        """Return what the user says, else a SQLite file and a folder beside the records, by absolute path."""
        if uri := os.environ.get("MLFLOW_TRACKING_URI"):
            return cls(uri, None)
        return cls(f"sqlite:///{root.resolve()}/mlflow.db", (root.resolve() / "mlartifacts").as_uri())


def shown(text: str) -> str:
    """Return a text without the passwords of the URIs in it."""
    return re.sub(r"://[^/@\s]*@", "://***@", text)
