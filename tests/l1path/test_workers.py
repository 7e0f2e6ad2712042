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
from l1path.problem.dense import equal_parts, triangle_parts
from l1path.workers import MIN_PART, Workers, number_of_parts, share, usable_threads

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


@pytest.fixture
def idle_helpers():
    """Return a function that is called in a thread of a pool of which two more have nothing to do."""
    with Workers(3) as workers:

        def call(function):
            while workers.idle < 3:
                time.sleep(0.001)
            return workers.call(function)

        yield call


def test_idle_threads_take_parts(idle_helpers):
    together = threading.Barrier(3, timeout=LONG)
    threads = []

    def part(number):
        threads.append((number, threading.current_thread()))
        together.wait()

    def sharing():
        assert number_of_parts(10 * MIN_PART) == 3
        share(part, [(number,) for number in range(3)])

    idle_helpers(sharing)
    assert sorted(number for number, _ in threads) == [0, 1, 2]
    assert len({thread for _, thread in threads}) == 3


def test_small_work_and_a_thread_of_no_pool_have_one_part(idle_helpers):
    assert idle_helpers(lambda: number_of_parts(2 * MIN_PART - 1)) == 1
    assert number_of_parts(10 * MIN_PART) == 1
    parts = []
    share(lambda number: parts.append((number, threading.current_thread())), [(0,), (1,)])
    assert parts == [(0, threading.current_thread()), (1, threading.current_thread())]


def test_the_error_of_a_part_reaches_the_caller_after_all_parts(idle_helpers):
    ended = []

    def part(number):
        if number == 1:
            raise ZeroDivisionError
        ended.append(number)

    with pytest.raises(ZeroDivisionError):
        idle_helpers(lambda: share(part, [(number,) for number in range(6)]))
    assert sorted(ended) == [0, 2, 3, 4, 5]


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_parts_cover_what_they_divide(parts, monkeypatch):
    monkeypatch.setattr("l1path.problem.dense.number_of_parts", lambda _: parts)
    for start, stop in [(0, 4), (0, 290), (4, 6), (200, 290), (6, 6)]:
        bounds = triangle_parts(start, stop, 1)
        assert [bounds[0][0], bounds[-1][1]] == [start, stop]
        assert all(a <= z and a % 2 == 0 for a, z in bounds)
        assert [z for _, z in bounds[:-1]] == [a for a, _ in bounds[1:]]
    for count, step in [(10, 2), (2, 2), (13, 1), (0, 1)]:
        bounds = equal_parts(count, 1, step)
        assert [bounds[0][0], bounds[-1][1]] == [0, count]
        assert all(a <= z and a % step == 0 for a, z in bounds)
        assert [z for _, z in bounds[:-1]] == [a for a, _ in bounds[1:]]


@pytest.mark.parametrize("n", [400, 6000])
def test_shared_products_change_no_bit(n, monkeypatch):
    X, y = problem(n=n, p=200, K=5)
    paths = []
    for least in (2**62, 1):
        monkeypatch.setattr("l1path.workers.MIN_PART", least)
        paths.append(multinomial_l1_path(X, y, [1.0], threads=3))
    np.testing.assert_array_equal(paths[0].coef, paths[1].coef)
    np.testing.assert_array_equal(paths[0].duality_gap, paths[1].duality_gap)
