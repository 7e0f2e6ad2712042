"""The page of a sweep: a table for each train size, and every figure with its caption."""

import re

import pytest

import synthetic_sweep
from sparse_digits.figures import png
from sparse_digits.metrics import Where, in_table_order
from sparse_digits.sweep import report
from sparse_digits.sweep.csv_table import filter_rows
from sparse_digits.sweep.selection import select
from sparse_digits.sweep.selection_display import TITLES


@pytest.fixture(scope="module")
def sweep():
    """Return the points of a sweep, its baselines and its selection."""
    points = synthetic_sweep.points_of()
    return points, synthetic_sweep.baselines_of(), select(points, 297)


def rows_of(tables, size):
    """Return the cells of the table of a train size, by the title of their row and of their column."""
    (section,) = (part for part in tables.split("## ") if part.startswith(f"{size:,} training rows"))
    titles, _, *rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    return {row[0]: dict(zip(titles, row, strict=True)) for row in rows}


def test_the_table_has_a_row_for_each_selected_C_and_each_baseline_and_a_column_for_each_metric(sweep):
    tables = report.tables(*sweep)
    for size in (400, 1000):
        rows = rows_of(tables, size)
        assert list(rows) == [
            *(f"L1, {title}" for name, title in TITLES.items() if name in sweep[2][f"train_size_{size}"]),
            "L2 at the example's C",
            "network of 100 hidden units",
        ]
        metrics = [metric.title for metric in in_table_order(Where.TABLE)]
        assert [list(row) for row in rows.values()] == [["model", "C", *metrics]] * len(rows)


def test_a_cell_is_the_mean_and_the_deviation_over_the_split_seeds_or_the_largest_gap(sweep):
    points, _, selection = sweep
    entry = selection["train_size_1000"]["best"]
    row = rows_of(report.tables(*sweep), 1000)["L1, best"]
    at_C = filter_rows(points, (points["C"] == entry["C"]) & (points["train_size"] == 1000))
    assert row["C"] == f"{entry['C']:g}"
    assert row["sparsity"] == f"{entry['sparsity']:.2f} ± {at_C['sparsity'].std():.2f} %"
    assert row["test accuracy"] == f"{entry['accuracy']:.4f} ± {at_C['accuracy'].std():.4f}"
    assert row["duality gap"] == f"{at_C['duality_gap'].max():.1e}"


def test_one_split_seed_has_no_deviation_and_a_baseline_no_duality_gap():
    points = synthetic_sweep.points_of(split_seeds=[3], train_sizes=[1000])
    baselines = synthetic_sweep.baselines_of(split_seeds=[3], train_sizes=[1000])
    rows = rows_of(report.tables(points, baselines, select(points, 297)), 1000)
    assert "±" not in rows["L1, best"]["sparsity"]
    L2 = rows["L2 at the example's C"]
    assert (L2["C"], L2["sparsity"], L2["duality gap"]) == ("0.05", "6.25 %", "")


def test_a_metric_that_the_points_lack_has_no_column(sweep):
    points, baselines, selection = sweep
    older = {name: column for name, column in points.items() if name != "duality_gap"}
    for row in rows_of(report.tables(older, baselines, selection), 1000).values():
        assert "duality gap" not in row
        assert "sparsity" in row


def test_each_figure_of_the_page_has_its_caption(sweep):
    drawn = report.draw(*sweep)
    page = report.page(report.tables(*sweep), drawn, "figures", "report.html")
    assert re.findall(r"!\[.*?\]\((.*?)\)", page) == [f"figures/{name}.png" for name in drawn]
    for name, (_, caption) in drawn.items():
        assert f"](figures/{name}.png)\n\n{caption}\n" in page
    assert len({caption for _, caption in drawn.values()}) == len(drawn) == 6


@pytest.mark.slow
def test_figures_of_one_split_seed_and_of_one_C_can_be_drawn():
    points = synthetic_sweep.points_of([0.01], [0], [1000])
    baselines = synthetic_sweep.baselines_of([0], [1000])
    selection = select(points, 297)
    for figure, _ in report.draw(points, baselines, selection).values():
        assert png(figure).startswith(b"\x89PNG")
    assert "L1, the example's C" not in report.tables(points, baselines, selection)


@pytest.mark.slow
def test_a_sweep_without_a_nonzero_weight_can_be_drawn():
    points = synthetic_sweep.points_of([1e-4, 1e-3], [0], [1000])
    assert not points["coef"].any()
    drawn = report.draw(points, synthetic_sweep.baselines_of([0], [1000]), select(points, 297))
    for figure, _ in drawn.values():
        assert png(figure).startswith(b"\x89PNG")
