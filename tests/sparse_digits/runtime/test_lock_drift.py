"""Other bits than the committed ones are told only where all they were made from is equal."""

import re

import pytest

from sparse_digits.runtime.lock_drift import drifted_output


@pytest.fixture
def lock(computed):
    return computed / "dvc.lock"


def other_output(lock, path):
    """Give an output of the lock another digest, wherever it stands."""
    text, count = re.subn(
        rf"(path: {path}\n +hash: md5\n +md5: )\w+",
        r"\g<1>00000000000000000000000000000000",
        lock.read_text(),
    )
    assert count
    lock.write_text(text)


def test_equal_locks_have_no_other_bits(lock):
    assert drifted_output(lock) is None


def test_the_first_output_that_differs_is_named_and_not_what_follows_from_it(lock):
    other_output(lock, "results/metrics.json")
    assert drifted_output(lock) == "results/metrics.json"
    other_output(lock, "data/scaled.npz")
    assert drifted_output(lock) == "data/scaled.npz"


def test_an_output_of_other_params_or_code_is_not_other_bits(lock):
    whole = lock.read_text()
    other_output(lock, "results/model.npz")
    lock.write_text(lock.read_text().replace("C: 0.05", "C: 0.02"))
    assert drifted_output(lock) is None
    lock.write_text(whole)
    other_output(lock, "src/sparse_digits/train.py")
    other_output(lock, "results/model.npz")
    assert drifted_output(lock) is None


def test_without_something_to_compare_with_nothing_is_said(lock, archive, git):
    other_output(lock, "data/raw.npz")
    assert drifted_output(archive / "dvc.lock") is None
    git("rm", "--quiet", "--cached", "dvc.lock")
    git("commit", "--quiet", "--message", "no lock")
    assert drifted_output(lock) is None


def test_a_lock_that_is_not_there_has_no_other_bits(lock):
    lock.unlink()
    assert drifted_output(lock) is None


def test_a_stage_that_the_committed_lock_lacks_is_not_compared(lock, git):
    whole = lock.read_text()
    lock.write_text("schema: '2.0'\nstages: {}\n")
    git("commit", "--quiet", "--all", "--message", "an empty lock")
    lock.write_text(whole)
    assert drifted_output(lock) is None
