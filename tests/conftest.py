"""The real project in folders of its own, computed by the real `dvc` on digits and on MNIST."""

import gc
import os
import shutil
import signal
import sys
from pathlib import Path

import hypothesis
import joblib
import pytest

import preloaded_python
from commands import python, run
from projects import ROOT, clone, commit, export
from shared_folders import shared_folder

hypothesis.settings.register_profile(  # a shared machine has slow moments
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")


COMPUTED = {"dvc", "sparse_digits", "store", "computed_small", "built"}  # fixtures that take seconds
SLOW_MODULES = {  # their tests start servers, crowds of processes, compilers, pip or package builds
    "test_compiler",
    "test_deliver_concurrently",
    "test_deliver_to_servers",
    "test_index_wheel",
    "test_ui",
    "test_wheel",
}
SECONDS = 10  # of a slow test that has no other number in its mark


@pytest.hookimpl(optionalhook=True)  # so that pytest runs without pytest-xdist
def pytest_xdist_auto_num_workers():
    """Return the number of workers of `-n auto`: more than processors, as many tests wait for a process."""
    return joblib.cpu_count() + 2


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect without looking for garbage, and never look for it among what is imported by then."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark whole programs and computed projects as slow; order all for pytest-xdist, the longest first.

    A worker takes one group at a time (`--dist loadgroup --no-loadscope-reorder`). The tests of a module are
    a group, since they share its fixtures; a slow test that needs none of its module's is a group of its own.
    """
    groups, seconds = {}, {}
    for item in items:
        whole_program = item.path.parent.name == "end_to_end" or item.path.stem in SLOW_MODULES
        if whole_program or COMPUTED & set(item.fixturenames):
            item.add_marker("slow")  # after a slow(seconds) of the test itself, which counts
        slow = item.get_closest_marker("slow")
        definitions = item._fixtureinfo.name2fixturedefs.values()
        if slow and not any(fixtures[-1].scope == "module" for fixtures in definitions):
            group = item.nodeid
        else:
            group = f"{item.path.parent.name}/{item.path.stem}"
            item.add_marker(pytest.mark.xdist_group(group))
        groups[item] = group
        cost = (slow.args or (SECONDS,))[0] if slow else 0
        seconds[group] = seconds.get(group, 0) + cost
    items.sort(key=lambda item: -seconds[groups[item]])


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    """Fail where pytest-xdist does not group: each worker would compute the fixtures of every module."""
    if getattr(session.config.option, "loadgroup", False):
        grouped = [item.nodeid for item in session.items if item.get_closest_marker("xdist_group")]
        assert all("@" in nodeid for nodeid in grouped), "pytest-xdist does not group the tests"


@pytest.fixture(scope="session", autouse=True)
def shell(tmp_path_factory):
    """Make the environment that of a user's shell with .venv active, whose caches are the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("DVC_", "GIT_", "MLFLOW_", "RECORDS_"))]:
            patch.delenv(name)
        patch.delenv("PYTHONPATH", raising=False)
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        programs = shared_folder(tmp_path_factory, "python", preloaded_python.start)
        patch.setenv("PRELOADED_PROGRAMS", str(programs))  # for the function `python` of commands.py
        patch.setenv("DVC_NO_ANALYTICS", "1")  # else a process of its own after each command
        patch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path_factory.mktemp("dvc")))
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        for who in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{who}_NAME", "A. Tester")
            patch.setenv(f"GIT_{who}_EMAIL", "tester@example.org")
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # pytest-xdist's workers ignore it,
        yield  # and so would the processes that tests interrupt
        signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def git():
    """Run git, by default in the working directory, and return what it printed."""
    return lambda *words, **options: run("git", *words, **options).stdout


@pytest.fixture(scope="session")
def dvc():
    """Run dvc, likewise; return the finished process."""
    return lambda *words, **options: python("-m", "dvc", *words, **options)


@pytest.fixture(scope="session")
def sparse_digits():
    """Run the command `sparse-digits` of the code in the folder, likewise; return the finished process."""

    def command(*words, **options):
        return python("-m", "sparse_digits.cli", *words, PYTHONPATH="src", **options)

    return command


@pytest.fixture
def archive(tmp_path):
    """The project as a downloaded archive has it: no git, and a folder whose name has a space."""
    return export(tmp_path / "an archive")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A clone with the params of digits and nothing computed; the working directory."""
    folder = clone(tmp_path / "a project")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """An empty MLflow store: a file to copy, since making its tables takes seconds."""
    code = (
        "import sys, pathlib; from dvc_mlflow.client import mlflow_session; "
        "mlflow_session.initialize_store(pathlib.Path(sys.argv[1]))"
    )

    def compute(folder):
        (folder / "records").mkdir()
        python("-c", code, folder, PYTHONPATH=str(ROOT / "src"))

    return shared_folder(tmp_path_factory, "store", compute) / "mlflow.db"


@pytest.fixture(scope="session")
def digits(tmp_path_factory, dvc, store):
    """A clone in which `dvc repro` ran on digits; lock and results are committed. Not to be changed."""

    def compute(folder):
        project = clone(folder / "a project")
        shutil.copy(store, project)
        dvc("repro", cwd=project)
        commit(project, "What dvc repro computed")

    return shared_folder(tmp_path_factory, "digits", compute) / "a project"


@pytest.fixture
def computed(digits, store, tmp_path, monkeypatch):
    """A copy of `digits` to change, with nothing recorded yet; the working directory."""
    folder = tmp_path / "a project"
    shutil.copytree(digits, folder, ignore=shutil.ignore_patterns("records", "mlflow.db*", "mlartifacts"))
    shutil.copy(store, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def mnist(tmp_path_factory, dvc, store):
    """An export in which `dvc repro` ran on MNIST with the repository's params.yaml. Not to be changed."""
    if not os.environ.get("SPARSE_DIGITS_MIRROR"):
        pytest.skip("SPARSE_DIGITS_MIRROR names no folder with MNIST")

    def compute(folder):
        project = export(folder / "a project")
        run("git", "init", "--quiet", "--initial-branch=main", cwd=project)
        commit(project, "The project")
        shutil.copy(store, project)
        dvc("repro", cwd=project)

    return shared_folder(tmp_path_factory, "mnist", compute) / "a project"


@pytest.fixture
def use_store(monkeypatch):
    """A function that directs MLflow's own functions and commands to a store, until the test ends.

    The variable alone would not do: an address that a delivery in this process has set goes before it.
    """
    import mlflow  # noqa: PLC0415 - takes seconds

    before = mlflow.get_tracking_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", before)  # so that it is restored: `set_tracking_uri` sets it
    yield mlflow.set_tracking_uri
    mlflow.set_tracking_uri(before)
