"""Which commit has the code of a record, by what the commits hold: names of experiments move."""

from collections.abc import Iterator
from pathlib import Path

from dvc_mlflow import git
from dvc_mlflow.collection.collect import read_lineage
from dvc_mlflow.collection.dvc_repository import experiments, open_repository
from dvc_mlflow.errors import NotRecorded
from dvc_mlflow.files import md5_of_bytes
from dvc_mlflow.records import Record

BATCH = 500  # commits in one command


def find_commit(record: Record, folder: Path) -> str | None:
    """Return the commit that computes a record; None without one.

    It is the commit that the record has, if its code was clean, else one whose dvc.lock has the record's
    digests: of a DVC experiment of whatever name, or of any branch.
    """
    code = record.code or {"commit": "", "dirty": True}
    if not code["dirty"] and has_commit(folder, code["commit"]):
        return str(code["commit"])
    return next((commit for commit in _candidates(record, folder) if _holds(folder, commit, record)), None)


def has_commit(folder: Path, commit: str) -> bool:
    """Return whether the repository of `folder` has a commit."""
    return git.git(folder, "cat-file", "-e", f"{commit}^{{commit}}") is not None


def _candidates(record: Record, folder: Path) -> Iterator[str]:
    """Yield the commits in which a dvc.lock has the digest of the record's last output."""
    locks = ":(glob)**/dvc.lock"
    changed = (git.git(folder, "rev-list", "--all", "--", locks) or "").split()
    commits = list(dict.fromkeys([*(commit for _, commit in experiments(folder)), *changed]))
    last = next(reversed(record.digests.values()), "")
    for start in range(0, len(commits), BATCH):
        batch = commits[start : start + BATCH]
        words = ("grep", "--fixed-strings", "--files-with-matches", "-e", last, *batch, "--", locks)
        found = git.git(folder, *words)
        yield from dict.fromkeys(line.partition(":")[0] for line in (found or "").splitlines())


def _holds(folder: Path, commit: str, record: Record) -> bool:
    """Return whether a commit's dvc.lock has the digests of a record, and its code those of dvc.lock."""
    try:
        with open_repository(folder, commit) as repo:
            lineage = read_lineage(repo, record.stage)
            paths = {path: repo.fs.join(repo.root_dir, path) for _, path in lineage.read}
            code = {path: place for path, place in paths.items() if repo.fs.isfile(place)}
            return lineage.digests == record.digests and all(
                md5_of_bytes(repo.fs.cat_file(place)) == record.digests[path] for path, place in code.items()
            )
    except NotRecorded:
        return False
