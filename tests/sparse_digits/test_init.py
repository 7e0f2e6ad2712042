"""The package itself: it computes nothing, and says what to do where its libraries are not."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src/sparse_digits"


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
    """It only imports, ends the program, or says how ctrl-C does; so no stage has to depend on it."""
    docstring, *statements, outside, interrupted = ast.parse((PACKAGE / "__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr)
    assert all(isinstance(statement, (ast.Import, ast.ImportFrom)) for statement in statements)
    assert isinstance(outside, ast.If)
    assert isinstance(interrupted, ast.If)
    assert not outside.orelse + interrupted.orelse
    *said, end = outside.body
    assert all(ast.unparse(statement).startswith("print(") for statement in said)
    assert ast.unparse(end) == "raise SystemExit(2)"
    assert ast.unparse(interrupted.body) == "signal.signal(signal.SIGINT, signal.SIG_DFL)"


def interrupted(tmp_path, words, module, meanwhile="time.sleep(60)"):
    """Return the status and the output of a program that ctrl-C meets while it imports `module`."""
    (tmp_path / f"{module}.py").write_text(f"import time; print('begun', flush=True); {meanwhile}")
    path = os.pathsep.join(map(str, [tmp_path, PACKAGE.parent]))
    with subprocess.Popen(
        words,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=PACKAGE.parent.parent,
    ) as program:
        assert program.stdout.readline() == "begun\n"
        program.send_signal(signal.SIGINT)
        return program.wait(), program.stdout.read()


@pytest.mark.parametrize(
    ("words", "module"),
    [
        (["-m", "sparse_digits.scale", "split.npz", "scaled.npz"], "numpy"),
        (["-m", "sparse_digits.cli", "check"], "filelock"),
        ([Path(sys.executable).with_name("sparse-digits"), "check"], "filelock"),
    ],
)
def test_ctrl_c_while_a_program_imports_ends_it_without_a_word(tmp_path, words, module):
    assert interrupted(tmp_path, [sys.executable, *words], module) == (-signal.SIGINT, "")


def test_ctrl_c_while_a_command_imports_what_it_needs_is_told_in_a_word(tmp_path):
    words = [sys.executable, "-m", "sparse_digits.cli", "status"]
    assert interrupted(tmp_path, words, "mlflow") == (130, "\ninterrupted\n")


def test_who_ignores_ctrl_c_goes_on_ignoring_it(tmp_path):
    words = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-m", "sparse_digits.cli", "check"]
    assert interrupted(tmp_path, words, "pydantic", "time.sleep(1); raise SystemExit(3)") == (3, "")
