"""The package is usable alone: its wheel, its declared dependencies and its README suffice."""

import pytest

from commands import run
from projects import ROOT
from wheels import build_wheel, fresh_environment, python_block


@pytest.mark.slow
def test_the_readme_example_runs_where_only_the_wheel_and_its_dependencies_are_installed(tmp_path):
    python = fresh_environment(tmp_path / "environment", build_wheel("l1path", tmp_path))
    code, printed = python_block((ROOT / "packaging/l1path/README.md").read_text())
    assert run(python, "-c", code, cwd=tmp_path, PYTHONPATH="").stdout == printed
    for undeclared in ("sparse_digits", "pandas"):  # the first is this project's, the second only installed
        failed = run(python, "-c", f"import {undeclared}", cwd=tmp_path, PYTHONPATH="", status=1)
        assert f"No module named '{undeclared}'" in failed.stderr
