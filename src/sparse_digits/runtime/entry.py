"""What a program of this project does before it imports any library; every program imports this first.

`dvc` that is called outside the environment runs the stages with another Python, which lacks the libraries:
the message says so instead of a traceback. So does one where `ulimit -v` leaves a stage too little: OpenBLAS
would hang there, and LLVM abort. Ctrl-C during the imports, which take seconds, ends the program silently;
`exit_on_user_error` then takes over. A stage ends with the DVC that runs it. In a process that is no program
of ours, nothing happens.
"""

import contextlib
import ctypes
import logging
import os
import resource
import signal
import sys
from importlib.util import find_spec
from pathlib import PurePath

COMMANDS = {"sparse-digits", "sparse_digits.cli"}  # all other programs of ours are stages
PR_SET_PDEATHSIG = 1  # of Linux

# In MB (docs/decisions/0034). The peaks with two threads and the committed params are 725 for `evaluate` and
# 1,188 for `report`. OpenBLAS, of which numpy and scipy load one each, reserves 82 for a thread.
ADDRESS_SPACE = 600
ADDRESS_SPACE_OF_SWEEP = 1_100
ADDRESS_SPACE_OF_THREAD = 85
MAX_THREADS = 64  # of the OpenBLAS in the wheels

MESSAGE = """\
sparse-digits: {python} lacks the project's libraries.
Use `make repro`, or put the environment first on PATH: . .venv/bin/activate"""


def program() -> str:
    """Return what this process runs: `sparse-digits`, `sparse_digits.<module>`, or a program of others."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name if spec else PurePath(sys.argv[0]).name


def blas_threads() -> int:
    """Return the number of threads that OpenBLAS is going to have."""
    variables = (os.environ.get(name, "") for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"))
    wanted = next((int(text) for text in variables if text.isdecimal() and int(text)), MAX_THREADS)
    return min(wanted, len(os.sched_getaffinity(0)), MAX_THREADS)


def shortage_of_address_space(stage: str) -> str:
    """Return what a stage needs and `ulimit -v` leaves, "" if that is enough."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    base = ADDRESS_SPACE_OF_SWEEP if stage.startswith("sparse_digits.sweep.") else ADDRESS_SPACE
    needed = base + ADDRESS_SPACE_OF_THREAD * blas_threads()
    if limit == resource.RLIM_INFINITY or limit >= needed * 10**6:
        return ""
    return (
        f"{stage}: expected {needed:,} MB of address space or more, got {limit // 10**6:,} MB (ulimit -v). "
        f"To raise the limit: ulimit -v {needed * 1000}"
    )


def prepare(name: str) -> None:
    """Exit with status 2 if the libraries, or the address space of a stage, are missing.

    Let ctrl-C end the program while it imports them. In a stage that DVC runs, let the end of the parent end
    the program, too.
    """
    # matplotlib prints two lines where no home folder can be written; it works all the same.
    logging.getLogger("matplotlib").addFilter(lambda record: "config" not in record.getMessage())
    if find_spec("pydantic") is None:
        print(MESSAGE.format(python=sys.executable), file=sys.stderr)
        raise SystemExit(2)
    if sys.platform == "linux" and name not in COMMANDS and (shortage := shortage_of_address_space(name)):
        print(shortage, file=sys.stderr)
        raise SystemExit(2)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if "DVC_STAGE" in os.environ and sys.platform == "linux":
        # SIGTERM and SIGKILL end DVC alone; its stage would go on, beside that of the next `dvc repro`.
        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


if (name := program()).startswith("sparse_digits.") or name in COMMANDS:
    prepare(name)
