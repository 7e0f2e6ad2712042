"""The copy of a store's tables is what MLflow itself makes of an empty store."""

import shutil
import sqlite3

from dvc_mlflow.client.mlflow_session import initialize_store
from dvc_mlflow.verification.empty_store import copy_tables


def content(file):
    """Return the statements that made a database, and the rows of each table, without times and places."""
    with sqlite3.connect(file) as database:
        statements = sorted(
            database.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
        )
        rows = {
            name: database.execute(f'SELECT * FROM "{name}"').fetchall()  # noqa: S608 - a table's own name
            for kind, name, _ in statements
            if kind == "table"
        }
    database.close()
    experiments = [(row[0], row[1], row[3]) for row in rows.pop("experiments")]
    return statements, rows, experiments


def test_a_copy_with_no_rows_is_what_mlflow_makes_of_an_empty_store(store, tmp_path):
    used = tmp_path / "a store # 50%.db"
    shutil.copy(store, used)
    with sqlite3.connect(used) as database:
        database.execute("INSERT INTO experiments (experiment_id, name) VALUES (7, 'an experiment')")
    database.close()
    (tmp_path / "records").mkdir()
    copy_tables(used, tmp_path / "mlflow.db")
    initialize_store(tmp_path)
    assert content(tmp_path / "mlflow.db") == content(store)
