"""Eight processes at once, on one new SQLite file and on a server backed by PostgreSQL."""

import contextlib

import pytest

import commands
import servers
from dvc_mlflow.client import mlflow_session
from projects import ROOT
from tracking import EXPERIMENT, names, shown

NUMBER = 8


def crowd(*roots, results, number=NUMBER, **environment):
    path = f"{ROOT / 'src'}:{ROOT / 'tests' / 'support'}"
    command = ("-c", "import crowd; crowd.main()", number, *roots, results)
    done = commands.python(*command, cwd=roots[0], PYTHONPATH=path, **environment)
    assert done.stderr == ""


def folder(path):
    path.mkdir()
    return path


def run_names(root):
    """Return the names of the runs of a store; check that none is partial, doubled or misfiled."""
    store = shown(root)
    assert store.pop("Default") == []
    assert list(store) in ([EXPERIMENT], [])
    runs = store[EXPERIMENT]
    assert {run["status"] for run in runs} == {"FINISHED"}
    assert {str(run["models"]) for run in runs} == {"[('model', 'READY')]"}
    assert {len(run["artifacts"]) for run in runs} == {7}
    return [run["name"] for run in runs]


DIFFERENT = sorted(f"C={round(0.01 * (i + 1), 2)}" for i in range(NUMBER))


def test_processes_that_first_use_one_new_store_at_once_all_deliver(tmp_path):
    root = folder(tmp_path / "a project")
    crowd(root, results="different")
    assert run_names(root) == DIFFERENT
    assert names(root) == ["mlartifacts", "mlflow.db", "mlflow.db.lock", "records"]


def test_processes_that_track_one_result_make_one_run(tmp_path, store):
    root = folder(tmp_path / "a project")
    (root / "mlflow.db").write_bytes(store.read_bytes())
    crowd(root, results="same")
    assert run_names(root) == ["C=0.01"]


def test_repositories_that_share_a_sqlite_file_make_one_run_of_one_result(tmp_path, store):
    first, second = folder(tmp_path / "first"), folder(tmp_path / "second")
    (first / "mlflow.db").write_bytes(store.read_bytes())
    crowd(first, second, results="same", MLFLOW_TRACKING_URI=f"sqlite:///{first}/mlflow.db")
    assert run_names(first) == ["C=0.01"]


@pytest.mark.slow(15)
def test_two_hosts_create_the_tables_of_an_empty_postgresql_whose_uri_names_no_driver(tmp_path):
    if reason := servers.no_postgres():
        pytest.skip(reason)
    psycopg2 = pytest.importorskip("psycopg2")
    roots = [folder(tmp_path / name) for name in ("first", "second")]
    with servers.postgres() as database:
        uri = database.replace("+psycopg2", "")
        crowd(*roots, results="different", number=2, MLFLOW_TRACKING_URI=uri)
        with contextlib.closing(psycopg2.connect(uri)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT name FROM runs WHERE status = 'FINISHED' ORDER BY name")
            assert cursor.fetchall() == [("C=0.01",), ("C=0.02",)]


@pytest.mark.slow
def test_a_host_that_never_ends_creating_the_tables_of_postgresql_is_waited_for_in_vain(
    tmp_path, monkeypatch
):
    if reason := servers.no_postgres():
        pytest.skip(reason)
    psycopg2 = pytest.importorskip("psycopg2")
    monkeypatch.setattr(mlflow_session, "TABLES_PATIENCE", 1)
    with servers.postgres() as database:
        other = psycopg2.connect(database.replace("+psycopg2", ""))
        with contextlib.closing(other), other.cursor() as cursor:
            cursor.execute(f"SELECT pg_advisory_lock({mlflow_session.TABLES_LOCK})")
            monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
            with pytest.raises(TimeoutError, match=r"another host has been .* for 1 s"):
                mlflow_session.initialize_store(tmp_path)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if reason := servers.no_postgres():
        pytest.skip(reason)
    with (
        servers.postgres() as database,
        servers.mlflow_server(tmp_path_factory.mktemp("server"), database) as uri,
    ):
        yield uri


@pytest.mark.parametrize(
    ("hosts", "results", "expected"),
    [(1, "different", DIFFERENT), (2, "same", ["C=0.01"])],
)
def test_a_server_on_postgresql_has_each_result_once(tmp_path, server, monkeypatch, hosts, results, expected):
    """Two hosts have no lock in common."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    name = f"{hosts} {results}"
    monkeypatch.setenv("EXPERIMENT", name)
    crowd(*(folder(tmp_path / str(host)) for host in range(hosts)), results=results)
    runs = shown(tmp_path)[name]
    assert [run["name"] for run in runs] == expected
    assert {run["status"] for run in runs} == {"FINISHED"}
    assert {len(run["artifacts"]) for run in runs} == {7}
    assert {str(run["models"]) for run in runs} == {"[('model', 'READY')]"}
    assert shown(tmp_path)["Default"] == []
