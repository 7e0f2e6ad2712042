"""Where MLflow shows the sweep that lies here."""

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

from dvc_mlflow import deliver, records, shared_views, ui
from dvc_mlflow.store import Store, redact_credentials


def describe_page(root: Path, place: Path, stage: str, view_name: Callable[[str], str]) -> str:
    """Return in words where the page of a sweep is: an address that answers, or what makes it answer.

    root : where the records and the store are.  place : where the sweep lies.  stage : whose result it is.
    When the store does not answer, that is printed instead and the process ended with status 0.
    """
    found = records.find_matching_record(root, place, stage)
    if found is None:
        return "This sweep has no record. To record it, and to send it to MLflow: sparse-digits track"
    store, name = Store.of(root), view_name(found.result)
    tag = shared_views.PREFIX + name
    nowhere = (
        f"MLflow at {redact_credentials(store.uri)} does not show this sweep. To send it: sparse-digits track"
    )
    experiment = None
    # Why a store fails, the delivery has said.
    with (
        contextlib.suppress(Exception),
        deliver.connect(root, lambda _: print(nowhere, flush=True), status=0) as client,
    ):
        experiment = client.get_experiment_by_name(found.experiment)
    if experiment is None or tag not in experiment.tags:
        return nowhere
    if store.uri.startswith("databricks"):  # which does not say where its pages are
        return (
            f"The sweep is in MLflow at {redact_credentials(store.uri)}, in the experiment {found.experiment}"
        )
    if store.uri.startswith(("http://", "https://")):
        server, begin = re.sub(r"//[^/@]*@", "//", store.uri).rstrip("/"), ""
    else:
        port, runs = ui.running_at(experiment.experiment_id, tag)
        server, begin = f"http://{ui.HOST}:{port}", "" if runs else "make ui, then "
    return f"The sweep in MLflow: {begin}{shared_views.address(server, experiment.experiment_id, name)}"
