"""Every wait for a server has an end, and the message says what it waited for."""

import pytest
import requests

from commands import python
from dvc_mlflow.client.refusal import RefusedError, check_refusal
from loopback import serving
from projects import ROOT

REQUEST = """\
import requests, sys
from dvc_mlflow.client import request_watchdog
request_watchdog.PATIENCE = 0.5
with request_watchdog.request_watchdog(lambda reason: print(reason, flush=True), 3):
    requests.get(sys.argv[1])
"""


def test_a_name_look_up_that_hangs_is_abandoned():
    slow = "import socket, time; socket.getaddrinfo = lambda *_: time.sleep(60)\n"
    environment = {"no_proxy": "*", "PYTHONPATH": str(ROOT / "src")}
    done = python("-c", slow + REQUEST, "http://nowhere.invalid", status=3, **environment)
    assert done.stdout == "no answer for 0.5 s\n"


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
