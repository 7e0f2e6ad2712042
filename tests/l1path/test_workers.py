"""Ctrl-C ends a fit whatever it computes, and a fit uses the processors that joblib gives it."""

import multiprocessing
import signal
import threading
import time

import joblib
import numpy as np
import pytest

import l1path.classifier.cross_validation
import l1path.path
from l1_problems import problem
from l1path import L1MultinomialPath, multinomial_l1_path
from l1path.workers import Workers, usable_threads

LONG = 60  # seconds; a test that waits as long fails


class Loop:
    """A computation that interrupts the main thread and ends only when it is released."""

    def __init__(self):
        self.released, self.ended = threading.Event(), threading.Event()

    def __call__(self, *_, **__):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        self.released.wait(LONG)
        self.ended.set()
        raise RuntimeError("nobody waits for this result")


@pytest.fixture
def loop():
    loop = Loop()
    yield loop
    loop.released.set()
    assert loop.ended.wait(LONG)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (l1path.path.DenseProblem, "from_data"),
        (l1path.path, "initial_state"),
        (l1path.path, "solve_grid_point"),
        (l1path.path, "solve_point"),
        (l1path.classifier.cross_validation, "scores"),
    ],
)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ctrl_c_ends_a_fit_while_a_compiled_loop_runs(*, monkeypatch, loop, module, name, n_jobs):
    X, y = problem()
    monkeypatch.setattr(module, name, loop)
    with pytest.raises(KeyboardInterrupt):
        L1MultinomialPath([0.1, 1.0], cv=2, n_jobs=n_jobs).fit(X, y)
    assert not loop.ended.is_set()


def test_after_ctrl_c_no_further_pass_is_begun(monkeypatch):
    before = set(threading.enumerate())
    begun, class_step = [], l1path.kernels.class_step

    def interrupting(*arguments):
        begun.append(1)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        while not stopped.is_set():
            time.sleep(0.01)
        return class_step(*arguments)

    stopped = threading.Event()
    monkeypatch.setattr("l1path.kernels.class_step", interrupting)
    X, y = problem()
    with pytest.raises(KeyboardInterrupt):
        multinomial_l1_path(X, y, [0.1, 1.0], threads=1)
    stopped.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(LONG)
        assert not thread.is_alive()
    assert len(begun) == 1


def test_the_error_of_a_computation_reaches_the_caller():
    with pytest.raises(ZeroDivisionError), Workers(1) as workers:
        workers.call(lambda: 1 / 0)


def test_a_fit_uses_the_processors_that_joblib_counts_and_one_within_a_worker(monkeypatch):
    assert usable_threads() == usable_threads(-1) == joblib.cpu_count()
    assert usable_threads(3) == 3
    for backend in ("threading", "loky"):
        workers = joblib.Parallel(n_jobs=2, backend=backend)
        assert workers(joblib.delayed(usable_threads)() for _ in range(2)) == [1, 1]
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(usable_threads) == 1
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert usable_threads() == 1


def test_the_number_of_threads_changes_no_bit():
    X, y = problem()
    one, two = (L1MultinomialPath([0.1, 1.0], n_jobs=n).fit(X, y) for n in (1, 2))
    np.testing.assert_array_equal(one.coef_path_, two.coef_path_)
