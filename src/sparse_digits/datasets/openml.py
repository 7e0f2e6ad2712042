"""A data set from openml.org through scikit-learn's `fetch_openml`, with bounds on time and file size."""

import socket
import warnings
from functools import partial

import numpy as np

from sparse_digits.datasets.arrays import Arrays
from sparse_digits.datasets.download import (
    LIBRARY_RETRIES,
    SourceError,
    Timeouts,
    call_with_timeout,
    limit_file_size,
    reason,
)


def load_openml(data_id: int, timeouts: Timeouts) -> Arrays:
    """Return an OpenML data set, from scikit-learn's data home if it is cached there. Raises SourceError.

    `fetch_openml` opens its connections without a timeout and does not limit sizes, so this function does.
    """
    default_timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(timeouts.socket)
    try:
        with limit_file_size():
            return call_with_timeout(timeouts.total, partial(_fetch, data_id, timeouts.retry_delays[0]))
    except TimeoutError as error:
        raise SourceError(str(error) or f"not done within {timeouts.total:g} s") from error
    except Exception as error:  # scikit-learn, pandas and their parsers raise all kinds
        raise SourceError(f"{type(error).__name__}: {reason(error)}") from error
    finally:
        socket.setdefaulttimeout(default_timeout)


def _fetch(data_id: int, retry_delay: float) -> Arrays:
    from sklearn.datasets import fetch_openml  # noqa: PLC0415 - two seconds that other sources do not need

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "Retrying...": the final error has the reason
        dataset = fetch_openml(
            data_id=data_id, as_frame=False, parser="pandas", n_retries=LIBRARY_RETRIES, delay=retry_delay
        )
    return dataset.data.astype(np.uint8), dataset.target.astype(np.uint8)
