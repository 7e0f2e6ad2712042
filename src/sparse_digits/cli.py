"""`sparse-digits`: the commands that are not a stage. Each imports what it needs when it runs."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import sparse_digits.runtime.entry  # noqa: F401 - first: it acts before any library is imported

import dvc_mlflow.cli
from dvc_mlflow.cli import Command
from dvc_mlflow.project import Project


def repro(_: argparse.Namespace) -> None:
    """Run the stale stages of the pipeline and print the result (make repro)."""
    from sparse_digits.commands import repro as command

    command.repro(Project.find().folder)


def sweep(arguments: argparse.Namespace) -> None:
    """Run the stale stages of the sweep over C, then print the selection and its page (make sweep)."""
    project = Project.find()
    from sparse_digits.commands import sweep as command

    command.sweep(project, arguments.scheduler)


def demo(_: argparse.Namespace) -> None:
    """Run the pipeline on scikit-learn's digits, without a network, in a temporary copy (make demo)."""
    from sparse_digits.commands import demo as command

    command.demo(Project.find().folder)


def check(_: argparse.Namespace) -> None:
    """Check params.yaml and print every fault in it."""
    from sparse_digits import params

    params.read(Project.find().folder / params.FILE)
    print(f"{params.FILE}: no fault")


def predict(arguments: argparse.Namespace) -> None:
    """Print label and probabilities of handwritten digits in image files."""
    from sparse_digits.commands import predict as command

    command.predict(
        arguments.images,
        arguments.model,
        arguments.C,
        json=arguments.json,
        show=arguments.show,
    )


def register(arguments: argparse.Namespace) -> None:
    """Register a model in MLflow, as champion if it is not worse than the present one.

    The status is 1 if it is worse, and it is then not registered.
    """
    from sparse_digits.commands import register as command

    is_champion = command.register(Project.find(), arguments.model, arguments.C)
    raise SystemExit(0 if is_champion else 1)


def export(arguments: argparse.Namespace) -> None:
    """Write a model as ONNX, which other languages and browsers run."""
    from sparse_digits.commands import export as command

    command.export(arguments.file, arguments.model, arguments.C)


COMMANDS: tuple[Command, ...] = (repro, sweep, demo, check, predict, register, export)


def add_sweep_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `sweep`."""
    parser.add_argument("--scheduler", help="address of a Dask cluster that computes: tcp://host:port")


def add_predict_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `predict`."""
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="a PNG, JPEG or .npy file, dark on light or light on dark; a folder; - is standard input",
    )
    add_model_options(parser, "results/model.npz")
    parser.add_argument("--json", action="store_true", help="print a JSON list in place of a table")
    parser.add_argument(
        "--show", type=Path, metavar="FILE", help="write a picture of which pixels spoke for and against"
    )


def add_register_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `register`."""
    add_model_options(parser, "that of the sweep, selected by the one-standard-error rule")


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `export`."""
    parser.add_argument("file", type=Path, metavar="FILE.onnx", help="the file to write")
    add_model_options(parser, "results/model.npz")


def add_model_options(parser: argparse.ArgumentParser, default: str) -> None:
    """Add the options that name a model, which is by default the one that `default` says."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--model",
        help="a model.npz, the first digits of a record, an MLflow run id, or models:/NAME@ALIAS "
        f"(default: {default})",
    )
    source.add_argument("--C", type=float, help="the model of the sweep at this C")


OPTIONS: dict[Command, Callable[[argparse.ArgumentParser], None]] = {
    sweep: add_sweep_options,
    predict: add_predict_options,
    register: add_register_options,
    export: add_export_options,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command: of this project, or one that every DVC project has by dvc-mlflow."""
    parser = argparse.ArgumentParser(
        prog="sparse-digits", description="Run the pipeline, use its models, and track its results."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    dvc_mlflow.cli.add_commands(commands, COMMANDS, OPTIONS)
    dvc_mlflow.cli.add_commands(commands)
    dvc_mlflow.cli.run(parser, argv)


if __name__ == "__main__":
    main()
