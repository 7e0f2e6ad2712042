"""A clone of the repository, as git on Windows makes it."""

from commands import run
from projects import clone


def test_a_clone_with_autocrlf_has_the_same_bytes(tmp_path, git):
    original, copy = clone(tmp_path / "original"), tmp_path / "copy"
    run("git", "clone", "--quiet", "--config", "core.autocrlf=true", original, copy)
    names = git("ls-files", "-z", cwd=original).split("\0")[:-1]
    assert "dvc.lock" in names
    assert "results/coefficients.png" in names
    assert [name for name in names if (copy / name).read_bytes() != (original / name).read_bytes()] == []
