"""Requests that a server refuses to the user, by status 401 or 403, or a proxy, by 407.

MLflow's own errors name the call in some cases, and the reason in others.
"""

import re
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests

BY_PROXY = HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
REFUSING = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, BY_PROXY}


class RefusedError(Exception):
    """A call that the server refused to this user.

    call : as MLflow's REST API names it, e.g. "runs/create".
    """

    def __init__(self, call: str, status: int, reason: str) -> None:
        who = "proxy" if status == BY_PROXY else "server"
        super().__init__(f"the {who} refused {call} to this user: {status} {reason}")
        self.call = call


def check_refusal(response: requests.Response) -> requests.Response:
    """Return a response. Raises RefusedError if it refuses the request."""
    if response.status_code in REFUSING:
        path = urlsplit(response.request.url or "").path
        call = re.sub(r"^.*/api/[\d.]+/(mlflow/)?", "", str(path))
        raise RefusedError(call, response.status_code, _reason(response))
    return response


def _reason(response: requests.Response) -> str:
    """Return what the server says, in one line; of a page of HTML the status alone."""
    try:
        content: Any = response.json()
    except ValueError:
        content = response.text
    if isinstance(content, dict):
        content = content.get("message") or content.get("detail") or content.get("error_code")
    text = " ".join(str(content or "").split())
    return (
        text if text and "<" not in text else str(response.reason or HTTPStatus(response.status_code).phrase)
    )
