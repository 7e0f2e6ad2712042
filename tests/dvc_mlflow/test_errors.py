"""A fault is the user's and one message; an error is the program's and has a traceback."""

import sys

import pytest

from dvc_mlflow.errors import UserError, exit_on_user_error


def end(capsys, error, afterwards=lambda: None):
    """Return the status and the message that a body ends with."""
    with pytest.raises(SystemExit) as ending, exit_on_user_error(afterwards):
        raise error
    return ending.value.code, capsys.readouterr().err


def test_a_fault_ends_with_status_2_and_its_message_and_what_comes_after_it(capsys):
    assert end(capsys, UserError("C: expected, got"), lambda: print("more", file=sys.stderr)) == (
        2,
        "C: expected, got\nmore\n",
    )


def test_a_disk_that_fails_is_told_with_the_file(capsys):
    assert end(capsys, OSError(28, "No space left on device", "raw.npz")) == (
        2,
        "raw.npz: No space left on device\n",
    )
    assert end(capsys, OSError("cut off")) == (2, "a file: cut off\n")


def test_ctrl_c_ends_with_the_status_of_a_shells_commands(capsys):
    assert end(capsys, KeyboardInterrupt(), pytest.fail) == (130, "\ninterrupted\n")


def test_an_error_of_the_program_is_left_alone(capsys):
    with pytest.raises(ZeroDivisionError), exit_on_user_error(pytest.fail):
        raise ZeroDivisionError
    assert capsys.readouterr().err == ""


def test_a_body_that_ends_well_says_nothing(capsys):
    with exit_on_user_error(pytest.fail):
        pass
    assert capsys.readouterr() == ("", "")
