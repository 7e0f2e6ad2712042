"""Arrays that several kernels take."""

import numpy as np
import pytest

from kernel_arrays import RNG, K, n

START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def same_random_numbers():
    """Give each test the same arrays, whatever runs before it."""
    RNG.bit_generator.state = START


@pytest.fixture
def in_class():
    """Which class (K, n) each row is of."""
    return np.arange(K)[:, None] == RNG.integers(0, K, n)


@pytest.fixture
def s():
    """Row weights (n,)."""
    return RNG.random(n) / n
