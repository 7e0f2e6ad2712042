"""All that a search of MLflow finds. MLflow answers in pages: of 1,000 runs, of 100 models."""

from collections.abc import Callable, Iterator
from typing import Any

RUNS = 1000  # in a page


def find_all(search: Callable[..., Any], *arguments: Any, **options: Any) -> Iterator[Any]:
    """Yield the entries of all pages of a search, e.g. `find_all(client.search_runs, ids, where)`."""
    token = None
    while True:
        page = search(*arguments, **options, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
