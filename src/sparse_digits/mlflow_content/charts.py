"""The charts that an experiment's page opens with: what C buys and costs, above the coefficient images."""

from typing import Any

from dvc_mlflow.pages import shared_views

NAME = "sparse-digits"
TAG = shared_views.PREFIX + NAME
MOST_IMAGES = 10  # that a grid of images shows: of the first runs that have the tag which log_image sets
SWEEP = "sweep"  # the tag of the runs of a sweep: the digest of its record
COLUMNS = (
    "params.`train.C`",
    "metrics.`sparsity`",
    "metrics.`accuracy`",
    "metrics.`duality_gap`",
    "attributes.`Version`",
    "attributes.`Models`",
)


def content() -> str:
    """Return the view of all runs."""
    return shared_views.encode("What C does", _state())


def sweep_name(result: str) -> str:
    """Return the name of the view of a sweep, given its record's digest."""
    return f"sweep-{result[:8]}"


def sweep_content(result: str) -> str:
    """Return the view of the points of a sweep, given its record's digest, C ascending."""
    numbers = ["sparsity", "accuracy", "validation_accuracy", "duality_gap"]
    state = _state() | {
        "searchFilter": f"tags.{SWEEP} = '{result}'",
        "selectedColumns": ["params.`train.C`", *(f"metrics.`{name}`" for name in numbers)],
    }
    return shared_views.encode("Sweep over C", state)


def _state() -> dict[str, Any]:
    charts, images = "what-C-does", "weights"
    return {
        "searchFilter": "",
        "orderByKey": "metrics.`log10_C`",
        "orderByAsc": False,  # the images come in the reverse order: ascending in C
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(COLUMNS),
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
                selectedMetrics=["log10_C", "nonzero_weights", "sparsity", "accuracy"],
                showAllRuns=True,
            ),
            _card(images, "IMAGE", imageKeys=["coef"], step=0, showRunParams=False),
        ],
        "compareRunSections": [
            _section(charts, "What C buys and costs", columns=2, height=360),
            _section(images, f"Weights, C ascending, {MOST_IMAGES} at most", columns=1, height=860),
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


def _card(section: str, kind: str, **what: Any) -> dict[str, Any]:
    uuid = "-".join([section, kind, *(what.get(axis, {}).get("key", "") for axis in ("xaxis", "yaxis"))])
    common = {"deleted": False, "isGenerated": False, "runsCountToCompare": 20}
    return {"uuid": uuid, "type": kind, "metricSectionId": section} | common | what


def _section(uuid: str, name: str, *, columns: int, height: int) -> dict[str, Any]:
    flags = {"display": True, "isReordered": True, "deleted": False, "isGenerated": False}
    return {"uuid": uuid, "name": name, "columns": columns, "cardHeight": height} | flags
