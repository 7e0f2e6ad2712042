"""A sweep over twelve split seeds, killed with SIGKILL at twenty moments under the real `dvc repro`.

Each time the whole process group dies: DVC, the stage and its workers. The same command must then resume from
the checkpoints, compute only the other paths, and write the same bytes.

    python tests/support/soak_sweep.py [MOMENTS] [SEED]
"""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from projects import clone
from sweeps import change

COMMAND = [sys.executable, "-m", "dvc", "repro", "--force", "--single-item", "sweep/dvc.yaml:sweep"]
OUTPUTS = ("sweep/sweep.csv", "sweep/models.npz", "sweep/chosen.json")
SEEDS = 12


def repro(folder: Path) -> str:
    """Run the sweep to its end; return its standard error."""
    done = subprocess.run(COMMAND, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{done.stderr}")
    return done.stderr


def count_checkpoints(folder: Path) -> int:
    """Return the number of paths that have a checkpoint."""
    return len(list(folder.glob("sweep/checkpoints/*.npz")))


def run_and_kill(folder: Path, paths: int, delay: float) -> None:
    """Run the sweep; kill its process group `delay` seconds after it has so many checkpoints or has ended."""
    with subprocess.Popen(
        COMMAND, cwd=folder, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as program:
        while count_checkpoints(folder) < paths and program.poll() is None:
            time.sleep(0.005)
        time.sleep(delay)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)


def main(moments: int, seed: int) -> None:
    """Kill, resume and compare, once for each moment."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ |= {
        f"GIT_{who}_{what}": "soak" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    generator = random.Random(seed)  # noqa: S311 - not for secrets
    with tempfile.TemporaryDirectory() as temporary:
        folder = clone(Path(temporary) / "a project")
        change(folder / "params.yaml", sweep={"split_seeds": list(range(SEEDS))})
        subprocess.run([*COMMAND[:4], "sweep/dvc.yaml"], cwd=folder, check=True, capture_output=True)
        began = time.monotonic()
        repro(folder)
        whole = time.monotonic() - began
        expected = [(folder / name).read_bytes() for name in OUTPUTS]
        print(f"random seed {seed}; a sweep without interruption takes {whole:.1f} s", flush=True)
        for number in range(1, moments + 1):
            paths = generator.randrange(SEEDS + 1)
            run_and_kill(
                folder, paths, generator.uniform(0, 0.1) if paths else generator.uniform(0, whole / 2)
            )
            checkpoints = count_checkpoints(folder)
            printed = repro(folder)
            match = re.search(r"\((\d+) of \d+ paths from checkpoints\)", printed)
            reused = (
                int(match[1]) if match else 0 if checkpoints < SEEDS else SEEDS
            )  # no line if none is left
            same = [(folder / name).read_bytes() for name in OUTPUTS] == expected
            print(f"{number:3}. killed with {checkpoints:2} of {SEEDS} paths finished", flush=True)
            if not same or reused != checkpoints:
                raise SystemExit(
                    f"expected the same bytes and {checkpoints} reused paths: {same}, {reused}\n{printed}"
                )
    print(f"{moments} of {moments} ended in the same bytes; no finished path was computed twice")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]), *(20, 0)[len(sys.argv) - 1 :])
