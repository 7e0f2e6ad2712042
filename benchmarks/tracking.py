"""The time to record and to deliver a result, beside that of the necessary imports.

In a clone of HEAD that computed scikit-learn's digits. Seconds are wall time, medians of alternating
rounds, so that load on the machine affects all of them. `record` is `sparse-digits record`, in a
process of its own, as in dvc.yaml, with RECORDS_ONLY or into a store that has its tables. Each value is
printed when it is measured, then the medians. A round takes a minute or two with 100 records; each further
record takes a fraction of a second, so 10,000 of them take an hour or two.

    python benchmarks/tracking.py [ROUNDS [RECORDS]]
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
RECORD = ("-m", "sparse_digits.cli", "record")

IMPORTS = {
    "import mlflow": "import mlflow",
    "the imports of a delivery": (
        "from dvc_mlflow.delivery import deliver; from sparse_digits.mlflow_content import content"
    ),
    "the imports of recording": (
        "from sparse_digits import cli, model; from dvc_mlflow.collection import collect"
    ),
}
# The same result under many values of C, which differ in the identity of their records.
COPIES = """
import sys
from dataclasses import replace
from pathlib import Path
from dvc_mlflow import records
root = Path.cwd()
(folder,) = records.record_folders(root)
one = records.read_record(folder)
files = {path: (folder / "files" / path).read_bytes() for path in one.outputs}
for i in range(1, int(sys.argv[1])):
    other = replace(one, params=one.params | {"train.C": float(i)})
    collected = records.CollectedResult(replace(other, result=records.identity_of(other)), files, [])
    records.save_record(collected, root)
"""


def run(folder: Path, *command: str, **more: str) -> float:
    """Run Python in the folder, with the code in it; return the seconds."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "RECORDS_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}"
    settings = {"PATH": path, "PYTHONPATH": "src", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    start = time.perf_counter()
    words = [sys.executable, *command]
    done = subprocess.run(words, cwd=folder, env=own | settings | more, capture_output=True, check=False)
    taken = time.perf_counter() - start
    if done.returncode or done.stderr.startswith(b"warning"):
        raise SystemExit(
            f"{' '.join(command)}: {done.returncode}\n{done.stdout.decode()}{done.stderr.decode()}"
        )
    return taken


def reset(project: Path, *, store: bool) -> None:
    """Remove the records, and replace the store by an empty one."""
    for name in ("records", "mlartifacts"):
        shutil.rmtree(project / name, ignore_errors=True)
    if store:
        shutil.copy(project / "empty.db", project / "mlflow.db")


def main(rounds: int, many: int) -> None:
    """Measure and print."""
    seconds: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "project")

        def measure(name: str, *command: str, **more: str) -> None:
            seconds[name].append(run(project, *command, **more))
            print(f"{name}: {seconds[name][-1]:.2f} s", flush=True)

        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
        shutil.copy(project / "params.digits.yaml", project / "params.yaml")
        run(project, "-m", "dvc", "repro", "--quiet", RECORDS_ONLY="yes")
        shutil.rmtree(project / "records")
        code = (
            "from pathlib import Path; from dvc_mlflow.delivery.mlflow_session import initialize_store; "
            "initialize_store(Path.cwd())"
        )
        (project / "records").mkdir()
        measure("a new store's tables, once", "-c", code)
        shutil.copy(project / "mlflow.db", project / "empty.db")
        for _ in range(rounds):
            reset(project, store=True)
            for name, code in IMPORTS.items():
                measure(name, "-c", code)
            measure("record alone", *RECORD, RECORDS_ONLY="yes")
            size = sum(path.stat().st_size for path in (project / "records").rglob("*"))
            measure("record, deliver it", *RECORD)
            measure("record, nothing new", *RECORD)
            run(project, "-c", COPIES, str(many))
            measure(f"record, deliver {many - 1:,} others", *RECORD)
            measure(f"record, nothing new of {many:,}", *RECORD)
            measure(f"status of {many:,}", "-m", "sparse_digits.cli", "status")
    unit = median(seconds["import mlflow"])
    print(f"\n{rounds} alternating rounds, {os.cpu_count()} processors; one record is {size / 1000:.0f} kB\n")
    print(f"{'':<36}{'median':>9}{'of import mlflow':>20}")
    for name, values in seconds.items():
        print(f"{name:<36}{median(values):>7.2f} s{median(values) / unit:>20.2f}")


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*given, *(3, 100)[len(given) :])
