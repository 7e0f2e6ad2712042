"""A user's error is one message; an error of the program has a traceback."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from dvc_mlflow.errors import UserError, exit_on_user_error


def end(capsys, error, afterwards=lambda: None):
    """Return the status and the message that a body ends with."""
    with pytest.raises(SystemExit) as ending, exit_on_user_error(afterwards):
        raise error
    return ending.value.code, capsys.readouterr().err


def test_a_user_error_ends_with_status_2_its_message_and_what_comes_after_it(capsys):
    assert end(capsys, UserError("C: expected, got"), lambda: print("more", file=sys.stderr)) == (
        2,
        "C: expected, got\nmore\n",
    )


def test_an_error_of_the_disk_is_printed_with_the_file(capsys):
    assert end(capsys, OSError(28, "No space left on device", "raw.npz")) == (
        2,
        "raw.npz: No space left on device\n",
    )
    assert end(capsys, OSError("cut off")) == (2, "a file: cut off\n")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError("row 5"), "memory ran out (row 5)"),
        (ImportError("x.so: failed to map segment"), "memory ran out (x.so: failed to map segment)"),
        (SystemError("no exception set"), "memory ran out (no exception set)"),
    ],
)
def test_memory_that_runs_out_while_libraries_are_loaded_has_one_message(capsys, monkeypatch, error, message):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (500_000_000, 500_000_000))
    hint = ": the libraries alone may need more than the 500 MB of address space that ulimit -v allows\n"
    assert end(capsys, error) == (2, message + hint)


def test_a_library_that_is_missing_is_an_error_of_the_program_where_memory_is_free(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10**10, 10**10))
    with pytest.raises(ImportError), exit_on_user_error(pytest.fail):
        raise ImportError


def test_output_that_cannot_be_written_is_named():
    code = "from dvc_mlflow.errors import exit_on_user_error\nwith exit_on_user_error(): print('answer')"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, env=environment, check=False
        )
    assert (done.returncode, done.stderr) == (2, b"standard output: No space left on device\n")


def test_ctrl_c_ends_with_status_130(capsys):
    assert end(capsys, KeyboardInterrupt(), pytest.fail) == (130, "\ninterrupted\n")


def test_an_error_of_the_program_is_raised(capsys):
    with pytest.raises(ZeroDivisionError), exit_on_user_error(pytest.fail):
        raise ZeroDivisionError
    assert capsys.readouterr().err == ""


def test_a_body_without_an_error_prints_nothing(capsys):
    with exit_on_user_error(pytest.fail):
        pass
    assert capsys.readouterr() == ("", "")
