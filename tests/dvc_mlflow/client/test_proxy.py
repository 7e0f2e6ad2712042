"""A request that cannot pass a proxy: the message names the variable, and no password."""

import pytest
from mlflow import MlflowException
from mlflow.utils.rest_utils import MlflowHostCreds, http_request

from dvc_mlflow.client.mlflow_session import root_cause
from dvc_mlflow.client.request_watchdog import request_watchdog

MALFORMED = "It is malformed and could be missing the host."


@pytest.fixture(autouse=True)
def without_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def reason(uri):
    """Return what a user reads of MLflow's error about a request."""
    with (
        request_watchdog(pytest.fail, 1),
        pytest.raises(MlflowException) as error,
    ):
        http_request(MlflowHostCreds(uri), "/api", "GET", max_retries=0)
    return root_cause(error.value)


@pytest.mark.parametrize(
    ("variable", "proxy", "fault"),
    [
        ("HTTPS_PROXY", "http://ann:hunter2@host:notaport", "'host:notaport' is not a valid host or port"),
        ("https_proxy", "http://ann:hunter2@[nowhere", "'[nowhere' is not a valid host or port"),
        ("ALL_PROXY", "ann:hunter2@host:80", MALFORMED),
        ("HTTPS_PROXY", "http://", MALFORMED),
        ("HTTPS_PROXY", "http://ann:hunter2@127.0.0.1:9", "Connection refused"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_reported_by_its_variable(monkeypatch, variable, proxy, fault):
    monkeypatch.setenv(variable, proxy)
    text = reason("https://mlflow.invalid")
    assert text.startswith(f"the proxy in {variable}: ")
    assert text.endswith(fault)
    assert "hunter2" not in text
    assert "mlflow.invalid" not in text


def test_a_proxy_of_other_hosts_is_not_named(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://host:notaport")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert reason("http://127.0.0.1:9") == "Connection refused"
