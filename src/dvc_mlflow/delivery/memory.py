"""What the folder of records remembers about an experiment, because MLflow cannot tell it.

MLflow keeps no trace of a run that the user deleted once `mlflow gc` ran, and does not know whether a process
still writes an unfinished run. Such a run of another host counts as alive while its tag BEGUN changes, by the
clock of this host: the clocks of two hosts may differ by hours.
"""

import contextlib
import hashlib
import json
import time
from pathlib import Path

from mlflow.entities import Experiment

from dvc_mlflow.files import write_atomically
from dvc_mlflow.records import records_folder


class Memory:
    """The memory of one experiment. A new store has other experiments, so it is filled again.

    delivered : the records that the experiment has, or had, a finished run of.
    """

    def __init__(self, root: Path, experiment: Experiment) -> None:
        key = f"{experiment.experiment_id} {experiment.creation_time} {experiment.name}"
        name = hashlib.sha256(key.encode()).hexdigest()[:16]
        self._file = records_folder(root) / ".delivered" / f"{name}.json"
        self.delivered: set[str] = set()
        self._seen: dict[str, tuple[str, float]] = {}
        with contextlib.suppress(OSError, KeyError, TypeError, ValueError):  # there is none, or it is damaged
            content = json.loads(self._file.read_bytes())
            self._seen = {key: (str(beat), float(since)) for key, (beat, since) in content["seen"].items()}
            self.delivered = set(content["delivered"])
        self._before = self._content()

    def unchanged_for(self, run_id: str, beat: str) -> float:
        """Return the seconds since this host first saw an unfinished run with this tag BEGUN."""
        now = time.time()
        known, since = self._seen.get(run_id, ("", now))
        if known != beat or since > now:
            since = now
        self._seen[run_id] = (beat, since)
        return now - since

    def retain(self, run_ids: set[str]) -> None:
        """Forget all unfinished runs but these."""
        self._seen = {run_id: seen for run_id, seen in self._seen.items() if run_id in run_ids}

    def save(self) -> None:
        """Write the memory if it changed. A user who may only read the records asks the store each time."""
        if (content := self._content()) != self._before:
            with contextlib.suppress(PermissionError):
                write_atomically(self._file, content)
            self._before = content

    def _content(self) -> bytes:
        return json.dumps({"delivered": sorted(self.delivered), "seen": self._seen}).encode()
