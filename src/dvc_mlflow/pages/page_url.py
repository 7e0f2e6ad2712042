"""Where MLflow shows the page of a record."""

import contextlib
import re

from dvc_mlflow.client.mlflow_session import connect
from dvc_mlflow.pages import shared_views, ui
from dvc_mlflow.project import Project
from dvc_mlflow.records import Record
from dvc_mlflow.store import Store, redact_credentials


def describe_page(project: Project, record: Record, view: str) -> str:
    """Return a sentence with the address of a record's page, and the command that serves it if none does.

    view : the name of the shared view that the page opens with.
    When the store does not answer, the sentence is printed instead and the process ended with status 0.
    """
    store, tag = Store.of(project.root), shared_views.PREFIX + view
    uri = redact_credentials(store.uri)
    missing = f"MLflow at {uri} has no page of {record.stage} yet. To deliver: {project.command} track"
    experiment = None
    # The delivery has already printed why a store fails.
    with (
        contextlib.suppress(Exception),
        connect(project.root, lambda _: print(missing, flush=True), status=0) as client,
    ):
        experiment = client.get_experiment_by_name(record.experiment)
    if experiment is None or tag not in experiment.tags:
        return missing
    if store.is_remote and not store.uri.lower().startswith("http"):  # its pages have another address
        return f"{record.stage} is in MLflow at {uri}, in the experiment {record.experiment}"
    if store.is_remote:
        server, serve = re.sub(r"//[^/@]*@", "//", store.uri).rstrip("/"), ""
    else:
        port, running = ui.running_at(experiment.experiment_id, tag)
        server, serve = f"http://{ui.HOST}:{port}", "" if running else f"{project.command} ui, then "
    return f"{record.stage} in MLflow: {serve}{shared_views.address(server, experiment.experiment_id, view)}"
