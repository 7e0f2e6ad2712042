"""The certificate is valid at any coefficients."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from l1_problems import problem, working_copy
from l1path import multinomial_l1_path
from l1path.certificate import certify
from l1path.warm_start import initial_state


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6), share=st.floats(0.01, 2), log10_error=st.floats(-12, 2), K=st.integers(2, 10)
)
def test_a_certificate_is_valid_at_intercepts_that_are_not_optimal(*, seed, share, log10_error, K):
    X, y = problem(n=60, K=K, seed=seed)
    y[K:] = 0
    data = working_copy(X, y)
    state = initial_state(data)
    state.lam *= share
    minimum = multinomial_l1_path(X, y, [1 / (60 * state.lam)], tol=1e-8).objective[0] * state.lam
    b = state.V[:, [data.p]] * (1 - 10**log10_error)
    V = np.where(np.arange(data.width) == data.p, b, 0)
    state.V = V
    state.set_scores(data, np.repeat(b, len(data.s), axis=1))
    certificate = certify(data, state, np.inf)
    assert certificate.primal * (1 - certificate.gap) <= minimum * (1 + 1e-12)
