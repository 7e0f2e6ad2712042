"""A user's error is one message; an error of the program has a traceback."""

import sys

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
