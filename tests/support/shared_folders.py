"""Folders that are computed once in a run of the tests, whichever worker of pytest-xdist needs them first."""

import os
import shutil

from filelock import FileLock


def shared_folder(tmp_path_factory, name, compute):
    """Return a folder of all workers; `compute` fills it, under a lock, if no worker has done so.

    What is in it must not be changed: another worker reads it at the same time.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a base of its own below the common one
        base = base.parent
    folder, finished = base / f"shared-{name}", base / f"shared-{name}.finished"
    with FileLock(base / f"shared-{name}.lock"):
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)  # what a computation that failed has left
            folder.mkdir()
            compute(folder)
            finished.touch()
    return folder
