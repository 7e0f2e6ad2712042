"""What a user reads of an error that a store raised."""

import os

import mlflow.store.db.utils
import requests

from dvc_mlflow.client.mlflow_session import MAX_REASON, initialize_store, root_cause
from dvc_mlflow.store import Store


def test_a_reason_is_one_line_with_all_that_the_error_says():
    assert root_cause(ValueError("no driver\n  install one")) == "no driver install one"
    assert (
        root_cause(ValueError("locked\n[SQL: SELECT 1]\n(Background on this error at: https://...)"))
        == "locked"
    )
    assert root_cause(KeyError()) == "KeyError"


def test_a_long_reason_is_cut():
    assert len(root_cause(ValueError("word " * 1000))) <= MAX_REASON


def test_the_reason_of_a_failed_connection_is_that_of_the_system():
    error = requests.ConnectionError("HTTPConnectionPool(...)")
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    assert root_cause(error) == "Connection refused"


def test_a_new_store_is_on_the_disk_before_it_has_its_name_and_what_follows_is_too(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    synced, sync = [], os.fsync

    def record_names(file):
        synced.append({path.name for path in tmp_path.glob("mlflow.db*")} - {"mlflow.db.lock"})
        sync(file)

    monkeypatch.setattr(os, "fsync", record_names)
    initialize_store(tmp_path)
    assert synced == [{"mlflow.db.new"}]
    full = 2  # SQLite's default
    engine = mlflow.store.db.utils.create_sqlalchemy_engine(Store.of(tmp_path).uri)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == full
    engine.dispose()
