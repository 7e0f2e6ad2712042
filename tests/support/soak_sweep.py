"""A sweep over twelve split seeds, killed with SIGKILL at twenty moments under the real `dvc repro`.

Each time the whole process group dies: DVC, the stage and its workers. The same command must then go on with
the paths that are kept, compute the others alone, and end in the same bytes.

    python tests/soak_sweep.py [MOMENTS] [SEED]
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
    """Run the sweep to its end; return what it said on standard error."""
    done = subprocess.run(COMMAND, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{done.stderr}")
    return done.stderr


def kept(folder: Path) -> int:
    """Return how many paths are kept."""
    return len(list(folder.glob("sweep/kept/*.npz")))


def killed(folder: Path, paths: int, delay: float) -> None:
    """Run the sweep and kill all of it so many seconds after so many paths are kept, or when it is done."""
    with subprocess.Popen(
        COMMAND, cwd=folder, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as program:
        while kept(folder) < paths and program.poll() is None:
            time.sleep(0.005)
        time.sleep(delay)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)


def main(moments: int, seed: int) -> None:
    """Kill, go on, compare; once for each moment."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ |= {
        f"GIT_{who}_{what}": "soak" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    draw = random.Random(seed)  # noqa: S311 - not for secrets
    with tempfile.TemporaryDirectory() as temporary:
        folder = clone(Path(temporary) / "a project")
        asked = {"split_seeds": list(range(SEEDS))}
        change(folder / "params.yaml", sweep=asked)
        subprocess.run([*COMMAND[:4], "sweep/dvc.yaml"], cwd=folder, check=True, capture_output=True)
        began = time.monotonic()
        repro(folder)
        whole = time.monotonic() - began
        expected = [(folder / name).read_bytes() for name in OUTPUTS]
        print(f"seed {seed}; a sweep without interruption takes {whole:.1f} s", flush=True)
        for number in range(1, moments + 1):
            paths = draw.randrange(SEEDS + 1)
            killed(folder, paths, draw.uniform(0, 0.1) if paths else draw.uniform(0, whole / 2))
            there = kept(folder)
            said = repro(folder)
            found = re.search(r"\((\d+) of \d+ paths kept\)", said)
            taken = int(found[1]) if found else 0 if there < SEEDS else SEEDS  # none left: no line tells
            same = [(folder / name).read_bytes() for name in OUTPUTS] == expected
            print(f"{number:3}. killed with {there:2} of {SEEDS} paths kept", flush=True)
            if not same or taken != there:
                raise SystemExit(f"expected the same bytes and {there} paths taken: {same}, {taken}\n{said}")
    print(f"{moments} of {moments} ended in the same bytes; no finished path was computed twice")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]), *(20, 0)[len(sys.argv) - 1 :])
