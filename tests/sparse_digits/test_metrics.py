"""The result in the words of the example."""

import pytest

from sparse_digits.metrics import format_summary


def test_the_two_numbers_are_printed_as_the_example_prints_them():
    sparsity, score = 79.54846938775511, 0.8305
    lines = format_summary({"sparsity": sparsity, "accuracy": score, "duality_gap": 0.0061}).split("\n")
    assert lines == [
        "Sparsity with L1 penalty: %.2f%%" % sparsity,  # noqa: UP031 - the example's own line
        "Test score with L1 penalty: %.4f" % score,  # noqa: UP031 - likewise
        "Relative duality gap: 0.0061",
    ]


@pytest.mark.parametrize(("gap", "warned"), [(0.32, True), (0.0101, True), (0.01, False), (0.0, False)])
def test_a_gap_above_one_percent_comes_with_a_warning_about_the_sparsity(gap, warned):
    text = format_summary({"sparsity": 50.0, "accuracy": 0.5, "duality_gap": gap})
    assert ("the sparsity says more about when the solver stopped than about C" in text) == warned
    assert len(text.split("\n")) == 3
