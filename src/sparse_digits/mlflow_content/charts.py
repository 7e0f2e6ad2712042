"""The shared views of an experiment's page in MLflow: charts of accuracy and sparsity, images of weights."""

from collections.abc import Sequence
from typing import Any

from dvc_mlflow.pages import shared_views
from sparse_digits.metrics import Where, in_table_order

NAME = "sparse-digits"
TAG = shared_views.PREFIX + NAME
MAX_IMAGES = 10  # MLflow's grid shows that many images, of the first runs for which log_image set its tag
SWEEP = "sweep"  # the tag of the child runs of a sweep, with the digest of its record
COLUMNS = ("params.`train.C`", *(f"metrics.`{metric.name}`" for metric in in_table_order(Where.COLUMNS)))


def all_runs_view() -> str:
    """Return the shared view of all runs of an experiment."""
    columns = [*COLUMNS, "attributes.`Version`", "attributes.`Models`"]
    return shared_views.encode("Effect of C", _state(columns))


def sweep_name(result: str) -> str:
    """Return the name of the shared view of a sweep, given its record's digest."""
    return f"sweep-{result[:8]}"


def sweep_view(result: str) -> str:
    """Return the shared view of the points of a sweep, given its record's digest."""
    return shared_views.encode("Sweep over C", _state(COLUMNS, f"tags.{SWEEP} = '{result}'"))


def _state(columns: Sequence[str], search_filter: str = "") -> dict[str, Any]:
    """Return the state of the page in MLflow's own format."""
    charts, images = "effect-of-C", "weights"
    return {
        "searchFilter": search_filter,
        "orderByKey": "metrics.`log10_C`",
        "orderByAsc": False,  # MLflow draws the images in the reverse order, so with C ascending
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(columns),
        "columnOrder": [],
        "columnWidths": {},
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": [
            _card(charts, "SCATTER", xaxis=_axis("sparsity"), yaxis=_axis("accuracy")),
            _card(charts, "SCATTER", xaxis=_axis("log10_C"), yaxis=_axis("accuracy")),
            _card(charts, "SCATTER", xaxis=_axis("log10_C"), yaxis=_axis("sparsity")),
            _card(
                charts,
                "PARALLEL",
                selectedParams=[],
                selectedMetrics=["log10_C", *(metric.name for metric in in_table_order(Where.PARALLEL))],
                showAllRuns=True,
            ),
            _card(images, "IMAGE", imageKeys=["coef"], step=0, showRunParams=False),
        ],
        "compareRunSections": [
            _section(charts, "Accuracy and sparsity", columns=2, height=360),
            _section(images, f"Weights, C ascending, {MAX_IMAGES} at most", columns=1, height=860),
        ],
        "viewMaximized": False,
        "runListHidden": True,
        "isAccordionReordered": True,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }


def _axis(metric: str) -> dict[str, str]:
    return {"key": metric, "type": "METRIC"}


def _card(section: str, kind: str, **settings: Any) -> dict[str, Any]:
    uuid = "-".join([section, kind, *(settings.get(axis, {}).get("key", "") for axis in ("xaxis", "yaxis"))])
    common = {"deleted": False, "isGenerated": False, "runsCountToCompare": 20}
    return {"uuid": uuid, "type": kind, "metricSectionId": section} | common | settings


def _section(uuid: str, name: str, *, columns: int, height: int) -> dict[str, Any]:
    flags = {"display": True, "isReordered": True, "deleted": False, "isGenerated": False}
    return {"uuid": uuid, "name": name, "columns": columns, "cardHeight": height} | flags
