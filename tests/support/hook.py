"""A git hook that runs commands of `dvc-mlflow` and writes what they changed of the user's, as JSON.

python -c 'import hook; hook.main()' LOG COMMAND...
"""

import hashlib
import json
import os
import sys
from pathlib import Path

from commands import run
from dvc_mlflow import cli, records

OURS = {".dvc/tmp", ".dvc/cache", "records", "__pycache__"}


def state(project):
    """Return the digests of the user's and of git's files, and index and refs as the hook sees them."""
    git_folders = run("git", "rev-parse", "--git-dir", "--git-common-dir").stdout.split("\n")[:2]
    digests = {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in (project, *map(Path, git_folders))
        for path in folder.resolve().rglob("*")
        if path.is_file() and not any(f"/{name}/" in str(path) for name in OURS)
    }
    questions = (("ls-files", "--stage"), ("for-each-ref",), ("rev-parse", "HEAD"), ("reflog", "--all"))
    return digests | {" ".join(words): run("git", *words).stdout for words in questions}


def main():
    log, *commands = sys.argv[1:]
    project = Path.cwd()
    (record,) = records.record_folders(project)
    before, variables, results = state(project), dict(os.environ), {}
    arguments = {"record": ["evaluate"], "verify": [record.name]}
    for command in commands:
        words = [command, *arguments.get(command, [])]
        os.environ.clear()
        os.environ |= variables
        try:
            cli.main(words)
        except SystemExit as end:
            results[command] = end.code
        else:
            results[command] = 0
    os.environ.clear()
    os.environ |= variables
    after = state(project)
    changed = sorted(key for key in before | after if before.get(key) != after.get(key))
    exported = sorted(key for key in variables if key.startswith("GIT_"))
    with Path(log).open("a") as file:
        file.write(json.dumps({"results": results, "changed": changed, "exported": exported}) + "\n")
