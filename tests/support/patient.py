"""Time limits of a download that a loaded machine keeps; a test shortens the one that it is about."""

from sparse_digits.datasets.download import Timeouts

TIMEOUTS = Timeouts(socket=60, response=60, min_bytes_per_second=1e5, total=60, retry_delays=(0.01, 0.02))
