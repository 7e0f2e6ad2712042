"""scikit-learn's example with cached data against a cold `dvc repro`, and the time of each stage.

Cold: a fresh clone of this repository's HEAD with an empty DVC cache, MNIST in the folder that
SPARSE_DIGITS_MIRROR names, and either no MLflow store, which only the first `dvc repro` of a project meets,
or an empty one with its tables. The rounds alternate, so that load on the machine affects both sides. Both
sides must print the same two numbers. Seconds are wall time, medians of the rounds.

    python benchmarks/pipeline.py [ROUNDS]
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "benchmarks/peers/example_script.py"
MAKE_STORE = (
    "from pathlib import Path; from dvc_mlflow.client.mlflow_session import initialize_store; "
    "initialize_store(Path.cwd())"
)
RESULT = re.compile(r"^(?:Sparsity|Test score) with L1 penalty: .*$", re.MULTILINE)
COMMAND = re.compile(r"^> .*-m sparse_digits\.(\w+)")  # of two, the one that the other runs

Timed = Iterator[tuple[float, str]]


def environment() -> dict[str, str]:
    """Return the environment of both sides: this Python first on PATH, and the clone's own MLflow store."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "PYTHONPATH"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}"
    return own | {"PATH": path, "PYTHONPATH": "src", "PYTHONUNBUFFERED": "1"}


def lines(folder: Path, *command: str) -> Timed:
    """Run a command; yield the lines that it prints, each with the seconds since the start; then its end."""
    start = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        printed = []
        for line in process.stdout or ():
            printed.append(line)
            yield time.perf_counter() - start, line
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: status {process.returncode}\n{''.join(printed)}")
    yield time.perf_counter() - start, ""


def timed(folder: Path, *command: str) -> tuple[float, str]:
    """Run a command; return its seconds and its output."""
    times, printed = zip(*lines(folder, *command), strict=True)
    return times[-1], "".join(printed)


def seconds_by_module(output: Timed) -> dict[str, float]:
    """Return the seconds of each command of `dvc repro` by its module, and the rest as `dvc`.

    A command lasts from the line that announces it to the next such line or to the update of the lock.
    """
    seconds: dict[str, float] = defaultdict(float)
    running, since = "dvc", 0.0
    for now, line in output:
        command = COMMAND.match(line)
        if command or line.startswith("Updating lock file") or not line:
            seconds[running] += now - since
            running, since = command[1] if command else "dvc", now
    return dict(seconds)


def main(rounds: int) -> None:
    """Measure and print."""
    if missing := [name for name in ("SCIKIT_LEARN_DATA", "SPARSE_DIGITS_MIRROR") if name not in os.environ]:
        raise SystemExit(
            f"{' and '.join(missing)} not set: the benchmark measures computing, not a network.\n"
            "SCIKIT_LEARN_DATA names a data home of scikit-learn that holds OpenML 554,\n"
            "SPARSE_DIGITS_MIRROR the folder of the four IDX files."
        )
    seconds: dict[str, list[float]] = defaultdict(list)
    parts: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds):
            taken, output = timed(Path(folder), sys.executable, str(EXAMPLE), "figure.png")
            seconds["the example"].append(taken)
            expected = RESULT.findall(output)
            for store in ("no store", "with a store"):
                clone = Path(folder, f"{store} {turn}")
                timed(Path(folder), "git", "clone", "--quiet", str(ROOT), str(clone))
                if store == "with a store":
                    timed(clone, sys.executable, "-c", MAKE_STORE)
                cold = list(lines(clone, "dvc", "repro"))
                seconds[f"cold dvc repro, {store}"].append(cold[-1][0])
                if (numbers := RESULT.findall("".join(line for _, line in cold))) != expected:
                    raise SystemExit(f"the two sides differ: {expected} and {numbers}")
            for name, part in seconds_by_module(iter(cold)).items():
                parts[name].append(part)
            seconds["dvc repro, nothing to do"].append(timed(clone, "dvc", "repro")[0])
            seconds["dvc --version"].append(timed(clone, "dvc", "--version")[0])

    medians = {name: median(values) for name, values in seconds.items()}
    example = medians["the example"]
    print(f"{rounds} alternating rounds, {os.cpu_count()} processors; {', '.join(expected)} on both sides\n")
    print(f"{'':<30}{'median':>8}{'all':>24}{'of the example':>14}")
    for name, value in medians.items():
        every = " ".join(f"{second:.1f}" for second in sorted(seconds[name]))
        print(f"{name:<30}{value:>6.2f} s{every:>24}{value / example:>14.2f}")
    print("\nParts of the cold dvc repro with a store")
    whole = sum(median(values) for values in parts.values())
    for name, values in parts.items():
        print(f"  {name:<28}{median(values):>6.2f} s{100 * median(values) / whole:>6.0f} %")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
