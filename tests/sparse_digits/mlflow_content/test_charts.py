"""The saved views of the experiment's page; the end-to-end tests see them in a browser."""

import json

from sparse_digits.metrics import Where, in_table_order
from sparse_digits.mlflow_content import charts


def state_of(view):
    """Return what MLflow's page reads from a shared view."""
    return json.loads(json.loads(view)["state"])


def test_the_columns_and_parallel_coordinates_are_those_of_the_list_of_metrics():
    for view in (charts.all_runs_view(), charts.sweep_view("a" * 32)):
        state = state_of(view)
        columns = [name for name in state["selectedColumns"] if name.startswith("metrics.")]
        assert columns == [f"metrics.`{metric.name}`" for metric in in_table_order(Where.COLUMNS)]
        (parallel,) = (chart for chart in state["compareRunCharts"] if chart["type"] == "PARALLEL")
        names = [metric.name for metric in in_table_order(Where.PARALLEL)]
        assert parallel["selectedMetrics"] == ["log10_C", *names]


def test_the_view_of_a_sweep_shows_its_own_points_only():
    assert state_of(charts.all_runs_view())["searchFilter"] == ""
    assert state_of(charts.sweep_view("a" * 32))["searchFilter"] == f"tags.sweep = '{'a' * 32}'"
