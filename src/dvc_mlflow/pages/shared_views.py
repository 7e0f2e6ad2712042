"""Shared views: arrangements of an experiment's page that MLflow keeps in tags of the experiment.

MLflow documents neither the tag nor its contents; both were read off its pages (3.17.2).
Which page it is, and that it shows charts, is part of the address and not of the view:
#/experiments/<id>/runs?workflowType=machine_learning&viewStateShareKey=<name>&compareRunsMode=CHART
"""

import json
import time
from typing import Any

PREFIX = "mlflow.sharedViewState."  # of the tag, before the view's name


def address(server: str, experiment_id: str, name: str) -> str:
    """Return the address of an experiment's page with its charts, as the view of this name arranges them."""
    query = f"workflowType=machine_learning&viewStateShareKey={name}&compareRunsMode=CHART"
    return f"{server}/#/experiments/{experiment_id}/runs?{query}"


def encode(title: str, state: dict[str, Any]) -> str:
    """Return the value of the tag that holds a view."""
    now = int(time.time() * 1000)
    return json.dumps({"name": title, "createdAt": now, "updatedAt": now, "state": json.dumps(state)})
