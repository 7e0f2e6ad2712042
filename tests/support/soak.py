"""Kill what records and delivers at many moments; after the next `track` there is one finished, complete run.

    python tests/support/soak.py [--moments 40] [--seed 0] [PROJECT]

PROJECT is a folder in which `dvc repro` ran; without it one is made, of this working tree, on digits. Each
attempt is a fork of this process, which has imported all that it needs, and begins where DVC is killed too:
the work is done, and dvc.lock has no entry of it. Half of the moments are within `record`.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

from dvc.utils.serialize import modify_yaml

from commands import LONG, run
from dvc_mlflow import records, track
from dvc_mlflow.client.mlflow_session import initialize_store
from dvc_mlflow.delivery.deliver import deliver
from dvc_mlflow.project import Project
from projects import clone
from tracking import models_of, names, shown

RESULT = "evaluate"  # the stage that is killed

warnings.filterwarnings("ignore", "The ``noload`` loader strategy is deprecated")  # MLflow's


def forked(work):
    """Return the process id of a fork that runs `work` and ends with the status that it returns."""
    child = os.fork()
    if not child:
        signal.alarm(LONG)  # ends one that hangs
        status = 1
        try:
            status = work() or 0
        finally:
            os._exit(status)
    return child


def record_and_deliver(times):
    """What dvc.yaml calls after the work; write down when each of the two has ended."""
    times.write_text("")
    begin = time.monotonic()
    project = Project.find()
    track.record_stage(project, RESULT)
    recorded = time.monotonic() - begin
    deliver(project.root, project.content())
    times.write_text(json.dumps([recorded, time.monotonic() - begin]))


def track_again():
    """What `sparse-digits track` does."""
    project = Project.find()
    for _ in track.record_all(project):
        pass
    return deliver(project.root, project.content())


def look(target):
    """Write down everything that the store shows, except seconds, and what was left behind anywhere."""
    content = {
        "store": shown(Path.cwd()),
        "models": models_of(Path.cwd()),
        "records": [folder.name for folder in records.record_folders(Path.cwd())],
        "beside them": names(Path("records")),
    }
    target.write_text(json.dumps(content))


def begin_anew(store):
    """Leave the workspace as it is when DVC is killed during `record`: no record, no entry in dvc.lock."""
    for path in (*Path("records").glob("*"), Path("mlartifacts")):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != ".owner":  # whose name is in the run's tags
            path.unlink(missing_ok=True)
    shutil.copy(store, "mlflow.db")
    with modify_yaml("dvc.lock") as lock:
        lock["stages"].pop(RESULT, None)


def moments(number, seed, recorded, delivered):
    """Return seconds after the start, half of them until the record is there, the others until the end."""
    draw = random.Random(seed).random  # noqa: S311 - moments, no secrets
    half = number // 2
    early = [recorded * 1.2 * (i + draw()) / half for i in range(half)]
    late = [recorded + (delivered - recorded) * (i + draw()) / (number - half) for i in range(number - half)]
    return early + late


def soak(store, number, seed):
    """Kill and look; return how often the process was killed before its end."""
    with tempfile.TemporaryDirectory() as folder:
        times, seen = Path(folder) / "times", Path(folder) / "seen"
        Project.find().content()  # imported here, once for all forks
        for _ in range(
            2
        ):  # the first one warms the disk's caches: the second is as quick as those to be killed
            begin_anew(store)
            assert os.waitpid(forked(lambda: record_and_deliver(times)), 0)[1] == 0
        assert os.waitpid(forked(lambda: look(seen)), 0)[1] == 0
        expected = json.loads(seen.read_text())
        (run,) = expected["store"]["sparse-digits"]
        assert run["status"] == "FINISHED"
        killed = 0
        for moment in moments(number, seed, *json.loads(times.read_text())):
            begin_anew(store)
            child = forked(lambda: record_and_deliver(times))
            time.sleep(moment)
            os.kill(child, signal.SIGKILL)
            killed += os.waitpid(child, 0)[1] == signal.SIGKILL
            assert os.waitpid(forked(track_again), 0)[1] == 0
            assert os.waitpid(forked(lambda: look(seen)), 0)[1] == 0
            assert json.loads(seen.read_text()) == expected, f"killed after {moment} s"
            print(f"killed after {moment:.3f} s: one finished, complete run", flush=True)
    return killed


def main():
    """Soak a project."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("project", nargs="?", type=Path)
    parser.add_argument("--moments", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = arguments.project
        if project is None:
            project = clone(Path(folder) / "a project")
            run(sys.executable, "-m", "dvc", "repro", cwd=project, RECORDS_ONLY="yes")
        store = Path(folder) / "mlflow.db"
        os.chdir(project)
        if not (project / "mlflow.db").exists():
            assert os.waitpid(forked(lambda: initialize_store(project) and 0), 0)[1] == 0
        shutil.copy("mlflow.db", store)
        killed = soak(store, arguments.moments, arguments.seed)
    print(f"{killed} of {arguments.moments} were killed in time; nothing was lost, doubled or left over")


if __name__ == "__main__":
    main()
