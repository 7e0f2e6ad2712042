"""params.yaml: what is accepted, and that all faults are reported at once with their places."""

import json
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dvc_mlflow.errors import UserError
from sparse_digits import params

ROOT = Path(__file__).parents[2]
GOOD = (ROOT / "params.yaml").read_text()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "params.yaml"


def message(file, text):
    """Return the message about a faulty file, with its name instead of its path."""
    file.write_text(text)
    with pytest.raises(UserError) as fault:
        params.read(file)
    return str(fault.value).replace(str(file), "params.yaml")


def test_the_defaults_are_those_of_the_example():
    read = params.read(ROOT / "params.yaml")
    assert read.fetch.flat() == {"fetch.dataset": "mnist_784"}
    assert read.split.flat() == {
        "split.permutation_seed": 0,
        "split.seed": 0,
        "split.train_size": 5000,
        "split.validation_size": 5000,
        "split.test_size": 10000,
    }
    assert read.train.flat() == {
        "train.C": 50 / 5000,
        "train.l1_ratio": 1,
        "train.solver": "saga",
        "train.tol": 0.1,
        "train.max_iter": 100,
        "train.random_state": 0,
    }


@pytest.mark.parametrize(
    ("name", "known"),
    [("shapes", True), ("shape", False), ("../own/shapes", False), (".", False), ("", False)],
)
def test_a_data_set_of_the_users_own_is_a_folder_in_data_own(file, name, known):
    (file.parent / "data/own/shapes").mkdir(parents=True)
    text = (ROOT / "params.yaml").read_text().replace("mnist_784 ", f"'{name}' ", 1)
    if known:
        file.write_text(text)
        assert params.read(file).fetch.dataset == name
    else:
        expected = "mnist_784, fashion_mnist, digits or a folder in data/own"
        found = f"  fetch.dataset: expected {expected}, got {name!r} (line 4)"
        assert message(file, text) == f"params.yaml: 1 fault\n{found}"


def test_digits_are_trained_at_the_lambda_of_mnist():
    digits, mnist = (params.read(ROOT / name) for name in ("params.digits.yaml", "params.yaml"))
    assert digits.train.C * digits.split.train_size == mnist.train.C * mnist.split.train_size


def test_all_faults_are_reported_at_once_each_with_its_line(file):
    text = """\
fetch:
  dataset: mnist
split:
  permutation_seed: -1
  seed: 0.5
  train_size: 0
  validation_size: -1
  test_size: ten
train:
  C: 0
  l1_ratio: 1.5
  solvr: saga
  tol: .inf

  max_iter: true
  random_state: 4294967296
"""
    assert (
        message(file, text)
        == """\
params.yaml: 14 faults
  fetch.dataset: expected mnist_784, fashion_mnist, digits or a folder in data/own, got 'mnist' (line 2)
  split.permutation_seed: expected a whole number from 0 to 4294967295, got -1 (line 4)
  split.seed: expected a whole number from 0 to 4294967295, got 0.5 (line 5)
  split.train_size: expected a whole number > 0, got 0 (line 6)
  split.validation_size: expected a whole number >= 0, got -1 (line 7)
  split.test_size: expected a whole number > 0, got 'ten' (line 8)
  train.C: expected a number > 0, got 0 (line 10)
  train.l1_ratio: expected a number from 0 to 1, got 1.5 (line 11)
  train.solver: missing; expected saga or path
  train.tol: expected a number > 0, got inf (line 13)
  train.max_iter: expected a whole number > 0, got True (line 15)
  train.random_state: expected a whole number from 0 to 4294967295, got 4294967296 (line 16)
  train.solvr: no such key; did you mean 'solver'? (line 12)
  sweep: missing; expected a section with its keys"""
    )


def test_an_unknown_key_similar_to_none_is_reported_with_the_keys_that_exist(file):
    assert message(file, "serving:\n  port: 80\n" + GOOD) == (
        "params.yaml: 1 fault\n  serving: no such key; there are fetch, split, train, sweep (line 1)"
    )


def test_a_section_that_is_missing_or_no_mapping_is_reported(file):
    assert message(file, "fetch: digits\nsplit: [1, 2]\n") == (
        "params.yaml: 4 faults\n"
        "  fetch: expected a section with its keys, got 'digits' (line 1)\n"
        "  split: expected a section with its keys, got [1, 2] (line 2)\n"
        "  train: missing; expected a section with its keys\n"
        "  sweep: missing; expected a section with its keys"
    )


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_file_is_reported_with_the_sections_it_needs(file, text):
    assert message(file, text) == (
        "params.yaml: expected the sections fetch, split, train, sweep, found nothing"
    )


def test_a_key_in_another_case_is_recognised(file):
    assert "train.c: no such key; did you mean 'C'?" in message(file, GOOD.replace("  C: 0.01", "  c: 0.01"))


def test_deeply_nested_yaml_is_an_error_message(file):
    assert "expected YAML" in message(file, "[" * 3000)


@pytest.mark.parametrize("text", ["12\n", "- fetch\n"])
def test_a_file_without_sections_is_reported(file, text):
    assert message(file, text).startswith(
        "params.yaml: 1 fault\n  the file: expected a section with its keys"
    )


def test_more_rows_than_the_data_set_has_are_reported(file):
    text = (ROOT / "params.digits.yaml").read_text().replace("test_size: 500", "test_size: 501")
    assert message(file, text) == (
        "params.yaml: 1 fault\n  split: expected train_size + validation_size + test_size <= 1797, "
        "the rows of digits, got 1798"
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("train: {C: 1", "line 1, column 13: expected ',' or '}', but got '<stream end>'"),
        ("a: b: c", "line 1, column 5: mapping values are not allowed here"),
        ("train:\n\tC: 1", "line 2, column 1: found character '\\t' that cannot start any token"),
        ("a: 1\na: 2", 'line 2, column 1: found duplicate key "a" with value "2" (original value: "1")'),
        ("a: *b", "line 1, column 4: found undefined alias 'b'"),
    ],
)
def test_a_file_that_is_not_yaml_is_reported_in_one_line_with_the_place(file, text, fault):
    assert message(file, text) == f"params.yaml: expected YAML, found a fault in {fault}"


def test_a_character_that_yaml_forbids_is_reported_in_one_line(file):
    error = message(file, "a: \0")
    assert error.startswith("params.yaml: expected YAML, but unacceptable character")
    assert "\n" not in error


def test_a_file_that_is_no_text_is_reported(file):
    file.write_bytes(b"train: \xff\n")
    with pytest.raises(UserError, match="expected YAML, but"):
        params.read(file)


ALIASES = "".join(f"{b}: &{b} [{', '.join(f'*{a}' for _ in range(9))}]\n" for a, b in pairwise("abcdefghij"))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (
            "C: 0.01",
            "C: *j",
            "train.C: expected a number > 0, got [[...], [...], [...], [...], [...], [...], ...]",
        ),
        (
            "mnist_784 ",
            "a" * 5000 + " ",
            "fetch.dataset: expected mnist_784, fashion_mnist, digits or a folder",
        ),
        ("train:", "5: 6\ntrain:", "the file: expected text as a key, got 5"),
        ("train:", "null: 6\ntrain:", "None: expected text as a key, got None"),
    ],
    ids=["an anchor bomb", "a name too long for a folder", "a number as a key", "null as a key"],
)
def test_an_anchor_bomb_an_odd_key_and_a_long_name_are_reported_in_a_line_of_bounded_length(
    file, old, new, fault
):
    text = f"a: &a [x]\n{ALIASES}" + GOOD.replace(old, new, 1)
    lines = message(file, text).splitlines()
    (only,) = [line for line in lines if line.startswith(f"  {fault}")]
    assert len(only) < 250


def test_half_a_character_is_reported(file):
    text = GOOD.replace("mnist_784 ", '"\\ud800" ', 1)
    assert message(file, text) == r"params.yaml: expected text, found '\ud800', half a character"


def test_a_file_too_large_for_params_is_refused_unread(file):
    text = GOOD + "#" * 10**6
    assert message(file, text) == f"params.yaml: expected at most 1,000,000 bytes, found {len(text):,}"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_file_in_another_encoding_is_reported(file, encoding):
    file.write_bytes(GOOD.encode(encoding))
    with pytest.raises(UserError, match=r"params.yaml: expected YAML, but "):
        params.read(file)


@pytest.mark.parametrize("encoded", [GOOD.encode("utf-8-sig"), GOOD.replace("\n", "\r\n").encode()])
def test_a_byte_order_mark_and_windows_line_ends_are_accepted(file, encoded):
    file.write_bytes(encoded)
    assert params.read(file) == params.read(ROOT / "params.yaml")


def test_a_missing_file_is_reported_with_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"^params.yaml: no such file in {tmp_path}$"):
        params.read()


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (Path.mkdir, "expected a file, got a folder"),
        (os.mkfifo, "expected a file, got something else"),
        (lambda file: file.symlink_to("nowhere"), ".*, got a link to nowhere, which does not exist"),
    ],
)
def test_what_is_no_file_is_reported_unread(file, make, fault):
    make(file)
    with pytest.raises(UserError, match=f"^{file}: {fault}$"):
        params.read(file)


def test_numbers_mean_what_dvc_reads(file):
    file.write_text(GOOD.replace("C: 0.01 ", "C: 1e-2 ").replace("train_size: 5000", "train_size: 05000"))
    read = params.read(file)
    assert read.train.C == 0.01  # text in YAML 1.1
    assert read.split.train_size == 5000  # octal in YAML 1.1


def test_a_text_that_looks_like_a_number_is_a_fault(file):
    assert "train.C: expected a number > 0, got '0.01'" in message(
        file, GOOD.replace("C: 0.01 ", "C: '0.01' ")
    )


@pytest.mark.parametrize("value", ["0", "-1", ".nan", ".inf", "1e400", "null", "true", "yes", "[1]"])
def test_C_is_a_positive_finite_number(file, value):
    assert "train.C: expected a number > 0, got " in message(file, GOOD.replace("C: 0.01 ", f"C: {value} "))


def test_params_cannot_be_changed():
    read = params.read(ROOT / "params.yaml")
    with pytest.raises(ValidationError, match="frozen"):
        read.train.C = 1.0


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(["fetch", "split", "train", "dataset", "C", "tol"]) | st.text(max_size=5)


sections = values | st.dictionaries(names, values, max_size=4)


@given(st.dictionaries(names, sections, max_size=4).map(json.dumps))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_values_in_the_file_give_a_message_and_no_traceback(file, text):
    assert message(file, text).startswith("params.yaml: ")


@given(st.text(alphabet="abC:-?[]{}&*!|>'\"%@`#, \n\t0123.~<", max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_text_in_the_file_gives_a_message_and_no_traceback(file, text):
    assert message(file, text).startswith("params.yaml: ")
