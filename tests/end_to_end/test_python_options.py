"""Python's own options: isolated (-I), without asserts and docstrings (-OO), without the folder (-P)."""

import hashlib
import json
import sys

from commands import run
from projects import ROOT
from sparse_digits.runtime import yaml_core

STAGES = yaml_core.load((ROOT / "dvc.yaml").read_text())["stages"]
PROGRAM = """\
import importlib, json, sys
for module, arguments in json.loads(sys.argv[1]):
    sys.argv = [module, *arguments]
    importlib.import_module(module).main(arguments)
"""


def test_every_stage_writes_the_same_bytes_and_both_programs_work_with_the_strictest_options(computed):
    stages = [
        (f"sparse_digits.{name}", stage["cmd"].split(f"sparse_digits.{name} ")[1].split())
        for name, stage in STAGES.items()
    ]
    others = [
        ("sparse_digits.cli", ["check"]),
        ("dvc_mlflow.cli", ["status"]),
        ("sparse_digits.cli", ["status"]),
    ]
    outputs = [*computed.glob("data/*.npz"), *computed.glob("results/[!.]*")]
    outputs = [path for path in outputs if not path.name.endswith("provenance.json")]
    assert len(outputs) == 3 + 7
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in outputs}
    for path in outputs:
        path.unlink()
    done = run(sys.executable, "-I", "-OO", "-P", "-B", "-c", PROGRAM, json.dumps(stages + others))
    assert "params.yaml: no fault\n" in done.stdout
    assert done.stdout.count("There is something to do.\n") == 2
    assert {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in outputs} == before
