"""The package's door: its public names, and what they need."""

import subprocess
import sys

import pytest

import l1path
from projects import ROOT


@pytest.mark.parametrize("name", l1path.__all__)
def test_every_public_name_is_importable_and_listed(name):
    assert getattr(l1path, name).__name__ == name
    assert name in dir(l1path)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'l1_path'"):
        _ = l1path.l1_path


def test_the_objective_needs_neither_numba_nor_scikit_learn():
    code = (
        "import sys; sys.modules.update(numba=None, sklearn=None); "  # None makes an import fail
        "import l1path.objective; from l1path import C_max, duality_gap"
    )
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "src")}, check=True)
