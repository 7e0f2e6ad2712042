"""The page of an experiment as we want it: a view that MLflow keeps in a tag of the experiment.

MLflow documents neither the tag nor its contents: this was read off its pages (3.17.2) and stands here alone.
Which page it is, and that it shows charts, is not part of a view: the whole address has to be handed out.
"""

import json
import time
from typing import Any

NAME = "sparse-digits"
TAG = f"mlflow.sharedViewState.{NAME}"
COLUMNS = (
    "params.`train.C`",
    "metrics.`sparsity`",
    "metrics.`accuracy`",
    "metrics.`duality_gap`",
    "attributes.`Version`",
    "attributes.`Models`",
)


def address(server: str, experiment_id: str) -> str:
    """Return the address of an experiment's page with its charts, as the view has them."""
    query = f"workflowType=machine_learning&viewStateShareKey={NAME}&compareRunsMode=CHART"
    return f"{server}/#/experiments/{experiment_id}/runs?{query}"


def content() -> str:
    """Return the view."""
    now = int(time.time() * 1000)
    return json.dumps(
        {"name": "What C does", "createdAt": now, "updatedAt": now, "state": json.dumps(_state())}
    )


def _state() -> dict[str, Any]:
    charts, images = "what-C-does", "coefficients"
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
        "runsHiddenMode": "FIRST_20_RUNS",
        "compareRunCharts": [
            _card(images, "IMAGE", imageKeys=["coef"], step=0, showRunParams=False),
            _card(charts, "SCATTER", xaxis=_axis("log10_C"), yaxis=_axis("sparsity")),
            _card(charts, "SCATTER", xaxis=_axis("log10_C"), yaxis=_axis("accuracy")),
        ],
        "compareRunSections": [
            _section(images, "Weights, C ascending", columns=1, height=640),
            _section(charts, "What C does", columns=2, height=360),
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
    uuid = "-".join([section, kind, what.get("yaxis", {}).get("key", "")])
    common = {"deleted": False, "isGenerated": False, "runsCountToCompare": 20}
    return {"uuid": uuid, "type": kind, "metricSectionId": section} | common | what


def _section(uuid: str, name: str, *, columns: int, height: int) -> dict[str, Any]:
    flags = {"display": True, "isReordered": True, "deleted": False, "isGenerated": False}
    return {"uuid": uuid, "name": name, "columns": columns, "cardHeight": height} | flags
