"""exp, log and the fixed-order sums equal NumPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_arrays import normal
from l1path import kernels


@given(st.floats(-708, 708))
def test_exp_is_within_an_ulp_of_numpy(x):
    out = np.empty(1)
    kernels.exp(np.array([x]), out)
    np.testing.assert_array_max_ulp(out, np.exp([x]), 1)


@given(st.floats(1e-300, 1e300))
def test_log_is_within_two_ulp_of_numpy(x):
    out = np.empty(1)
    kernels.log(np.array([x]), out)
    np.testing.assert_allclose(out, np.log([x]), rtol=5e-16, atol=5e-17)


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 1000])
def test_sums(size):
    a, b = normal(size), normal(size)
    assert kernels.dot(a, b) == pytest.approx(a @ b, abs=1e-12)
    assert kernels.total(a) == pytest.approx(a.sum(), abs=1e-12)
    assert kernels.l1_distance(a, b) == pytest.approx(np.abs(a - b).sum(), abs=1e-12)
