"""Requests that fail because of a proxy. Libraries blame the address of the server for some of them.

A message has the name of the variable alone, as its value may have a password.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from requests.exceptions import InvalidSchema, InvalidURL, ProxyError
from requests.utils import select_proxy


class ProxyFailure(Exception):  # noqa: N818 - the reason is the error that it was raised from
    """A request that could not pass a proxy; the text names the variable with the proxy's address."""


def proxy_variable(scheme: str) -> str:
    """Return the variable that names the proxy of a scheme, as it is spelled in the environment."""
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
    return next((name for name in names if os.environ.get(name)), "the system's settings")


@contextmanager
def proxy_failures(url: str, proxies: dict[str, str]) -> Iterator[None]:
    """Raise ProxyFailure from what a request to `url` raises because of its proxy, if it has one."""
    try:
        yield
    except (InvalidSchema, InvalidURL, ProxyError) as error:
        if not select_proxy(url, proxies):
            raise
        raise ProxyFailure(f"the proxy in {proxy_variable(urlsplit(url).scheme)}") from error
