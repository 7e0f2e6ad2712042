"""`sparse-digits`: the commands that are not a stage. Each imports what it needs when it runs."""

import argparse
import configparser
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sparse_digits.runtime.entry  # noqa: F401 - first: it acts before any library is imported

from dvc_mlflow.errors import UserError, exit_on_user_error
from sparse_digits import params
from sparse_digits.metrics import format_summary
from sparse_digits.runtime import yaml_core
from sparse_digits.runtime.lock_drift import drifted_output, mismatched_params

if TYPE_CHECKING:
    from mlflow.entities import Run

    from dvc_mlflow.records import Record

RESULT = "evaluate"  # the stage that a result is the outcome of
SWEEP = "sweep/dvc.yaml"  # the second pipeline
SWEPT = f"{SWEEP}:report"  # the stage that a sweep is the outcome of
DEMO_PARAMS = "params.digits.yaml"
ROOM = 500_000_000  # bytes that a first run writes: the data, and DVC's cache of them


def repro(_: argparse.Namespace) -> None:
    """Run what is stale of the pipeline and print the result (make repro)."""
    root = project()
    os.chdir(root)
    asked = params.read()  # before DVC clears anything
    _check_git(root)
    free = shutil.disk_usage(root).free
    if not (root / ".dvc" / "cache").exists() and free < ROOM:
        raise UserError(f"{root}: expected {ROOM // 10**6} MB of free disk, found {free // 10**6} MB")
    _dvc_repro(root)
    print()
    _report(root)
    for line in _made_otherwise(root, asked):
        print(f"warning: {line}", file=sys.stderr)
    if path := drifted_output(root / "dvc.lock"):
        print(
            f"{path} has other bits than the committed dvc.lock, from the same code, data and params: "
            "this processor or platform rounds otherwise."
        )
    print("To open MLflow: make ui")


def sweep(arguments: argparse.Namespace) -> None:
    """Run what is stale of the sweep over C, then print the choice and where to look at it (make sweep)."""
    root = project()
    os.chdir(root)
    params.read().check_sweep()  # before DVC clears anything
    scheduler = {"SPARSE_DIGITS_SCHEDULER": arguments.scheduler} if arguments.scheduler else {}
    _dvc_repro(root, scheduler | {"RECORDS_ONLY": "yes"}, SWEEP)  # what follows delivers, with the one import
    from sparse_digits.sweep.selection import read_selection
    from sparse_digits.sweep.selection_display import format_selection

    print()
    stages = _stages(root / SWEEP)
    print(format_selection(read_selection((root / next(iter(stages["sweep"]["metrics"][0]))).read_bytes())))
    print(f"Pictures: {root / next(iter(stages['report']['outs'][0]))}")
    store = _main_root()
    from dvc_mlflow import page_url
    from dvc_mlflow.collect import record_all
    from dvc_mlflow.records import find_matching_record
    from sparse_digits.mlflow_content import charts
    from sparse_digits.model import params_embedded_in

    if (
        find_matching_record(store, root, SWEPT) is None
    ):  # DVC skips the report where git has it, as in a fresh clone
        list(record_all(SWEPT, params_embedded_in))
    _deliver(0)
    print(page_url.describe_page(store, root, SWEPT, charts.sweep_name))


def demo(_: argparse.Namespace) -> None:
    """Run the pipeline on scikit-learn's digits, without a network, in a temporary copy (make demo)."""
    root = project()
    with tempfile.TemporaryDirectory(prefix="sparse-digits-demo-") as folder:
        copy = Path(folder)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / "src", copy / "src", ignore=ignored)
        shutil.copy(root / "dvc.yaml", copy)
        shutil.copy(root / DEMO_PARAMS, copy / params.FILE)
        (copy / ".dvc").mkdir()
        (copy / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
        environment = {
            "RECORDS_ROOT": str(root),
            "MLFLOW_EXPERIMENT_NAME": os.environ.get("MLFLOW_EXPERIMENT_NAME") or "sparse-digits-demo",
        }
        if git_dir := _git_dir(root):  # so that the record names the commit of the code that was copied
            environment |= {"GIT_DIR": git_dir, "GIT_WORK_TREE": folder, "GIT_OPTIONAL_LOCKS": "0"}
        _dvc_repro(copy, environment)
        print()
        _report(copy, picture=root / "demo")


def ui(_: argparse.Namespace) -> None:
    """Open MLflow on this project's store, on 127.0.0.1, until ctrl-C (make ui)."""
    from dvc_mlflow import ui as server

    raise SystemExit(server.serve(project()))


def track(_: argparse.Namespace) -> None:
    """Record what is in the workspace and in DVC's experiments and has no record; then deliver."""
    from dvc_mlflow.collect import record_all
    from sparse_digits.model import params_embedded_in

    _check_git(project())
    found_all = [
        *record_all(RESULT, params_embedded_in),
        *(
            row for row in record_all(SWEPT, params_embedded_in) if not isinstance(row[1], str)
        ),  # a sweep is optional
    ]
    for place, found, new in found_all:
        if isinstance(found, str):
            print(f"{place}: {found}")
        else:
            print(f"{place}: {'recorded' if new else 'has its record'}", *found.warnings, sep="\nwarning: ")
    raise SystemExit(_deliver(1))


def record(arguments: argparse.Namespace) -> None:
    """Put the result of the run that ends now into records/; then deliver (dvc.yaml calls it)."""
    from dvc_mlflow.collect import record_stage
    from sparse_digits.model import params_embedded_in

    try:
        for warning in record_stage(arguments.stage, params_embedded_in).warnings:
            print(f"warning: {warning}", file=sys.stderr)
    except Exception as reason:  # noqa: BLE001 - whatever DVC or the disk does, what was computed is kept
        print(
            f"warning: this result has no record yet ({reason or type(reason).__name__}). "
            "To record it: sparse-digits track",
            file=sys.stderr,
        )
    _deliver(0)
    if arguments.stage != RESULT and "RECORDS_ONLY" not in os.environ:
        from dvc_mlflow import page_url
        from sparse_digits.mlflow_content import charts

        print(page_url.describe_page(_main_root(), project(), arguments.stage, charts.sweep_name))


def verify(arguments: argparse.Namespace) -> None:
    """Compute a recorded result again in a temporary clone and compare it byte for byte."""
    root = _main_root()
    from dvc_mlflow.verify import Parts, verify
    from sparse_digits.mlflow_content import charts, sweep_content
    from sparse_digits.mlflow_content.content import CONTENT

    def point(record: "Record", folder: Path, run: "Run") -> "Record":
        model = _models(_stages(project() / "dvc.yaml"))[0]
        return sweep_content.record_of_point(record, folder, run, RESULT, model)

    points = Parts(charts.SWEEP, sweep_content.MODEL_MD5, point)
    raise SystemExit(0 if verify(arguments.run_id, root, CONTENT, points) else 1)


def status(arguments: argparse.Namespace) -> None:
    """Say which results there are, and which of them is not yet in the records or in MLflow."""
    from dvc_mlflow import status
    from sparse_digits.model import params_embedded_in

    _check_git(project())
    status.status(_main_root(), RESULT, params_embedded_in, optional=[SWEPT], as_json=arguments.json)


def check(_: argparse.Namespace) -> None:
    """Say what is wrong in params.yaml."""
    params.read(project() / params.FILE)
    print(f"{params.FILE}: no fault")


COMMANDS = (repro, sweep, demo, ui, track, status, verify, check, record)


def project() -> Path:
    """Return the project's folder: the one with dvc.yaml and .dvc, from here upwards."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").is_file() and (folder / ".dvc").is_dir():
            return folder
    raise UserError(f"{here}: expected a folder with dvc.yaml and .dvc, here or above, found none")


def _deliver(failure: int) -> int:
    """Send to MLflow every record that it lacks; return 0, or `failure` if records wait still."""
    from dvc_mlflow.records import record_folders

    root = _main_root()
    if "RECORDS_ONLY" in os.environ or not record_folders(root):
        return 0
    gc.disable()  # a fifth of what these imports take goes into looking for garbage that is not there
    from dvc_mlflow import deliver
    from sparse_digits.mlflow_content.content import CONTENT

    gc.freeze()
    gc.enable()
    return failure if deliver.deliver(root, CONTENT, status=failure) else 0


def _main_root() -> Path:
    """Return where the records are, and see to it that mlflow, when it is imported, tells nobody."""
    from dvc_mlflow.records import main_root

    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    return main_root()


def _check_git(root: Path) -> None:
    if not _git_dir(root) and not _without_git(root):
        raise UserError(
            f"{root}: expected a git repository, found none. "
            "`git init`, or without git: dvc config --local core.no_scm true"
        )


def _without_git(root: Path) -> bool:
    """Tell whether DVC is told to do without git here."""
    config = configparser.ConfigParser()
    config.read([root / ".dvc" / "config", root / ".dvc" / "config.local"])
    return config.getboolean("core", "no_scm", fallback=False)


def _git_dir(root: Path) -> str:
    """Return the folder of the git repository that `root` is in, "" if it is in none."""
    asked = ["git", "-C", str(root), "rev-parse", "--absolute-git-dir"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def _dvc_repro(folder: Path, environment: dict[str, str] | None = None, *targets: str) -> None:
    """Run `dvc repro` with this very Python first on PATH; end with DVC's status if it fails."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    command = [sys.executable, "-m", "dvc", "repro", *targets]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path} | (environment or {}), check=False
    )
    if done.returncode:
        _tell_way_out(folder)
        raise SystemExit(done.returncode)


def _tell_way_out(folder: Path) -> None:
    """Say what to do if it is dvc.lock that `dvc repro` failed for: DVC's own message does not."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    from dvc_mlflow.collect import recovery_hint

    try:
        with Repo(str(folder)) as repo:
            list(repo.index.stages)
    except DvcException as error:
        print(f"{error}{recovery_hint(error)}", file=sys.stderr)


def _made_otherwise(root: Path, asked: params.Params) -> list[str]:
    """Return in words where a model here was made with other params than params.yaml has."""
    from sparse_digits.model import params_embedded_in

    stages = _stages(root / "dvc.yaml")
    flat = {
        key: value
        for section in stages
        if hasattr(asked, section)
        for key, value in getattr(asked, section).flat().items()
    }
    return [
        line
        for path in _models(stages)
        for line in mismatched_params(path, params_embedded_in(path, (root / path).read_bytes()) or {}, flat)
    ]


def _stages(path: Path) -> dict[str, Any]:
    """Return the stages that a dvc.yaml declares."""
    stages: dict[str, Any] = yaml_core.load(path.read_text(encoding="utf-8"))["stages"]
    return stages


def _models(stages: dict[str, Any]) -> list[str]:
    """Return the paths of the models that stages declare."""
    outs = [out for stage in stages.values() for out in stage.get("outs", []) if isinstance(out, dict)]
    return [path for out in outs for path, how in out.items() if how.get("type") == "model"]


def _report(root: Path, picture: Path | None = None) -> None:
    """Print the result that lies in a folder, and where its picture is: there, or copied to `picture`."""
    stage = _stages(root / "dvc.yaml")[RESULT]
    metrics, image = (root / next(iter(stage[key][0])) for key in ("metrics", "plots"))
    print(format_summary(json.loads(metrics.read_bytes())))
    if picture:
        picture.mkdir(exist_ok=True)
        image = Path(shutil.copy(image, picture))
    print(f"Picture: {image}")


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="sparse-digits", description="Commands beside `dvc`.")
    commands = parser.add_subparsers(required=True, metavar="command")
    parsers = {
        function: commands.add_parser(function.__name__, help=function.__doc__) for function in COMMANDS
    }
    for function, command in parsers.items():
        command.set_defaults(run=function)
    parsers[record].add_argument("stage", nargs="?", default=RESULT, help="whose last command this is")
    parsers[sweep].add_argument("--scheduler", help="of a Dask cluster that computes: tcp://host:port")
    parsers[status].add_argument("--json", action="store_true", help="for programs")
    parsers[verify].add_argument(
        "run_id", metavar="RUN", help="an MLflow run id, or how a record's digest begins"
    )
    arguments = parser.parse_args(argv)
    with exit_on_user_error():
        arguments.run(arguments)


if __name__ == "__main__":
    main()
