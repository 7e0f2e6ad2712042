"""Writes docs/faults.md: which faults in params and data have a test, by the names of the tests.

python tests/support/faults_page.py
"""

import ast
from pathlib import Path

from projects import ROOT

PAGE = ROOT / "docs/faults.md"
KINDS = {
    "params.yaml": ["test_params.py", "runtime/test_yaml_core.py"],
    "A data set from a folder, a mirror or the package index": [
        f"datasets/test_{name}.py"
        for name in ("load", "idx", "idx_folder", "own", "download", "index_wheel", "openml")
    ],
    "Files of the pipeline": ["runtime/test_npz.py", "test_model.py", "test_split.py", "test_train.py"],
    "Images for predict": ["predict/test_read_images.py"],
}
WORDS = {"refused", "reported", "fault", "faults", "listed", "message", "error", "abandoned"}


def tests_of_faults(path: Path) -> list[str]:
    """Return the names of a module's tests that state what becomes of a fault."""
    functions = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    return [name for name in functions if name.startswith("test_") and WORDS & set(name.split("_"))]


def page() -> str:
    """Return the page."""
    lines = [
        "# Faults that have a test",
        "",
        "Each ends with one message, of what was expected, what was found and where, and exit status 2.",
        "The lines are the names of the tests; `python tests/support/faults_page.py` writes this page.",
    ]
    for kind, files in KINDS.items():
        lines += ["", f"## {kind}", ""]
        for file in files:
            names = tests_of_faults(ROOT / "tests/sparse_digits" / file)
            lines += [f"- {name.removeprefix('test_').replace('_', ' ')} (`{file}`)" for name in names]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(page())
