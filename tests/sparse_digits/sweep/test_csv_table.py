"""A table of a sweep as CSV: the bytes that pandas writes, without its import."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from sparse_digits.runtime.rounding import FLOAT_FORMAT
from sparse_digits.sweep.csv_table import read_csv, write_csv

COLUMNS = {
    "float": st.floats(),
    "int": st.integers(-(2**53), 2**53),
    "bool": st.booleans(),
    "text": st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1).map(
        lambda text: f"m{text}"
    ),
}


@given(st.lists(st.fixed_dictionaries(COLUMNS), min_size=1, max_size=5))
def test_the_bytes_are_those_of_pandas(tmp_path_factory, rows):
    table = {name: np.array([row[name] for row in rows]) for name in COLUMNS}
    file = tmp_path_factory.mktemp("table") / "table.csv"
    write_csv(file, table)
    frame = pd.DataFrame(table | {"bool": table["bool"].astype(int)})
    expected = frame.to_csv(index=False, float_format=f"%{FLOAT_FORMAT}", na_rep="nan", lineterminator="\n")
    assert file.read_bytes() == expected.encode()


def test_a_table_is_read_as_it_was_written(tmp_path):
    table = {"C": [0.5, np.nan], "points": [3, 4], "converged": [True, False], "md5": ["0a", "1b"]}
    write_csv(tmp_path / "table.csv", table)
    read = read_csv(tmp_path / "table.csv")
    assert {name: column.tolist()[1:] for name, column in read.items()} | {"C": read["C"].tolist()[:1]} == {
        "C": [0.5],
        "points": [4],
        "converged": [0],
        "md5": ["1b"],
    }
    assert np.isnan(read["C"][1])
