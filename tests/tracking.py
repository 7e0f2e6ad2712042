"""A small pipeline in the shape of DVC's own tutorial, records made by hand, and where to send them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

PREPARE = """\
import json, pathlib, sys
from ruamel.yaml import YAML

params = YAML(typ="safe", pure=True).load(open("params.yaml"))
folder = pathlib.Path("data/prepared")
folder.mkdir(parents=True, exist_ok=True)
for part in ("train", "test"):
    (folder / part).mkdir(exist_ok=True)
    (folder / part / "README").write_text(part)
    (folder / part / "rows.csv").write_text(f"{part},{params['prepare']['seed']}\\n")
(folder / "test-rows").write_text("sorts between the folders' files")
"""

EVALUATE = """\
import json, os, pathlib, sys, time
from ruamel.yaml import YAML
from sparse_digits import note

params = YAML(typ="safe", pure=True).load(open("params.yaml"))
time.sleep(float(os.environ.get("TAKES", 0)))
C = params["train"]["C"]
model, metrics, plots = map(pathlib.Path, ("models/model.json", "eval/metrics.json", "eval/plots"))
plots.mkdir(parents=True, exist_ok=True)
model.parent.mkdir(exist_ok=True)
model.write_text(json.dumps({"params": {"train.C": C}, "coef": [C, 0, 0]}))
metrics.write_text(json.dumps({"accuracy": 1 - C, "by": {"class 0": C}, "kind": "test"}))
(plots / "a.csv").write_text(f"x,y\\n0,{C}\\n")
note.write("evaluate", [model, metrics, plots], [pathlib.Path("data/prepared")])
"""

BRIDGE = '''\
"""What is particular to this pipeline, and the two commands that its last stage ends with."""

import json
import sys

from sparse_digits import record


def made_with(path, content):
    return json.loads(content)["params"] if path.endswith("model.json") else None


def main(command):
    if command == "record":
        print(*record.record_run("evaluate", made_with).warnings, sep="\\n")
    if command == "track":
        for place, found, new in record.record_all("evaluate", made_with):
            print(place, found if isinstance(found, str) else new, *getattr(found, "warnings", ()), sep=": ")
    if command in ("deliver", "track"):
        from sparse_digits import track

        title = lambda record: f"C={record.params['train.C']}"
        add = lambda client, run, record, folder: client.log_text(run.info.run_id, "extra", "extra.txt")
        track.deliver(record.main_root(), track.View(title, lambda record: "rows", add))


if __name__ == "__main__":
    main(sys.argv[1])
'''

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
      - python bridge.py record
      - python bridge.py deliver
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


def environment(**more):
    return os.environ | more


def run(*command, cwd, status=0, **more):
    """Run a command; its output, on both streams, is shown if its status is another one."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def git(folder, *words):
    return run("git", *words, cwd=folder).stdout.strip()


def dvc(folder, *words, **options):
    done = run(sys.executable, "-m", "dvc", *words, cwd=folder, **options)
    return done.stdout + done.stderr


def bridge(folder, command, **options):
    done = run(sys.executable, "bridge.py", command, cwd=folder, **options)
    return done.stdout + done.stderr


def small_pipeline(folder, store=None):
    """Make a repository of two stages. store : an empty one to copy; without it nothing is delivered."""
    folder.mkdir()
    for name, text in [
        ("prepare.py", PREPARE),
        ("evaluate.py", EVALUATE),
        ("bridge.py", BRIDGE),
        ("dvc.yaml", DVC_YAML),
        ("params.yaml", "prepare: {seed: 0}\ntrain: {C: 0.02}\n"),
        (".gitignore", "/records/\n/mlflow.db*\n/mlartifacts/\n__pycache__/\n*.note.json\n"),
    ]:
        (folder / name).write_text(text)
    if store is None:
        (folder / "dvc.yaml").write_text(DVC_YAML.replace("      - python bridge.py deliver\n", ""))
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
