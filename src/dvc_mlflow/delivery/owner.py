"""Who delivers: a name for a folder of records that shows nothing of its machine to a shared server."""

import getpass
import hashlib
import os
import socket
import uuid
from pathlib import Path

from dvc_mlflow.files import write_atomically
from dvc_mlflow.records import records_folder


def owner_of(root: Path) -> str:
    """Return a digest of host, folder and a random number; containers may have the first two in common."""
    file = records_folder(root) / ".owner"
    if not file.exists():
        write_atomically(file, uuid.uuid4().hex.encode())
    return hashlib.sha256(f"{earlier_owner_of(root)} {file.read_text()}".encode()).hexdigest()[:16]


def earlier_owner_of(root: Path) -> str:
    """Return the name in the runs of earlier versions: host and folder."""
    return f"{socket.gethostname()}:{root.resolve()}"


def user() -> str:
    """Return who creates a run: the user of the server, else of the machine, as MLflow's own clients do."""
    try:
        return os.environ.get("MLFLOW_TRACKING_USERNAME") or getpass.getuser()
    except (ImportError, KeyError, OSError):  # a container whose user has no name
        return "unknown"
