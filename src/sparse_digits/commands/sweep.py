"""The command `sweep`: the second pipeline, with the selection and the address of its page after it."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dvc_mlflow import git
from dvc_mlflow.cli import deliver_records, load_delivery
from dvc_mlflow.errors import NotRecorded
from dvc_mlflow.project import Project
from dvc_mlflow.records import Record, find_matching_record
from dvc_mlflow.track import record_stage
from sparse_digits import params
from sparse_digits.commands.pipelines import SWEEP, SWEEP_RESULT, dvc_repro, require_stages, stages_of
from sparse_digits.sweep.selection import read_selection
from sparse_digits.sweep.selection_display import format_selection


def sweep(project: Project, scheduler: str | None) -> None:
    """Run the stale stages of the sweep, deliver it, and print the selection and where to look at it.

    scheduler : the address of a Dask cluster that computes.
    """
    os.chdir(project.folder)
    params.read().check_sweep()  # before DVC removes an output
    git.require_repository(project.folder)
    require_stages(project.folder / SWEEP, SWEEP_RESULT.rpartition(":")[2])
    variables = {"SPARSE_DIGITS_SCHEDULER": scheduler} if scheduler else {}
    with ThreadPoolExecutor(1) as meanwhile:
        if "RECORDS_ONLY" not in os.environ:
            meanwhile.submit(load_delivery, project)
        dvc_repro(project.folder, SWEEP, RECORDS_ONLY="yes", **variables)  # this process delivers
    print()
    stages = stages_of(project.folder / SWEEP)
    selection = project.folder / next(iter(stages["sweep"]["metrics"][0]))
    print(format_selection(read_selection(selection.read_bytes())))
    print(f"Pictures: {project.folder / next(iter(stages['report']['outs'][0]))}")
    deliver_records(project, 0, _record_of_sweep(project))


def _record_of_sweep(project: Project) -> Record | None:
    """Return the sweep's record, recording it if DVC skipped the report, which git has in a fresh clone."""
    record = find_matching_record(project.root, Path(project.folder), SWEEP_RESULT, project.experiment)
    if record:
        return record
    try:
        return record_stage(project, SWEEP_RESULT, "lock")[0].record
    except NotRecorded as reason:
        print(f"This sweep has no record ({reason}). To record it: {project.command} track")
        return None
