"""Which modules each module of this project imports, read from the source: nothing is imported for it."""

import ast
import functools
import sys
from collections.abc import Iterator
from pathlib import Path

SRC = Path(__file__).parents[2] / "src"
PACKAGES = ("l1path", "dvc_mlflow", "sparse_digits")


def modules(package: str) -> list[str]:
    """Return the dotted names of all modules of a package, the package's own first."""
    names = []
    for path in sorted((SRC / package).rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def path_of(module: str) -> Path | None:
    """Return the file of a first-party module or package, None if `module` is not one."""
    place = SRC.joinpath(*module.split("."))
    candidates = (place.with_suffix(".py"), place / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


@functools.cache
def tree(module: str) -> ast.Module:
    """Return the parsed source of a first-party module."""
    path = path_of(module)
    assert path is not None, f"{module} is not a module of this project"
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_names(module: str) -> Iterator[str]:
    """Yield the dotted names that a module imports, anywhere in it: `from a import b` gives a.b."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: expected absolute imports, got a relative one"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def first_party_imports(module: str) -> set[str]:
    """Return the first-party modules that a module imports itself, e.g. {"sparse_digits.params"}.

    `from sparse_digits.params import read` and `from sparse_digits import params` both give it. The packages
    above a module (`sparse_digits`) are given only if a name is imported from their __init__.py.
    """
    found = set()
    for name in imported_names(module):
        if name.partition(".")[0] in PACKAGES:
            found.add(name if path_of(name) else name.rpartition(".")[0])
    return found


def closure(module: str) -> set[str]:
    """Return a module and all first-party modules that it imports, directly or not."""
    found: set[str] = set()
    new = {module}
    while new:
        found |= new
        new = set().union(*map(first_party_imports, new)) - found
    return found


def third_party_imports(module: str) -> set[str]:
    """Return the top-level names that a module imports and that neither Python nor this project has."""
    roots = {name.partition(".")[0] for name in imported_names(module)}
    return roots - set(PACKAGES) - set(sys.stdlib_module_names)
