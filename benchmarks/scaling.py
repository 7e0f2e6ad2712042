"""Time and memory of a sweep by points, rows and processors: the table of docs/cluster.md.

    python benchmarks/scaling.py

Runs the stage `sweep` on MNIST from the folder that SPARSE_DIGITS_MIRROR names, each time in a process of
its own. Seconds are those that the stage prints: wall time, without the start of Python. Memory is the
largest sum of the resident memory of all its processes; shared pages are counted for each process.
Extrapolated lines were not run: they continue the straight line through the last two measurements, or divide
the processor time of the last one among the workers.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from dvc.utils.serialize import modify_yaml

from sparse_digits.datasets.load import load_dataset, mirror_folder
from sparse_digits.runtime import npz

ROOT = Path(__file__).resolve().parent.parent
ROWS = 5000  # training rows of the example
FIRST, LAST = 0.001, 1.0  # C at so many rows; at others C times rows, that is lambda, is the same
POINTS = (5, 25, 100)
SIZES = (5000, 20_000, 60_000)
SEEDS = 4


def run(folder: Path, sweep: Mapping[str, Any], processors: int) -> tuple[float, float, float]:
    """Run the stage; return its seconds of wall time and processor time, and its memory in MB."""
    shutil.copy(ROOT / "params.yaml", folder)
    with modify_yaml(folder / "params.yaml") as content:
        content["split"]["test_size"] = 5000  # leaves 60,000 training rows
        content["sweep"] |= sweep
    names = ("raw.npz", "checkpoints", "sweep.csv", "models.npz", "chosen.json")
    program = subprocess.Popen(
        [sys.executable, "-m", "sparse_digits.sweep.sweep", *names],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, range(processors)),  # noqa: PLW1509 - this process has one thread
    )
    memory, used = 0, 0.0
    while program.poll() is None:
        try:
            tree = [psutil.Process(program.pid), *psutil.Process(program.pid).children(recursive=True)]
            memory = max(memory, sum(process.memory_info().rss for process in tree))
            times = [process.cpu_times() for process in tree]
            used = max(used, sum(each.user + each.system for each in times))
        except psutil.NoSuchProcess:
            pass  # a worker ended meanwhile
        time.sleep(0.02)
    output = program.stdout.read() if program.stdout else ""
    if program.returncode or not (match := re.search(r"points in ([\d.]+) s", output)):
        raise SystemExit(f"the sweep ended with {program.returncode}\n{output}")
    return float(match[1]), used, memory / 1e6


def sweep_section(points: int, rows: int = ROWS, last: float = LAST) -> dict[str, Any]:
    """Return the section `sweep` of params.yaml for a number of points and of training rows."""
    spaced = {"from": FIRST * ROWS / rows, "to": last * ROWS / rows, "points": points}
    return {"C": spaced, "train_sizes": [rows]}


def extrapolate(
    sizes: Sequence[int], measured: Sequence[tuple[float, float, float]], size: int
) -> Iterator[float]:
    """Yield wall time and memory at `size`, on the straight line through the last two measurements."""
    for what in (0, 2):
        slope = (measured[-1][what] - measured[-2][what]) / (sizes[-1] - sizes[-2])
        yield measured[-1][what] + slope * (size - sizes[-1])


def main() -> None:
    """Measure and print."""
    if "SPARSE_DIGITS_MIRROR" not in os.environ:
        raise SystemExit("SPARSE_DIGITS_MIRROR not set: the benchmark measures computing, not a network")
    here = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images, labels = load_dataset("mnist_784", mirror=mirror_folder(os.environ))
        npz.write_npz(folder / "raw.npz", {"fetch.dataset": "mnist_784"}, images=images, labels=labels)
        run(folder, sweep_section(1), here)  # compiles the kernels, once on a machine
        points = [run(folder, sweep_section(count), here) for count in POINTS]
        sizes = [run(folder, sweep_section(10, rows, last=0.1), here) for rows in SIZES]
        several = sweep_section(25) | {"split_seeds": list(range(SEEDS))}
        shared = {count: run(folder, several, count) for count in sorted({1, here})}

    print("| what | wall | processors | memory |\n| --- | --- | --- | --- |")

    def line(what: str, wall: float, used: float, memory: float) -> None:
        print(f"| {what} | {wall:,.1f} s | {used:,.0f} s | {memory:,.0f} MB |")

    def extrapolated_line(what: str, wall: float, memory: float) -> None:
        print(f"| {what}, *extrapolated* | {wall:,.0f} s | | {memory:,.0f} MB |")

    for count, result in zip(POINTS, points, strict=True):
        line(f"{count} points, C from {FIRST:g} to {LAST:g}, {ROWS:,} rows, {here} processors", *result)
    extrapolated_line("1,000 points", *extrapolate(POINTS, points, 1000))
    for rows, result in zip(SIZES, sizes, strict=True):
        line(f"{rows:,} rows, 10 points, lambda from 0.2 to 0.002, {here} processors", *result)
    extrapolated_line("500,000 rows", *extrapolate(SIZES, sizes, 500_000))
    for count, result in shared.items():
        line(f"{SEEDS} split seeds of 25 points, {ROWS:,} rows, {count} of the processors", *result)
    _, used, memory = shared[here]
    each = memory / min(here, SEEDS)
    extrapolated_line(
        "64 split seeds on 16 workers of one processor, memory of each", used / SEEDS * 64 / 16, each
    )


if __name__ == "__main__":
    main()
