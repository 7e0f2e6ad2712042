"""A tracked, reproducible pipeline around L1-penalised multinomial logistic regression on MNIST."""

import signal
import sys
from importlib.util import find_spec
from pathlib import PurePath

if find_spec("pydantic") is None:  # dvc was called outside the environment, so `python` is another one
    print(
        f"sparse-digits: {sys.executable} lacks the project's libraries.\n"
        "Use `make repro`, or put the environment first on PATH: . .venv/bin/activate",
        file=sys.stderr,
    )
    raise SystemExit(2)

if (
    PurePath(sys.argv[0]).name in {"-m", "sparse-digits"}
    and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
):
    # A stage or a command of ours begins: until it is at its door (`faults.told`), ctrl-C ends it without a
    # traceback of whatever it is importing.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
