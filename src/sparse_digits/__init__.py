"""A tracked, reproducible pipeline around L1-penalised multinomial logistic regression on MNIST."""

import sys
from importlib.util import find_spec

if find_spec("pydantic") is None:  # dvc was called outside the environment, so `python` is another one
    print(
        f"sparse-digits: {sys.executable} lacks the project's libraries.\n"
        "Use `make repro`, or put the environment first on PATH: . .venv/bin/activate",
        file=sys.stderr,
    )
    raise SystemExit(2)
