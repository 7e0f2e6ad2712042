"""params.yaml is read as DVC reads it: YAML 1.2's core schema."""

import math

import pytest
import yaml
from dvc.utils.serialize import parse_yaml
from hypothesis import given
from hypothesis import strategies as st

from sparse_digits.runtime import yaml_core

# Spellings that YAML 1.1 and 1.2 read differently, and those of the core schema.
SAME_AS_DVC = """
    1e-3 1E3 1.e3 .5 5. 1. 0. 1e400 12e03 -2E+05 1e+3 +.5 -.5
    0 -0 +1 -1 00 010 08 -010 0o10 0o17 0x1F 0xff
    yes no on off Yes No On Off YES NO ON OFF y n Y N
    true True TRUE false False FALSE tRue
    null Null NULL ~ nULL
    .inf .Inf .INF -.inf +.inf .nan .NaN .NAN inf nan Nan +.nan
    1:30 190:20:30 1:30.5 0b 0x 0o8 0O10 1e 1e-x . + .e3 a '' '010' "yes"
""".split()  # noqa: SIM905 - fifty quoted words would hide the spellings

# Spellings that DVC's parser reads beyond the core schema. Here they are text, which is no valid number.
TEXT_HERE = ["0b101", "1_000", "1_0.5", "-0x1F", "+0o7", "2001-12-14", "2001-12-14T21:59:43Z"]


@pytest.mark.parametrize("text", SAME_AS_DVC)
def test_a_spelling_means_what_dvc_reads(text):
    document = f"a: {text}\n"
    mine, theirs = yaml_core.load(document)["a"], parse_yaml(document, "params.yaml")["a"]
    assert type(mine) is type(theirs)
    assert mine == theirs or (math.isnan(mine) and math.isnan(theirs))


@pytest.mark.parametrize("text", TEXT_HERE)
def test_a_spelling_beyond_the_core_schema_is_text(text):
    assert yaml_core.load(f"a: {text}\n")["a"] == text
    assert not isinstance(parse_yaml(f"a: {text}\n", "params.yaml")["a"], str)


@given(st.text(alphabet="0123456789+-.eE_xobinfatrueynl~:", min_size=1, max_size=8))
def test_any_plain_scalar_means_what_dvc_reads_or_is_text(text):
    document = f"a: {text}\n"
    try:
        theirs = parse_yaml(document, "params.yaml")["a"]
    except Exception:  # noqa: BLE001 - what DVC refuses never reaches this project
        return
    mine = yaml_core.load(document)["a"]
    assert isinstance(mine, str) or (type(mine) is type(theirs) and (mine == theirs or mine != mine))  # noqa: PLR0124


@pytest.mark.parametrize(
    "document",
    ["a: {<<: {b: 1}, c: 2}", "a: &x {b: 1}\nc: *x", "a: [1, {b: 2}]", "a: |\n  yes\n", "", "# no\n", "[]"],
)
def test_documents_have_the_structure_that_yaml_gives_them(document):
    expected = {
        "a: {<<: {b: 1}, c: 2}": {"a": {"<<": {"b": 1}, "c": 2}},  # no merge keys
        "a: &x {b: 1}\nc: *x": {"a": {"b": 1}, "c": {"b": 1}},
        "a: [1, {b: 2}]": {"a": [1, {"b": 2}]},
        "a: |\n  yes\n": {"a": "yes\n"},
        "": None,
        "# no\n": None,
        "[]": [],
    }
    assert yaml_core.load(document) == expected[document]


@pytest.mark.parametrize(
    ("document", "problem", "line"),
    [
        ("a: 1\nb: 2\na: 3", 'duplicate key "a" with value "3" (original value: "1")', 3),
        ("a: 1\n? [b]\n: 1", "unhashable key", 2),
        ("a: !!int x", "invalid literal", 1),
        ("a: !!timestamp 2001-12-14", "could not determine a constructor", 1),
        ("a: 1\nb: !!python/object:os.system x", "could not determine a constructor", 2),
    ],
)
def test_what_the_core_schema_does_not_have_is_refused_with_its_line(document, problem, line):
    with pytest.raises(yaml.MarkedYAMLError) as error:
        yaml_core.load(document)
    assert problem in error.value.problem
    assert error.value.problem_mark.line + 1 == line


def test_each_key_has_its_line():
    _, lines = yaml_core.load_with_lines("# params\na:\n  b: 1\n\n  c: {d: 2}\n")
    assert lines == {("a",): 2, ("a", "b"): 3, ("a", "c"): 5, ("a", "c", "d"): 5}
