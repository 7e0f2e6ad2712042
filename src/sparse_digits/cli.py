"""`sparse-digits`: the commands that are not a stage."""

import argparse
import os
import sys
from collections.abc import Sequence

from sparse_digits.faults import told
from sparse_digits.model import made_with
from sparse_digits.record import NotRecorded, main_root, record_all, record_run

RESULT = "evaluate"  # the stage that a result is the outcome of


def _record(_: argparse.Namespace) -> None:
    """Put the result of the run that ends now into records/ (the last but one command of dvc.yaml)."""
    try:
        for warning in record_run(RESULT, made_with)[2]:
            print(f"warning: {warning}", file=sys.stderr)
    except (NotRecorded, OSError) as reason:
        print(
            f"warning: this result has no record yet ({reason}). To record it: sparse-digits track",
            file=sys.stderr,
        )


def _deliver(_: argparse.Namespace) -> None:
    """Send to MLflow every record that it lacks (the last command of dvc.yaml)."""
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}  # before mlflow is imported
    from sparse_digits import track, view  # noqa: PLC0415 - two seconds that other commands do not pay

    track.deliver(main_root(), view.VIEW)


def _track(arguments: argparse.Namespace) -> None:
    """Record what is in the workspace and in DVC's experiments and has no record; then deliver."""
    for place, found, new in record_all(RESULT, made_with):
        print(f"{place}: {'recorded' if new else found if isinstance(found, str) else 'has its record'}")
    _deliver(arguments)


COMMANDS = {"track": _track, "record": _record, "deliver": _deliver}


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="sparse-digits", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, function in COMMANDS.items():
        commands.add_parser(name, help=function.__doc__).set_defaults(run=function)
    arguments = parser.parse_args(argv)
    with told():
        arguments.run(arguments)


if __name__ == "__main__":
    main()
