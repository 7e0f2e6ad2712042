"""The Makefile and the lock, on a small project of the same shape: real environments, built by real pip."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.dependency_groups import resolve_dependency_groups
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()

PYPROJECT = """\
[build-system]
requires = ["flit_core>=3.12,<4"]
build-backend = "flit_core.buildapi"

[project]
name = "sparse-digits"
version = "1"
description = "a small project of the same shape"

[project.scripts]
sparse-digits = "sparse_digits.cli:main"

[tool.other]
"""

CLI = """\
import os, shutil, sys

def main():
    print(sys.argv[1:], shutil.which("python"), os.environ["PYTHONPATH"])

if __name__ == "__main__":
    main()
"""


def repack(name, wheels):
    """Make a wheel of an installed distribution and return its line of a lock."""
    distribution = metadata.distribution(name)
    paths = [
        path
        for path in distribution.files
        if ".." not in path.parts and path.suffix != ".pyc" and path.name not in {"RECORD", "direct_url.json"}
    ]
    info = next(path.parent for path in paths if path.name == "METADATA")
    wheel = wheels / f"{info.stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in paths:
            archive.write(path.locate(), str(path))
        archive.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in [*paths, info / "RECORD"]))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"{name}=={distribution.version} \\\n    --hash=sha256:{digest}\n"


def environment(**more):
    """Return the environment of a user's shell: this one without the variables of make and pytest."""
    own = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKE_TERMOUT", "MAKE_TERMERR", "PYTHONPATH"}
    return {key: value for key, value in os.environ.items() if key not in own} | more


def start(project, *arguments):
    """Start make in a session of its own, with pip limited to the wheels beside the project."""
    return subprocess.Popen(
        ["make", *arguments],
        cwd=project,
        env=environment(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(project.parent / "wheels")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def make(project, *arguments):
    process = start(project, *arguments)
    stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def stale(project):
    """Return whether `make setup` would build the environment."""
    return "-m venv .venv" in make(project, "--dry-run", "setup").stdout


def runs(project, code):
    """Return whether the project's own python runs the code."""
    python = project / ".venv/bin/python"
    return (
        subprocess.run([python, "-c", code], env=environment(), capture_output=True, check=False).returncode
        == 0
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A small project in a folder whose name has a space, with its environment."""
    folder = tmp_path_factory.mktemp("make")
    wheels, project = folder / "wheels", folder / "a project"
    wheels.mkdir()
    package = project / "src/sparse_digits"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "cli.py").write_text(CLI)
    (project / "pyproject.toml").write_text(PYPROJECT)
    (project / "requirements.lock").write_text(repack("flit-core", wheels) + repack("iniconfig", wheels))
    shutil.copy(ROOT / "Makefile", project)
    setup = make(project, "setup")
    assert setup.returncode == 0, setup.stdout + setup.stderr
    return project


@pytest.fixture
def project(built, tmp_path):
    """A copy of the built project, whose environment is marked as built in the copy's folder."""
    copy = tmp_path / "a copy"
    shutil.copytree(built.parent / "wheels", tmp_path / "wheels")
    shutil.copytree(built, copy, symlinks=True)
    origin = copy / ".venv/origin"
    origin.write_text(origin.read_text().replace(str(built), str(copy), 1))
    return copy


def test_make_alone_lists_every_target_with_its_help():
    targets = set(re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split())
    listed = dict(re.findall(r"^make ([\w-]+) +(\S.*)$", make(ROOT).stdout, re.MULTILINE))
    assert set(listed) == targets - {"help", ".venv"}


def test_setup_installs_the_locked_packages_and_the_project_itself(built):
    assert runs(built, "import iniconfig, sparse_digits.cli")
    script = subprocess.run(
        [built / ".venv/bin/sparse-digits", "demo"],
        env=environment(PYTHONPATH="unset"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert script.stdout.startswith("['demo']")


def test_a_second_setup_runs_nothing_and_prints_nothing(built):
    origin = (built / ".venv/origin").stat().st_mtime_ns
    again = make(built, "setup")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert (built / ".venv/origin").stat().st_mtime_ns == origin


@pytest.mark.parametrize("target", ["repro", "demo", "ui"])
def test_a_target_runs_the_code_beside_the_makefile_with_the_environments_python_first(built, target):
    python = built / ".venv/bin/python"
    assert make(built, target).stdout == f"['{target}'] {python} src\n"


def move(project):
    return project.rename(project.with_name("elsewhere"))


def change_the_lock(project):
    with (project / "requirements.lock").open("a") as lock:
        lock.write("# more\n")


def change_an_entry_point(project):
    (project / "pyproject.toml").write_text(PYPROJECT.replace("cli:main", "cli:other"))


def remove_the_interpreter(project):
    python = project / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/no/such/python")


def remove_the_mark_of_a_complete_environment(project):
    (project / ".venv/origin").unlink()


@pytest.mark.parametrize(
    "change",
    [
        move,
        change_the_lock,
        change_an_entry_point,
        remove_the_interpreter,
        remove_the_mark_of_a_complete_environment,
    ],
)
def test_the_environment_is_rebuilt_when_one_of_its_sources_changed(project, change):
    assert not stale(project)
    project = change(project) or project
    assert stale(project)


def test_the_environment_is_not_rebuilt_when_another_file_changed(project):
    (project / "pyproject.toml").write_text(PYPROJECT + "key = 1\n")
    (project / "src/sparse_digits/cli.py").touch()
    (project / "requirements.lock").touch()
    assert not stale(project)


def test_an_interrupted_setup_is_repeated_from_scratch_by_the_next_make(project):
    lock = project / "requirements.lock"
    lock.write_text(lock.read_text().split("iniconfig")[0])
    first = start(project, "setup")
    while not (project / ".venv/origin.new").exists():
        assert first.poll() is None
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)  # nothing is cleaned up
    first.communicate()
    assert first.returncode != 0
    assert not runs(project, "import sparse_digits")

    assert make(project, "setup").returncode == 0
    assert runs(project, "import sparse_digits")
    assert not runs(project, "import iniconfig")  # no longer in the lock
    assert not stale(project)


def test_two_makes_at_once_build_one_environment(project):
    change_the_lock(project)
    both = [start(project, "setup") for _ in range(2)]
    printed = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    outputs = [stdout for stdout, _ in printed]
    assert sorted("Setting up" in output for output in outputs) == [False, True]
    assert runs(project, "import iniconfig, sparse_digits")


def interpreter(path, before):
    """Write a python that runs the statements `before` first, then those of `-c`."""
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "import sys; {before}; exec(sys.argv[1])" "$2"\n')
    path.chmod(0o755)
    return path


def test_a_python_that_is_too_old_lacks_pip_or_was_removed_is_skipped(project, tmp_path):
    remove_the_mark_of_a_complete_environment(project)
    old = interpreter(tmp_path / "old", "sys.version_info = (3, 10, 9)")
    bare = interpreter(tmp_path / "bare", "sys.modules['ensurepip'] = None")
    removed = interpreter(tmp_path / "removed", f"sys.executable = '{tmp_path}/.venv/bin/python3'")

    none = make(project, "setup", f"PYTHONS={old} {bare} {removed} no-such-python")
    assert none.returncode == 2
    assert none.stderr.startswith(
        f"make: none of {old} {bare} {removed} no-such-python is Python 3.11 or newer"
    )
    assert "apt-get install python3-venv" in none.stderr
    assert (project / ".venv").exists()

    new = tmp_path / "new"
    new.symlink_to(Path(sys.executable).resolve())
    third = make(project, "--dry-run", "setup", f"PYTHONS={old} {bare} {removed} {new}")
    assert f'"{new.resolve()}" -m venv .venv' in third.stdout


def test_clean_removes_the_environment_and_keeps_every_result(project):
    for folder in ["records", "mlartifacts", ".dvc/cache", "data", "results", "demo", "tests", "benchmarks"]:
        (project / folder).mkdir(parents=True)
    cache = project / "src/sparse_digits/__pycache__"
    cache.mkdir(exist_ok=True)
    (project / "mlflow.db").touch()
    clean = make(project, "clean")
    assert clean.returncode == 0, clean.stderr
    assert not (project / ".venv").exists()
    assert not cache.exists()
    kept = {line.removeprefix("kept ") for line in clean.stdout.splitlines() if line.startswith("kept ")}
    assert kept == {"records", "mlflow.db", "mlartifacts", ".dvc/cache", "data", "results", "demo"}
    assert all((project / path).exists() for path in kept)


def pins():
    """Return each locked name with its version and its number of hashes."""
    blocks = re.split(r"\n(?=\S)", LOCK.strip())
    heads = [re.match(r"([a-z0-9-]+)==(\S+)", block) for block in blocks]
    assert all(heads), "a requirement is not pinned"
    return {
        head[1]: (head[2], block.count("--hash=sha256:")) for head, block in zip(heads, blocks, strict=True)
    }


def test_the_lock_pins_and_hashes_every_requirement_and_names_no_address():
    assert all(hashes > 0 for _, hashes in pins().values())
    assert "://" not in LOCK
    assert "--index" not in LOCK
    assert "--find-links" not in LOCK


def test_the_lock_satisfies_the_requirements_of_pyproject_and_of_the_build_backend():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    requirements = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *resolve_dependency_groups(project["dependency-groups"], "dev"),
    ]
    locked = pins()
    for requirement in map(Requirement, requirements):
        version, _ = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement}, locked {version}: make lock"
