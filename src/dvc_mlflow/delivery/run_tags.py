"""The tags of a run, the runs that have them, and what belongs to a run."""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run, ViewType
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_USER
from mlflow.utils.validation import MAX_TAG_VAL_LENGTH

from dvc_mlflow.client.find_all import RUNS, find_all
from dvc_mlflow.client.logged_models import has_logged_models
from dvc_mlflow.delivery.owner import user
from dvc_mlflow.records import Record, experiment_of

RESULT = "record.result"  # the identity of the record that a run shows
OWNER = "record.owner"  # a digest of the machine and repository that deliver it
BEGUN = "record.begun"  # changes while it is delivered: the deliverer's time, in seconds since 1970
BATCH = 100  # runs in one search for their models
KIND = {"mlflow.experimentKind": "custom_model_development"}  # else an experiment opens among GenAI's pages


def tags_of(record: Record) -> dict[str, str]:
    """Return a run's tags, few and short: the project's, MLflow's and the record's. record.json has more."""
    code = record.code or {}
    changes = " with changes" if code.get("dirty") else ""
    tags = dict(record.tags) | {
        MLFLOW_USER: user(),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": f"dvc repro {record.stage}",
        "mlflow.source.git.commit": code.get("commit"),
        "record.code": f"{code['commit'][:12]}{changes}" if code else "unknown",
        "record.environment": None if record.environment else "unknown",
        "record.name": record.name,
        RESULT: record.result,
    }
    return {name: value[:MAX_TAG_VAL_LENGTH] for name, value in tags.items() if value}


def record_runs(
    client: MlflowClient, experiment_id: str, result: str = "", *, unfinished: bool = False
) -> list[Run]:
    """Return the runs that show records (or the record `result`), or those not finished; deleted ones too."""
    where = f"tags.`{RESULT}` = '{result}'" if result else f"tags.`{RESULT}` != ''"
    where += " AND attributes.status != 'FINISHED'" if unfinished else ""
    return list(find_all(client.search_runs, [experiment_id], where, ViewType.ALL, RUNS))


def active_run(client: MlflowClient, folder: Path) -> Run | None:
    """Return a run of the record in a folder that is not deleted; None without one."""
    experiment = client.get_experiment_by_name(experiment_of(folder))
    runs = record_runs(client, experiment.experiment_id, folder.name) if experiment else []
    return next((run for run in runs if run.info.lifecycle_stage == "active"), None)


def child_runs(client: MlflowClient, run: Run) -> list[Run]:
    """Return the active children of a run."""
    where = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run.info.run_id}'"
    return list(find_all(client.search_runs, [run.info.experiment_id], where, max_results=RUNS))


def models_of(client: MlflowClient, *runs: Run) -> list[LoggedModel]:
    """Return the models that runs of one experiment logged."""
    experiment_id = runs[0].info.experiment_id
    if not has_logged_models(client, experiment_id):
        return []
    ids = [f"'{run.info.run_id}'" for run in runs]
    filters = [
        f"source_run_id IN ({', '.join(ids[start : start + BATCH])})" for start in range(0, len(ids), BATCH)
    ]
    return [
        model for where in filters for model in find_all(client.search_logged_models, [experiment_id], where)
    ]
