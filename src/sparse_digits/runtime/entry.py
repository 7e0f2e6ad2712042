"""What a program of this project does before it imports any library; every program imports this first.

`dvc` that is called outside the environment runs the stages with another Python, which lacks the libraries:
the message says so instead of a traceback. Ctrl-C during the imports, which take seconds, ends the program
silently; `exit_on_user_error` then takes over. A stage ends with the DVC that runs it. In a process that is
no program of ours, nothing happens.
"""

import contextlib
import ctypes
import logging
import os
import signal
import sys
from importlib.util import find_spec
from pathlib import PurePath

PR_SET_PDEATHSIG = 1  # of Linux

MESSAGE = """\
sparse-digits: {python} lacks the project's libraries.
Use `make repro`, or put the environment first on PATH: . .venv/bin/activate"""


def is_program() -> bool:
    """Return whether this process runs `sparse-digits` or `python -m sparse_digits.<module>`."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    name = spec.name if spec else PurePath(sys.argv[0]).name
    return name.startswith("sparse_digits.") or name == "sparse-digits"


def prepare() -> None:
    """Exit with status 2 if the libraries are missing; let ctrl-C end the program while it imports them.

    In a stage that DVC runs, let the end of the parent end the program, too.
    """
    # matplotlib prints two lines where no home folder can be written; it works all the same.
    logging.getLogger("matplotlib").addFilter(lambda record: "config" not in record.getMessage())
    if find_spec("pydantic") is None:
        print(MESSAGE.format(python=sys.executable), file=sys.stderr)
        raise SystemExit(2)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if "DVC_STAGE" in os.environ and sys.platform == "linux":
        # SIGTERM and SIGKILL end DVC alone; its stage would go on, beside that of the next `dvc repro`.
        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


if is_program():
    prepare()
