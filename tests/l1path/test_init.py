"""The package's door: its public names, what they need, and the names that its page of mathematics uses."""

import re
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


def test_the_symbols_of_the_method_are_names_in_the_code():
    symbols = set(re.findall(r"`(?:\w+\.)*(\w+)`", (ROOT / "docs/method.md").read_text(encoding="utf-8")))
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "src/l1path").rglob("*.py"))
    names = {name for source in sources for name in re.findall(r"\w+", source)}
    assert len(symbols) > 20
    assert symbols <= names
