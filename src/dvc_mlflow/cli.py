"""The command `dvc-mlflow`. Each subcommand imports what it needs when it runs: mlflow takes seconds."""

import argparse
import contextlib
import gc
import getpass
import inspect
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from dvc_mlflow import __version__, git
from dvc_mlflow.errors import (
    UserError,
    describe,
    describe_os_error,
    exit_on_user_error,
    printable,
    warn,
)
from dvc_mlflow.project import Project
from dvc_mlflow.records import record_folders
from dvc_mlflow.store import Store

if TYPE_CHECKING:
    from dvc_mlflow.records import Record

DESCRIPTION = """\
Record every result that DVC computed, and show the records as MLflow runs.

A record is a folder in records/. Deliveries send each record to the MLflow store once; without
MLFLOW_TRACKING_URI the store is mlflow.db beside .dvc. With RECORDS_ONLY set nothing is delivered."""
GARBAGE = 50_000  # objects between two collections; with 700, the default, 10,000 runs take twice as long
EPILOG = "The optional table [tool.dvc-mlflow] of pyproject.toml names stages, experiment and content."


def record(arguments: argparse.Namespace) -> None:
    """Record the stage that is about to end, then deliver; the last command of a stage."""
    if arguments.run_first:
        run_first(arguments.run_first)
    from dvc_mlflow.track import record_stage

    command, recorded = "dvc-mlflow", None  # what is recorded already has been shown with its page
    try:
        project = Project.find()
        command = project.command
        collected, new = record_stage(project, arguments.stage)
        recorded = collected.record if new else None
        print_warnings(collected.warnings)
    except Exception as error:  # noqa: BLE001 - whatever DVC, the disk or a table says: the result stays
        reason = describe_os_error(error) if isinstance(error, OSError) else str(error)
        warn(
            f"this result has no record yet ({reason or type(error).__name__}). To record it: {command} track"
        )
    try:
        deliver_records(Project.find(), 0, recorded)
    except (UserError, OSError) as reason:
        warn(f"nothing was delivered. {reason}")


def track(_: argparse.Namespace) -> None:
    """Record every result without a record, of workspace and DVC experiments, then deliver.

    The status is 1 if a result is not at hand or a record is still pending.
    """
    from dvc_mlflow.track import record_all

    project = Project.find()
    git.require_repository(project.folder)
    empty, failed = True, False
    for found, new in record_all(project):
        empty = False
        if found.recorded:
            outcome = f"{found.stage} has a record; its files are not at hand any more"
        elif found.result is None:
            failed |= found.failed
            outcome = found.reason
        else:
            outcome = f"{found.stage} {'is recorded' if new else 'has a record'}"
        print(printable(f"{found.place}: {outcome}"))
        print_warnings(found.result.warnings if found.result else ())
    if empty:
        print("There is no result yet. To compute one: dvc repro")
    raise SystemExit(deliver_records(project, 1) or int(failed))


def status(arguments: argparse.Namespace) -> None:
    """List the results and say which of them lack a record or a run in MLflow."""
    from dvc_mlflow.status import print_status

    project = Project.find()
    git.require_repository(project.folder)
    warn_of_ignored_variables(project)
    print_status(project, as_json=arguments.json)


def verify(arguments: argparse.Namespace) -> None:
    """Compute a recorded result again in a temporary clone and compare it byte for byte."""
    keep_mlflow_private()
    from dvc_mlflow.verification.verify import verify as verify_result

    project = Project.find()
    warn_of_ignored_variables(project)
    raise SystemExit(0 if verify_result(arguments.run_id, project) else 1)


def compare(arguments: argparse.Namespace) -> None:
    """Print the params, metrics and files that differ between two records; without MLflow."""
    from dvc_mlflow.compare import compare as compare_records

    lines = compare_records(Project.find(), arguments.first, arguments.second)
    print("\n".join(map(printable, lines)))


def register(arguments: argparse.Namespace) -> None:
    """Register the logged model of a run in MLflow, with an alias if one is given."""
    keep_mlflow_private()
    from dvc_mlflow.delivery.registry import register as register_model

    project = Project.find()
    warn_of_ignored_variables(project)
    print(register_model(project, arguments.run_id, arguments.name, arguments.alias, arguments.model))


def ui(_: argparse.Namespace) -> None:
    """Serve MLflow's pages on the project's store, on 127.0.0.1, until ctrl-C."""
    from dvc_mlflow.pages.ui import serve

    raise SystemExit(serve(Project.find().root))


def deliver_records(project: Project, failure: int, record: "Record | None" = None) -> int:
    """Send to MLflow every record that it lacks; return 0, or `failure` if records are still pending.

    record : one whose page's address is printed, if the project's content makes a page for it.
    """
    if "RECORDS_ONLY" in os.environ or not record_folders(project.root):
        return 0
    warn_of_ignored_variables(project)
    load_delivery(project if record else None)
    from dvc_mlflow.delivery.deliver import deliver

    pending = deliver(project.root, project.content, status=failure, command=project.command)
    if record and (page := _page_of(project, record)):
        from dvc_mlflow.pages.page_url import describe_page

        print(describe_page(project, record, page))
    return failure if pending else 0


def run_first(command: Sequence[str]) -> None:
    """Run a stage's own command; end the program with its status if it fails.

    Meanwhile this process imports what it needs to record and prepares the delivery, which a command that
    fails cuts short.
    """
    try:
        process = subprocess.Popen(command)
    except OSError as error:
        raise UserError(f"--run: expected a program, got {command[0]!r} ({error.strerror})") from None
    with process:
        try:
            with contextlib.suppress(Exception), _exit_if_it_fails(process):  # raised where it is needed
                prepare_recording()
                if "RECORDS_ONLY" not in os.environ:
                    prepare_delivery(Project.find())
            process.wait()
        except KeyboardInterrupt:  # the terminal has sent it to both, and the command says what it means
            process.wait()
    if process.returncode:
        raise SystemExit(_status_of_failure(process))


@contextlib.contextmanager
def _exit_if_it_fails(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End this program as soon as a command fails within the block, whatever this program imports."""
    first = threading.Lock()  # of what ends first, the block or the command

    def watch() -> None:
        if process.wait() and first.acquire(blocking=False):
            os._exit(_status_of_failure(process))

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        first.acquire()


def _status_of_failure(process: subprocess.Popen[bytes]) -> int:
    """Return the status that a shell gives to a command that failed; print why one was probably killed."""
    if process.returncode == -signal.SIGKILL:
        print(
            "record --run: the command was killed (SIGKILL), most likely because memory ran out. "
            "To go on: free memory, or let the command use less",
            file=sys.stderr,
            flush=True,
        )
    return 128 - process.returncode if process.returncode < 0 else process.returncode


def prepare_recording() -> None:
    """Import what recording a stage needs."""
    import_module("dvc_mlflow.track")
    import_module("networkx")  # DVC imports it when it makes its first graph


def prepare_delivery(project: Project) -> None:
    """Import what the delivery of a stage's record needs, and make the SQLite file that is to have it."""
    load_delivery(project)
    project.content().prepare()
    store = Store.of(project.root)
    if store.file and not store.file.exists():
        from dvc_mlflow.client.mlflow_session import initialize_store

        initialize_store(project.root, wait=False)


def load_delivery(project: Project | None) -> None:
    """Import what a delivery needs, which takes seconds: a program that waits for DVC may do it meanwhile.

    project : one whose content is needed too, and MLflow's code for its store.
    """
    keep_mlflow_private()
    gc.disable()  # a fifth of the time of these imports would go into searching for garbage
    if project:
        with contextlib.suppress(Exception):  # raised again, and reported, where the content is used
            project.content()
    import_module("dvc_mlflow.delivery.deliver")
    if project and not Store.of(project.root).is_remote:
        import_module("mlflow.store.tracking.sqlalchemy_store")  # MLflow would do it when it opens the store
    gc.freeze()
    gc.enable()


def _page_of(project: Project, record: "Record") -> str | None:
    """Return the name of the page that the project's content made for a record, None without one."""
    try:
        return project.content().page(record)
    except Exception as error:  # noqa: BLE001 - the result has its record, and the stage must not fail
        warn(f"the project's content raised {describe(error)}")
        return None


def print_warnings(warnings: Sequence[str]) -> None:
    """Print warnings on standard error."""
    for warning in warnings:
        warn(warning)


def warn_of_ignored_variables(project: Project) -> None:
    """Say in one line which of MLflow's variables are set and have no effect."""
    if names := Store.of(project.root).ignored_variables():
        warn(f"these variables have no effect here: {', '.join(names)}")


def keep_mlflow_private() -> None:
    """Switch off MLflow's telemetry before mlflow is imported."""
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


def name_user() -> None:
    """Give a user without a name, as a container may have, a number for one: DVC and MLflow ask for it."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = str(os.getuid())


def add_record_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `record`."""
    parser.add_argument(
        "stage",
        nargs="?",
        metavar="STAGE",
        help="its address as dvc repro takes it, e.g. evaluate or sweep/dvc.yaml:report; "
        "by default the stage that DVC runs, else the first one in pyproject.toml",
    )
    parser.add_argument(
        "--run",
        dest="run_first",
        nargs=argparse.REMAINDER,
        metavar="COMMAND",
        help="first run the stage's own command, all words to the end of the line, and meanwhile import what "
        "the delivery needs; if it fails nothing is recorded, and its status is that of this program",
    )


def add_status_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `status`."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def add_compare_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `compare`."""
    for name, which in (("first", "A"), ("second", "B")):
        parser.add_argument(
            name, metavar=which, help="the first digits of a record, or the name of a DVC experiment"
        )


def add_verify_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `verify`."""
    parser.add_argument("run_id", metavar="RUN", help="an MLflow run id, or the first digits of a record")


def add_register_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `register`."""
    add_verify_options(parser)
    parser.add_argument("--name", required=True, help="of the registered model")
    parser.add_argument("--alias", help="that the version gets, e.g. champion")
    parser.add_argument("--model", help="which one, if the run has several logged models")


Command = Callable[[argparse.Namespace], None]
COMMANDS: tuple[Command, ...] = (record, track, status, compare, verify, register, ui)
OPTIONS: dict[Command, Callable[[argparse.ArgumentParser], None]] = {
    record: add_record_options,
    status: add_status_options,
    compare: add_compare_options,
    verify: add_verify_options,
    register: add_register_options,
}


def add_commands(
    parsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    commands: Sequence[Command] = COMMANDS,
    options: Mapping[Command, Callable[[argparse.ArgumentParser], None]] = OPTIONS,
) -> None:
    """Add subcommands, by default these, to the parser of a program, which calls `arguments.run(arguments)`.

    One of a name that the program has already is left out.
    """
    own = set(parsers.choices)
    for function in commands:
        if function.__name__ not in own:
            text = inspect.getdoc(function) or ""
            summary = text.partition("\n\n")[0].rstrip(".")
            parser = parsers.add_parser(function.__name__, help=summary, description=text)
            parser.set_defaults(run=function)
            if add_options := options.get(function):
                add_options(parser)


def run(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> None:
    """Run the command of a command line, outside any git hook; end the program on a user's error."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # in the locale C it could not print every name
        sys.stdout.reconfigure(errors="backslashreplace")
    arguments = parser.parse_args(argv)
    git.leave_hook()
    name_user()
    gc.set_threshold(GARBAGE)
    with exit_on_user_error():
        arguments.run(arguments)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(
        prog="dvc-mlflow",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    add_commands(parser.add_subparsers(required=True, metavar="COMMAND", title="commands"))
    run(parser, argv)


if __name__ == "__main__":
    main()
