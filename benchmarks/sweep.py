"""The default sweep, 25 certified points, beside SAGA in a loop and beside queued experiments.

    python benchmarks/sweep.py [QUEUED]

In a fresh clone of HEAD, with MNIST from the folder that SPARSE_DIGITS_MIRROR names, after the first
`dvc repro`. First the computing alone: one fit of the example and the 25 points in one warm process, the
best of three. Then as commands, including the start of their processes: (1) `dvc repro sweep/dvc.yaml:sweep`
and the tracking of its 25 points, (2) 25 fits of scikit-learn's SAGA at the example's tolerance with joblib
on all processors, none of them certified, (3) QUEUED experiments of DVC, by default all 25, with the
certified solver, one after the other, then two at a time. Seconds are wall time and processor time: on a busy
machine only the latter can be compared; that of the queue's processes is not counted.
"""

import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORKER_SECONDS = 12  # until an idle worker of DVC's queue ends, which would slow down what follows

SAGA = """
import sys, warnings
import numpy as np
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
warnings.simplefilter("ignore")
with np.load("data/scaled.npz") as scaled:
    X, y = scaled["X_train"], scaled["y_train"]
how = {"l1_ratio": 1, "solver": "saga", "tol": 0.1, "random_state": 0}
fits = (LogisticRegression(C=float(C), **how) for C in sys.argv[1:])
Parallel(n_jobs=-1)(delayed(fit.fit)(X, y) for fit in fits)
"""

DELIVER = """
import time
from dvc_mlflow.cli import deliver_records, load_delivery
from dvc_mlflow.project import Project
project = Project.find()
load_delivery(project)
began = time.perf_counter()
if deliver_records(project, 1):
    raise SystemExit("some records are pending")
print(f"{time.perf_counter() - began:.2f} s to deliver all records")
"""

COMPUTE = """
import json, time
from pathlib import Path
from sparse_digits import params, train
from sparse_digits.runtime import npz
from sparse_digits.sweep import sweep
from sparse_digits.sweep.grid import params_of_path, values_of_C
from sparse_digits.sweep.replicates import replicates
asked = params.read()
_, raw = npz.read_npz(Path("data/raw.npz"))
made_with, scaled = npz.read_npz(Path("data/scaled.npz"))
(replicate,) = replicates(asked.sweep)
how, Cs = params_of_path(asked, replicate).train, values_of_C(asked.sweep)
def seconds(function, *arguments, **options):
    taken = []
    for _ in range(3):
        began = time.perf_counter(), time.process_time()
        function(*arguments, **options)
        taken.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    return min(taken)
train.train(scaled, made_with, [0.01], how)  # loads the compiled kernels
whole = {"made_with": {"fetch.dataset": "mnist_784"}, "params": asked}
print(json.dumps({
    "one fit of the example": seconds(train.train, scaled, made_with, [0.01], asked.train),
    "25 certified points, trained": seconds(train.train, scaled, made_with, Cs, how),
    "the same by one thread": seconds(train.train, scaled, made_with, Cs, how, threads=1),
    "split, trained and evaluated": seconds(sweep.path, replicate, raw["images"], raw["labels"], **whole),
}))
"""


def timed(folder: Path, *command: str, **more: str) -> tuple[float, float, str]:
    """Run a command; return its seconds of wall time and processor time, and its output."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "PYTHONPATH"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}"
    git = {f"GIT_{who}_{what}": "bench" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryFile("w+") as output:  # a pipe would be open until the queue's idle workers end
        environment = own | git | {"PATH": path, "PYTHONPATH": "src"} | more
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False
        )
        taken, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        output.seek(0)
        text = output.read()
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{text}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return taken, used, text


def main(queued: int) -> None:
    """Measure and print."""
    if "SPARSE_DIGITS_MIRROR" not in os.environ:
        raise SystemExit("SPARSE_DIGITS_MIRROR not set: the benchmark measures computing, not a network")
    python = sys.executable
    rows: list[tuple[str, float, float]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "clone")
        timed(Path(temporary), "git", "clone", "--quiet", str(ROOT), str(folder))
        timed(folder, "dvc", "repro")
        warm = ("dvc", "repro", "--force", "--single-item", "sweep/dvc.yaml:sweep")
        timed(folder, "dvc", "repro", "sweep/dvc.yaml:sweep")  # compiles the kernels, once on a machine
        wall, used, _ = timed(folder, *warm)
        rows.append(("the sweep: 25 certified points, evaluated", wall, used))
        with (folder / "sweep/sweep.csv").open(encoding="utf-8") as file:
            points = list(csv.DictReader(file))
        timed(folder, "dvc", "repro", "sweep/dvc.yaml", RECORDS_ONLY="1")
        report = (*warm[:-1], "sweep/dvc.yaml:report")
        timed(folder, *report, RECORDS_ONLY="1")
        wall, used, delivered = timed(folder, python, "-c", DELIVER)
        rows.append(("delivering it, with the start of a process", wall, used))
        Cs = [point["C"] for point in points]
        wall, used, _ = timed(folder, python, "-c", SAGA, *Cs)
        rows.append(("25 fits by SAGA at tol 0.1, joblib", wall, used))
        computing = json.loads(timed(folder, python, "-c", COMPUTE)[2].splitlines()[-1])
        how = ("train.solver=path", "train.tol=0.001", "train.max_iter=1000")
        some = ",".join(Cs[:: max(len(Cs) // queued, 1)][:queued])
        queue = [word for setting in (*how, f"train.C={some}") for word in ("-S", setting)]
        for jobs, words in enumerate(("one", "two"), 1):
            copy = Path(temporary, words)  # each has workers of its own: those of a queue outlive it
            shutil.copytree(folder, copy)
            wall, used, _ = timed(copy, "dvc", "exp", "run", "--queue", *queue)
            more_wall, more_used, _ = timed(copy, "dvc", "exp", "run", "--run-all", "--jobs", str(jobs))
            title = f"{queued} queued experiments, {words} at a time"
            rows.append((title, wall + more_wall, used + more_used))
            time.sleep(WORKER_SECONDS)
    gap = max(float(point["duality_gap"]) for point in points)
    print(f"{len(points)} points, the largest duality gap {gap:.1e}; {os.cpu_count()} processors")
    fit, fit_used = computing["one fit of the example"]
    for title, lines in (
        ("computing, in one warm process", [(name, *taken) for name, taken in computing.items()]),
        ("as commands, with their start", rows),
    ):
        print(f"\n{title:<44}{'wall':>9}{'processors':>12}{'in fits of the example: wall, processors':>40}")
        for name, wall, used in lines:
            print(f"{name:<44}{wall:>7.1f} s{used:>10.1f} s{wall / fit:>26.1f}{used / fit_used:>14.1f}")
    print(f"\n{delivered.strip()}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 25)
