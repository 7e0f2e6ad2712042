"""An empty store with the tables of another one, so that MLflow need not create them, which takes seconds."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

FILLED = ("alembic_version", "workspaces")  # the tables to which MLflow adds rows when it creates them


def copy_tables(store: Path, new: Path) -> None:
    """Create a SQLite file with the tables of a store, and no rows but those of an empty store."""
    with (
        closing(sqlite3.connect(f"file:{quote(str(store))}?mode=ro", uri=True)) as whole,
        closing(sqlite3.connect(new)) as empty,
    ):
        tables_first = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type = 'table' DESC"
        for (statement,) in whole.execute(tables_first):
            empty.execute(statement)
        for table in FILLED:
            for row in whole.execute(f"SELECT * FROM {table}"):  # noqa: S608 - a name from above
                marks = ", ".join("?" * len(row))
                empty.execute(f"INSERT INTO {table} VALUES ({marks})", row)  # noqa: S608 - likewise
        empty.commit()
