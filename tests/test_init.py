"""The package itself: it computes nothing, and says what to do where its libraries are not."""

import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "src/sparse_digits"


def test_outside_the_environment_the_message_names_the_way_in():
    done = subprocess.run(
        [sys.executable, "-S", "-m", "sparse_digits.split", "raw.npz", "split.npz"],  # -S: no site-packages
        env={"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"sparse-digits: {sys.executable} lacks the project's libraries.\n"
        "Use `make repro`, or put the environment first on PATH: . .venv/bin/activate\n"
    )


def test_nothing_in_the_package_itself_can_change_a_result():
    """It only imports and, in one branch, ends the program; so no stage has to depend on it."""
    docstring, *statements, guard = ast.parse((PACKAGE / "__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr)
    assert all(isinstance(statement, (ast.Import, ast.ImportFrom)) for statement in statements)
    assert isinstance(guard, ast.If)
    assert not guard.orelse
    *said, end = guard.body
    assert all(ast.unparse(statement).startswith("print(") for statement in said)
    assert ast.unparse(end) == "raise SystemExit(2)"
