"""A small pipeline in the shape of DVC's own tutorial, records made by hand, and where to send them."""

import hashlib
import re
import shutil
from dataclasses import replace

import numpy as np
from mlflow import MlflowClient

import commands
from dvc_mlflow import records
from dvc_mlflow.delivery import run_tags
from dvc_mlflow.run_content import RunContent
from dvc_mlflow.store import Store

EXPERIMENT = "small"

PREPARE = """\
import pathlib
from dvc.utils.serialize import load_yaml

params = load_yaml("params.yaml")
folder = pathlib.Path("data/prepared")
folder.mkdir(parents=True, exist_ok=True)
for part in ("train", "test"):
    (folder / part).mkdir(exist_ok=True)
    (folder / part / "README").write_text(part)
    (folder / part / "rows.csv").write_text(f"{part},{params['prepare']['seed']}\\n")
(folder / "test-rows").write_text("sorts between the folders' files")
"""

EVALUATE = """\
import json, os, pathlib, time
from dvc.utils.serialize import load_yaml
from dvc_mlflow import provenance

params = load_yaml("params.yaml")
if "WAITS" in os.environ:
    pathlib.Path("begun").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.02)
C = params["train"]["C"]
model, metrics, plots = map(pathlib.Path, ("models/model.json", "eval/metrics.json", "eval/plots"))
plots.mkdir(parents=True, exist_ok=True)
model.parent.mkdir(exist_ok=True)
model.write_text(json.dumps({"params": {"train.C": C}, "coef": [C, 0, 0]}))
metrics.write_text(json.dumps({"accuracy": 1 - C, "by": {"class 0": C}, "kind": "test"}))
(plots / "a.csv").write_text(f"x,y\\n0,{C}\\n")
provenance.write_provenance("evaluate", [model, metrics, plots], [pathlib.Path("data/prepared")])
"""

CONTENT = """\
import json
from dvc_mlflow.run_content import RunContent

def params_in(path, content):
    return json.loads(content)["params"] if path.endswith("model.json") else None

def add(client, run, record, folder):
    client.log_text(run.info.run_id, "extra", "extra.txt")

CONTENT = RunContent(lambda record: f"C={record.params['train.C']}", lambda record: "rows", add)
"""

PYPROJECT = f"""\
[tool.dvc-mlflow]
content = "content:CONTENT"
embedded-params = "content:params_in"
experiment = "{EXPERIMENT}"
pythonpath = ["."]
"""

DVC_YAML = """\
stages:
  prepare:
    cmd: python prepare.py
    deps: [prepare.py]
    params: [prepare]
    outs: [data/prepared]
  evaluate:
    cmd:
      - python evaluate.py
      - python -m dvc_mlflow.cli record
    deps: [evaluate.py, data/prepared]
    params: [train]
    outs:
      - models/model.json:
          type: model
    metrics:
      - eval/metrics.json:
          cache: false
    plots: [eval/plots]
"""

# A delivery of the records in the working directory, with the content of the small pipeline. Its time limits
# are long, and on their clock a second passes at once for each byte that a test appends to the file CLOCK.
DELIVER = f"""\
import os, time, types
from pathlib import Path
from dvc_mlflow.client import request_watchdog
from dvc_mlflow.delivery.deliver import deliver
request_watchdog.PATIENCE = float(os.environ.get("PATIENCE", 60))
if clock := os.environ.get("CLOCK"):
    seconds = lambda: time.monotonic() + Path(clock).stat().st_size
    request_watchdog.time = types.SimpleNamespace(monotonic=seconds)
{CONTENT}
deliver(Path.cwd(), CONTENT)
"""


def git(folder, *words):
    return commands.run("git", *words, cwd=folder).stdout.strip()


def dvc(folder, *words, **options):
    done = commands.python("-m", "dvc", *words, cwd=folder, **options)
    return done.stdout + done.stderr


def dvc_mlflow(folder, *words, status=0, **options):
    """Run the command `dvc-mlflow`; return what it printed on both streams."""
    done = commands.python("-m", "dvc_mlflow.cli", *words, cwd=folder, status=status, **options)
    return done.stdout + done.stderr


def deliver_in_process(folder, **options):
    """Deliver the records of a folder in a process of its own; return what it printed on both streams."""
    done = commands.python("-c", DELIVER, cwd=folder, **options)
    return done.stdout + done.stderr


def small_pipeline(folder, store=None):
    """Make a repository of two stages. store : an empty one to copy; without it nothing is delivered."""
    folder.mkdir()
    for name, text in [
        ("prepare.py", PREPARE),
        ("evaluate.py", EVALUATE),
        ("content.py", CONTENT),
        ("pyproject.toml", PYPROJECT),
        (
            "dvc.yaml",
            DVC_YAML if store else DVC_YAML.replace("python -m dvc", "RECORDS_ONLY=1 python -m dvc"),
        ),
        ("params.yaml", "prepare: {seed: 0}\ntrain: {C: 0.02}\n"),
        (".gitignore", "/records/\n/mlflow.db*\n/mlartifacts/\n__pycache__/\n*.provenance.json\n"),
    ]:
        (folder / name).write_text(text)
    git(folder, "init", "--quiet", "--initial-branch=main")
    dvc(folder, "init", "--quiet")
    (folder / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "A small pipeline")
    if store:
        shutil.copy(store, folder)
    return folder


def set_C(folder, C):
    (folder / "params.yaml").write_text(f"prepare: {{seed: 0}}\ntrain: {{C: {C}}}\n")


def collected(C, experiment=EXPERIMENT, name=None, **changes):
    """Return a result made by hand, complete as one that was computed; what it shows depends on C alone."""
    files = {
        "models/model.json": f'{{"coef": [{C}]}}'.encode(),
        "eval/metrics.json": b"{}",
        "eval/plots/a #1 50 %.csv": b"x,y\n0,1\n",
    }
    md5s = {path: hashlib.md5(content, usedforsecurity=False).hexdigest() for path, content in files.items()}
    provenance = {"seconds": 2.5, "code": None, "environment": None}
    content = {
        "stage": "evaluate",
        "params": {"train.C": C, "grid@1": [1, 2]},
        "metrics": {"accuracy": 1 - C, "p@1 %": 0.5},
        "data": {"data/prepared": "d" * 32 + ".dir"},
        "outputs": md5s,
        "digests": {**md5s, "data/prepared": "d" * 32 + ".dir"},
        "code": {"commit": "c" * 40, "dirty": False},
        "environment": {"python": "3.11"},
        "stages": {"prepare": None, "evaluate": provenance},
        "experiment": experiment,
        "name": name,
        "created": "2026-01-02T03:04:05.678+00:00",
    } | changes
    one = records.Record(result="", **content)
    return records.CollectedResult(replace(one, result=records.identity_of(one)), files, [])


def add(client, run, one, folder):
    """Add what a project may add to a run: a file, an image and a model."""
    run_id = run.info.run_id
    client.log_text(run_id, (folder / "files" / "models" / "model.json").read_text(), "extra/note.txt")
    client.log_image(run_id, np.zeros((8, 8, 3), np.uint8), key="class", step=0)
    model = client.create_logged_model(run.info.experiment_id, "model", run_id)
    client.finalize_logged_model(model.model_id, "READY")


SHOWN = RunContent(lambda one: f"C={one.params['train.C']}", lambda _: "rows", add)


def client_of(root):
    return MlflowClient(Store.of(root).uri)


def artifacts_of(client, run_id, folder=""):
    """Return the paths of a run's artifacts, without the ids that MLflow gives to images."""
    paths = []
    for entry in client.list_artifacts(run_id, folder):
        paths += artifacts_of(client, run_id, entry.path) if entry.is_dir else [entry.path]
    return sorted(re.sub(r"timestamp.*(?=\.|\+)", "timestamp", path) for path in paths)


def shown(root, only=None):
    """Return all that a store (or one experiment) shows, but for MLflow's ids and the time of delivery."""
    client = client_of(root)
    store = {}
    for experiment in client.search_experiments():
        if only not in {None, experiment.name}:
            continue
        runs = []
        for run in client.search_runs([experiment.experiment_id], max_results=1000):
            tags = {key: value for key, value in run.data.tags.items() if key != run_tags.BEGUN}
            models = client.search_logged_models(
                [experiment.experiment_id], f"source_run_id = '{run.info.run_id}'"
            )
            runs.append(
                {
                    "name": run.info.run_name,
                    "status": run.info.status,
                    "times": (run.info.start_time, run.info.end_time),
                    "params": run.data.params,
                    "metrics": run.data.metrics,
                    "tags": tags,
                    "data": [
                        (entry.dataset.name, entry.dataset.digest) for entry in run.inputs.dataset_inputs
                    ],
                    "artifacts": artifacts_of(client, run.info.run_id),
                    "models": [(model.name, str(model.status)) for model in models],
                }
            )
        store[experiment.name] = sorted(runs, key=lambda run: run["name"])
    return store


def models_of(root):
    """Return the status of every model in a store."""
    client = client_of(root)
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    return [str(model.status) for model in client.search_logged_models(ids)]


def names(folder):
    return sorted(path.name for path in folder.iterdir())
