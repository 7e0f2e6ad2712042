"""The provenance beside a stage's outputs: what varies between runs, valid for those outputs alone."""

import hashlib
import json
import platform
import time
from importlib.metadata import version

import pytest

from dvc_mlflow import provenance


@pytest.fixture
def output(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.npz"
    path.write_bytes(b"weights")
    return path


def test_provenance_is_read_for_its_outputs_alone(output):
    provenance.write_provenance("train", [output])
    path = provenance.provenance_path(output, "train")
    md5 = hashlib.md5(b"weights", usedforsecurity=False).hexdigest()
    found = provenance.read_provenance(path, {"model.npz": md5})
    assert found["outputs"] == {"model.npz": md5}
    assert 0 < found["seconds"] < 3600
    assert found["environment"]["python"] == platform.python_version()
    assert found["environment"]["scikit-learn"] == version("scikit-learn")
    assert all(found["environment"].values())
    for other in ({"model.npz": "0"}, {}, {"model.npz": md5, "more.npz": md5}):
        assert provenance.read_provenance(path, other) is None


def test_a_clock_that_was_set_back_gives_no_time_below_zero(output, monkeypatch):
    now = time.time()
    monkeypatch.setattr(provenance.time, "time", lambda: now - 3600 * 24 * 365)
    provenance.write_provenance("train", [output])
    assert json.loads(provenance.provenance_path(output, "train").read_bytes())["seconds"] == 0


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'{"seconds": 1}'])
def test_damaged_provenance_is_ignored(output, content):
    path = provenance.provenance_path(output, "train")
    path.write_bytes(content)
    assert provenance.read_provenance(path, {"model.npz": "0"}) is None


def test_missing_provenance_is_none(output):
    assert provenance.read_provenance(provenance.provenance_path(output, "train"), {}) is None


def test_the_digest_is_the_one_that_dvc_has(digits):
    lock = (digits / "dvc.lock").read_text()
    assert f"md5: {provenance.md5(digits / 'results/model.npz')}\n" in lock


def test_every_stage_of_the_pipeline_writes_its_provenance(digits):
    for stage, output in [
        ("fetch", "data/raw.npz"),
        ("split", "data/split.npz"),
        ("scale", "data/scaled.npz"),
        ("train", "results/model.npz"),
        ("evaluate", "results/metrics.json"),
    ]:
        content = json.loads(provenance.provenance_path(digits / output, stage).read_text())
        assert content["outputs"][output.rpartition("/")[2]] == provenance.md5(digits / output)
        assert content["code"]["dirty"] is False


def test_the_code_is_a_commit_and_whether_the_paths_differ_from_it(project, git):
    commit = git("rev-parse", "HEAD").strip()
    assert provenance.code_version(project, ["src"]) == {"commit": commit, "dirty": False}
    (project / "README.txt").write_text("not code")
    assert provenance.code_version(project, ["src"]) == {"commit": commit, "dirty": False}
    (project / "src/sparse_digits/new.py").write_text("")
    assert provenance.code_version(project, ["src"]) == {"commit": commit, "dirty": True}


def test_without_git_the_code_is_unknown(archive, monkeypatch):
    assert provenance.code_version(archive, ["src"]) is None
    monkeypatch.setenv("PATH", "")
    assert provenance.code_version(archive, ["src"]) is None
