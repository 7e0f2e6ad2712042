"""Every wait for a server or a database has an end, and the message says what it waited for."""

import pytest
import requests

import servers
from commands import python
from dvc_mlflow.client import request_watchdog
from dvc_mlflow.client.refusal import RefusedError, check_refusal
from loopback import serving
from projects import ROOT

REQUEST = """\
import requests, sqlalchemy, sys
from dvc_mlflow.client import request_watchdog
request_watchdog.PATIENCE = 0.5
with request_watchdog.request_watchdog(lambda reason: print(reason, flush=True), 3):
    if sys.argv[1].startswith("http:"):
        requests.get(sys.argv[1])
    else:
        sqlalchemy.create_engine(sys.argv[1]).connect()
"""


@pytest.mark.parametrize(
    ("function", "address"),
    [
        ("socket.getaddrinfo", "http://nowhere.invalid"),
        ("psycopg2.connect", "postgresql+psycopg2://nowhere.invalid/x"),  # which looks the name up in C
    ],
)
def test_a_name_look_up_that_hangs_is_abandoned(function, address):
    module = function.partition(".")[0]
    slow = f"import time, {module}; {function} = lambda *_, **__: time.sleep(60)\n"
    environment = {"no_proxy": "*", "PYTHONPATH": str(ROOT / "src")}
    assert python("-c", slow + REQUEST, address, status=3, **environment).stdout == "no answer for 0.5 s\n"


@pytest.mark.parametrize("greeting", [b"", servers.LOGGED_IN], ids=["connection", "statement"])
def test_a_database_that_answers_no_connection_or_no_statement_is_abandoned(greeting):
    with servers.silent_database(greeting) as address:
        done = python("-c", REQUEST, address, status=3, PYTHONPATH=str(ROOT / "src"))
    assert done.stdout == "no answer for 0.5 s\n"


def test_a_request_that_is_not_watched_has_no_time_limit():
    """One for a lock of a database, which another host may hold for long."""
    pending, limit = request_watchdog._PendingRequests(), -1
    with request_watchdog.unwatched(), pending.short():
        assert not pending.trouble(limit, limit)
    with pending.short():
        assert pending.trouble(limit, limit)


@pytest.mark.parametrize("behavior", ["drips", "drips-its-head", "silent"])
def test_a_server_that_sends_a_byte_now_and_then_is_abandoned(behavior):
    with serving({"runs": bytes(100_000)}) as server:
        address = server.url(behavior) + "runs"
        environment = {"no_proxy": "127.0.0.1", "PYTHONPATH": str(ROOT / "src")}
        assert python("-c", REQUEST, address, status=3, **environment).stdout == "no answer for 0.5 s\n"


@pytest.mark.parametrize(
    ("status", "who"), [(401, "server"), (403, "server"), (407, "proxy"), (404, None), (500, None)]
)
def test_what_a_server_or_a_proxy_refuses_is_reported_with_the_call(status, who):
    response = requests.Response()
    response.status_code, response._content = status, b"<html>"
    response.request = requests.Request("POST", "http://localhost/api/2.0/mlflow/runs/create").prepare()
    if who is None:
        assert check_refusal(response) is response
        return
    with pytest.raises(RefusedError, match=f"^the {who} refused runs/create to this user: {status} [A-Z]"):
        check_refusal(response)
