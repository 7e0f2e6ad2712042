"""The command `demo`: the pipeline on scikit-learn's digits, in a temporary copy of the project."""

import os
import shutil
import tempfile
from pathlib import Path

from sparse_digits import params
from sparse_digits.commands.pipelines import RESULT, dvc_repro, require_stages
from sparse_digits.commands.repro import print_result

DEMO_PARAMS = "params.digits.yaml"
COPIED = ("dvc.yaml", "pyproject.toml")


def demo(folder: Path) -> None:
    """Run the pipeline of `folder` on digits, print the result and copy its picture to `demo`.

    The copy is without git. Its record has the commit of the code in `folder`, and goes into records/ there.
    """
    require_stages(folder / "dvc.yaml", RESULT)
    with tempfile.TemporaryDirectory(prefix="sparse-digits-demo-") as temporary:
        copy = Path(temporary)
        shutil.copytree(folder / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
        for name in COPIED:
            shutil.copy(folder / name, copy)
        shutil.copy(folder / DEMO_PARAMS, copy / params.FILE)
        (copy / params.OWN_DATA).mkdir(parents=True)
        (copy / params.OWN_DATA / "README.md").touch()  # DVC warns of an empty folder
        (copy / ".dvc").mkdir()
        (copy / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "sparse-digits-demo"
        variables = {"RECORDS_ROOT": str(folder), "RECORDS_CODE": str(folder)}
        dvc_repro(copy, MLFLOW_EXPERIMENT_NAME=experiment, **variables)
        print()
        print_result(copy, picture=folder / "demo")
