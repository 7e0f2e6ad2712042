"""An empty store with the tables of another one: MLflow takes longer to create them."""

import sqlite3
from contextlib import closing
from pathlib import Path

FILLED = ("alembic_version", "workspaces")  # the tables to which MLflow adds rows when it creates them


def copy_tables(store: Path, new: Path) -> None:
    """Create a SQLite file with the tables of a store, and no rows but those of an empty store."""
    with closing(sqlite3.connect(new.as_uri(), uri=True)) as empty:
        empty.execute("ATTACH ? AS whole", (f"{store.as_uri()}?mode=ro",))
        made = "FROM whole.sqlite_master WHERE sql IS NOT NULL ORDER BY type = 'table' DESC"  # tables first
        for (statement,) in empty.execute(f"SELECT sql {made}").fetchall():
            empty.execute(statement)
        for table in FILLED:
            empty.execute(f"INSERT INTO main.{table} SELECT * FROM whole.{table}")  # noqa: S608 - a name from above
        empty.commit()
