"""The time and memory of tracking 1, 100 and 10,000 results, or a sweep of as many points.

    python benchmarks/tracking.py [RECORDS ...]           # by default 1 100 10000
    python benchmarks/tracking.py --points [POINTS ...]   # by default 25 1000

A line is printed as soon as it is measured. 10,000 records take five minutes, almost all of them
their first delivery, and so do 10,000 points. For each number there is a new project of one stage,
whose one result is copied under other params, and a store that has its tables. A sweep is made up of
points of 64 pixels. Each command is a process of its own; its memory is the largest resident set. The page
is that of the experiment, in headless Chromium, from the request until the first run is on it, with
Chromium's JavaScript heap and the memory of the server.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "support")]

from browser import chromium  # noqa: E402 - it is in tests/support

CLI = ("-m", "dvc_mlflow.cli")
VARIABLES = ("DVC_", "GIT_", "MLFLOW_", "RECORDS_")
SETTINGS = {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests" / "support")]),
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    **{f"GIT_{who}_{what}": "benchmark" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}
DVC_YAML = """\
stages:
  fit:
    cmd:
      - seq 1 ${scale} > model.txt
      - echo '{"mean":' ${scale} '}' > metrics.json
    params: [scale]
    outs:
      - model.txt: {type: model}
    metrics: [metrics.json]
"""
STORE = """
from pathlib import Path
from dvc_mlflow.client.mlflow_session import initialize_store
initialize_store(Path.cwd())
"""
# The one result under other params, without the care that a record needs when it is made.
COPIES = """
import json, os, sys
from dataclasses import asdict, replace
from pathlib import Path
from dvc_mlflow import records
(folder,) = records.record_folders(Path.cwd())
one = records.read_record(folder)
for i in range(1, int(sys.argv[1])):
    other = replace(one, params={"scale": 2 + i}, metrics={"mean": 2.0 + i})
    content = asdict(replace(other, result=records.identity_of(other)))
    place = folder.parent / content["result"]
    (place / "files").mkdir(parents=True)
    for path in one.outputs:
        os.link(folder / "files" / path, place / "files" / path)
    (place / "record.json").write_text(json.dumps(content | {"check": records._hash(content)}))
"""
SWEEP = """
import json, sys
import numpy as np
from pathlib import Path
import synthetic_sweep
from dvc_mlflow import records
from dvc_mlflow.files import md5_of_bytes
from dataclasses import replace
from dvc.utils.serialize import load_yaml
from dvc_mlflow.collection.outputs import flatten
from sparse_digits.runtime.npz import save_npz
from sparse_digits.sweep.selection import select
import io
columns = synthetic_sweep.points_of(np.geomspace(0.001, 1, int(sys.argv[1])), [0], [5000])
models = io.BytesIO()
save_npz(models, {}, **columns)
files = {"models.npz": models.getvalue(), "chosen.json": json.dumps(select(columns, 5000)).encode()}
sweep = flatten(load_yaml(sys.argv[2]))
one = records.Record(
    result="", stage="report", params=sweep, metrics={}, data={}, digests={}, code=None, environment=None,
    outputs={path: md5_of_bytes(content) for path, content in files.items()}, stages={},
    experiment="points", name=None, created="2026-01-02T03:04:05.678+00:00",
)
records.save_record(
    records.CollectedResult(replace(one, result=records.identity_of(one)), files, []), Path.cwd()
)
"""
PYPROJECT = """\
[tool.dvc-mlflow]
content = "sparse_digits.mlflow_content.content:CONTENT"
"""


def environment() -> dict[str, str]:
    """Return the environment of a command: that of a new user's shell."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(VARIABLES)}
    return own | SETTINGS


def run(folder: Path, *words: str, **more: str) -> tuple[float, float, float]:
    """Run Python in a folder; return wall time and processor time in seconds, and memory in MB."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        command = [sys.executable, *words]
        child = subprocess.Popen(command, cwd=folder, env=environment() | more, stdout=output, stderr=output)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        output.seek(0)
        printed = output.read().decode()
    if child.returncode or "warning: MLflow" in printed:
        raise SystemExit(f"{' '.join(words)}: {child.returncode}\n{printed}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def report(number: int, name: str, wall: float, processor: float | None, memory: float) -> None:
    """Print a line of the table."""
    text = "" if processor is None else f"{processor:.1f} s"
    print(f"{number:>7,}  {name:<34}{wall:>9.1f} s{text:>12}{memory:>9,.0f} MB", flush=True)


def new_project(folder: Path) -> Path:
    """Return a computed project with a store."""
    folder.mkdir()
    (folder / "dvc.yaml").write_text(DVC_YAML)
    (folder / "params.yaml").write_text("scale: 2\n")
    (folder / ".gitignore").write_text("/records/\n/mlflow.db*\n/mlartifacts/\n")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, env=environment(), check=True)
    run(folder, "-m", "dvc", "init", "--quiet")
    (folder / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    run(folder, "-m", "dvc", "repro", "--quiet")
    subprocess.run(["git", "add", "--all"], cwd=folder, env=environment(), check=True)
    subprocess.run(["git", "commit", "--quiet", "-m", "Computed"], cwd=folder, env=environment(), check=True)
    (folder / "records").mkdir()
    run(folder, "-c", STORE)
    return folder


def measure_records(project: Path, number: int) -> None:
    """Measure the commands and the page with so many records."""
    run(project, *CLI, "track", RECORDS_ONLY="yes")
    run(project, "-c", COPIES, str(number))
    report(number, "track, first delivery", *run(project, *CLI, "track"))
    report(number, "track, nothing to do", *run(project, *CLI, "track"))
    report(number, "status", *run(project, *CLI, "status"))
    report(number, "page of the runs", *open_page(project, "fit"))


def measure_points(project: Path, number: int) -> None:
    """Measure the delivery of a sweep of so many points, and its page."""
    (project / "pyproject.toml").write_text(PYPROJECT)
    (project / "dvc.lock").unlink()  # the sweep is the only result
    run(project, "-c", SWEEP, str(number), str(ROOT / "params.yaml"))
    report(number, "track a sweep, first delivery", *run(project, *CLI, "track"))
    report(number, "track a sweep, nothing to do", *run(project, *CLI, "track"))
    report(number, "status", *run(project, *CLI, "status"))
    report(number, "page of the sweep's charts", *open_page(project, "sweep over C"))


def open_page(project: Path, text: str) -> tuple[float, None, float]:
    """Return the seconds until the experiment's page shows a text, and the browser's and server's MB."""
    with (
        subprocess.Popen(
            [sys.executable, *CLI, "ui"], cwd=project, env=environment(), stdout=subprocess.PIPE, text=True
        ) as ui,
        tempfile.TemporaryDirectory() as profile,
    ):
        try:
            lines = iter(ui.stdout.readline, "") if ui.stdout else []
            server = next(match[0] for line in lines if (match := re.search(r"http://[\d.:]+", line)))
            address = f"{server}/#/experiments/1/runs?workflowType=machine_learning"
            with chromium(Path(profile)) as page:
                page.resize(1600, 1000)
                page.open(address)  # its scripts are then in the cache
                page.wait_until(f"document.body.innerText.includes({text!r})")
                page.open("about:blank")
                start = time.perf_counter()
                page.open(address)
                page.wait_until(f"document.body.innerText.includes({text!r})")
                wall = time.perf_counter() - start
                heap = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
            served = sum(
                process.memory_info().rss for process in psutil.Process(ui.pid).children(recursive=True)
            )
        finally:
            ui.terminate()
    return wall, None, heap + served / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("numbers", nargs="*", type=int)
    parser.add_argument("--points", action="store_true", help="measure sweeps of so many points")
    arguments = parser.parse_args()
    numbers = arguments.numbers or ([25, 1000] if arguments.points else [1, 100, 10_000])
    measure = measure_points if arguments.points else measure_records
    print(f"{os.cpu_count()} processors")
    print(f"{'':>7}  {'':<34}{'wall':>11}{'processor':>12}{'memory':>12}")
    for number in numbers:
        with tempfile.TemporaryDirectory() as folder:
            measure(new_project(Path(folder, "project")), number)


if __name__ == "__main__":
    main()
