"""What a user reads of an error that a store raised."""

import requests

from dvc_mlflow.client.mlflow_session import MAX_REASON, root_cause


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
