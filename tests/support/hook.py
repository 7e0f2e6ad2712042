"""A git hook that runs every command of `dvc-mlflow` and writes what they changed of the user's, as JSON.

python -c 'import hook; hook.main()' LOG STORE DELIVERED WAIT

STORE is a copy of a store that has a run, with a model, of the record DELIVERED and of no other. With WAIT
`ui` is ended when its page answers, else as soon as its server was started.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import psutil

from commands import run
from dvc_mlflow import cli, records

OURS = (".dvc/tmp", ".dvc/cache", "mlartifacts", "mlflow.db", "mlflow.db.lock", "records", "__pycache__")


def state(project):
    """Return the digests of the user's and of git's files, and index and refs as the hook sees them."""
    git_folders = run("git", "rev-parse", "--git-dir", "--git-common-dir").stdout.split("\n")[:2]
    digests = {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in (project, *map(Path, git_folders))
        for path in folder.resolve().rglob("*")
        if path.is_file() and not any(f"/{name}/" in f"{path}/" for name in OURS)
    }
    questions = (("ls-files", "--stage"), ("for-each-ref",), ("rev-parse", "HEAD"), ("reflog", "--all"))
    return digests | {" ".join(words): run("git", *words).stdout for words in questions}


def run_command(words):
    """Run a command of `dvc-mlflow` as its program does; return its status and leave the environment."""
    variables = dict(os.environ)
    try:
        cli.main(words)
    except SystemExit as end:
        return end.code or 0
    finally:
        os.environ.clear()
        os.environ |= variables
    return 0


def serve(wait):
    """Run `dvc-mlflow ui` and end it with SIGTERM; return its status and git's variables of its server."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.dup2(writing, 1)
        os._exit(run_command(["ui"]))
    os.close(writing)
    program = psutil.Process(child)
    with os.fdopen(reading) as printed:
        while not (servers := [each for each in program.children() if "mlflow" in each.cmdline()]):
            assert program.status() != psutil.STATUS_ZOMBIE, printed.read()
            time.sleep(0.01)
        exported = [name for server in servers for name in server.environ() if name.startswith("GIT_")]
        answered = not wait or any(line.startswith("MLflow is at http://127.0.0.1:") for line in printed)
        program.send_signal(signal.SIGTERM)
        printed.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return (status if answered else "no answer"), exported


def main():
    log, store, delivered, *wait = sys.argv[1:]
    project = Path.cwd()
    shutil.copy(store, project / "mlflow.db")
    shutil.rmtree(project / "records" / ".delivered", ignore_errors=True)
    (computed,) = {folder.name for folder in records.record_folders(project)} - {delivered}
    commands = [
        ["verify", computed],
        ["record", "evaluate"],
        ["track"],
        ["status"],
        ["compare", computed, delivered],
        ["register", delivered, "--name", "small", "--alias", "champion"],
    ]
    before = state(project)
    results = {words[0]: run_command(words) for words in commands}
    results["ui"], of_server = serve(wait)
    after = state(project)
    changed = sorted(key for key in before | after if before.get(key) != after.get(key))
    exported = sorted(name for name in os.environ if name.startswith("GIT_"))
    entry = {"results": results, "changed": changed, "exported": exported, "exported by ui": of_server}
    with Path(log).open("a") as file:
        file.write(json.dumps(entry) + "\n")
