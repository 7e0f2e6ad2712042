"""A fork of the server of tests/support/preloaded_python.py does what the interpreter does."""

import os
import subprocess
import sys

import pytest

from commands import python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there are forks on Linux alone")

PROGRAM = """\
import atexit, os, sys, threading
import local
print(sys.argv, os.getcwd(), os.environ["GREETING"], sys.stdin.read(), local.__file__, __name__)
print("an error", file=sys.stderr)
atexit.register(print, "at exit")
threading.Timer(0.1, print, ["from a thread"]).start()
{ending}
"""
ENDINGS = {
    "pass": 0,
    "sys.exit(3)": 3,
    "sys.exit('a reason')": 1,
    "1 / 0": 1,
    "sys.stdout.flush(), os._exit(7)": 7,
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a module in a folder that PYTHONPATH names; the working directory."""
    (tmp_path / "a src").mkdir()
    (tmp_path / "a src" / "local.py").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_fork_prints_and_ends_as_the_interpreter_does(folder, ending):
    environment = os.environ | {"GREETING": "hello", "PYTHONPATH": "a src"}
    forked, real = (
        subprocess.run(
            [program, "-c", PROGRAM.format(ending=ending), "-w", "a word"],
            env=environment,
            input="typed",
            capture_output=True,
            text=True,
            check=False,
        )
        for program in (f"{environment['PRELOADED_PROGRAMS']}/python", sys.executable)
    )
    assert forked.returncode == real.returncode == ENDINGS[ending]
    assert forked.stdout == real.stdout
    assert forked.stderr.splitlines()[-1] == real.stderr.splitlines()[-1]


def test_libraries_are_imported_already_and_the_code_under_test_is_not(folder):
    code = "import sys; print(*(name in sys.modules for name in ('dvc', 'mlflow', 'dvc_mlflow', 'l1path')))"
    assert python("-c", code, cwd=folder).stdout == "True True False False\n"


@pytest.mark.parametrize("variable", ["NUMBA_CPU_NAME", "LC_NUMERIC", "PYTHONUTF8"])
def test_an_interpreter_with_other_settings_is_a_real_one(folder, variable):
    code = "import sys; print('dvc' in sys.modules)"
    assert python("-c", code, cwd=folder, **{variable: "1"}).stdout == "False\n"


def test_a_child_whose_client_is_killed_is_killed():
    program, code = (
        f"{os.environ['PRELOADED_PROGRAMS']}/python",
        "import os, time; os.write(1, b'.'); time.sleep(60); os.write(1, b'.')",
    )
    with subprocess.Popen([program, "-c", code], stdout=subprocess.PIPE) as client:
        assert client.stdout.read(1) == b"."
        client.kill()
        assert client.stdout.read() == b"", "the pipe is open as long as the child lives"
