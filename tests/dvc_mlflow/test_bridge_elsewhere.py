"""The bridge from DVC to MLflow on another pipeline: its modules unchanged, one small file beside them."""

import re
import sys

import commands
import tracking
from tracking import shown

BRIDGE = ("note", "record", "results", "store", "track")


def test_another_pipeline_is_recorded_and_delivered_by_the_same_modules(tmp_path, store, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tracking.ROOT / "src"))
    folder = tracking.small_pipeline(tmp_path / "another project", store)
    tracking.dvc(folder, "repro")
    (run,) = shown(folder)["sparse-digits"]
    assert run["status"] == "FINISHED"
    assert run["params"] == {"prepare.seed": "0", "train.C": "0.02"}
    assert run["metrics"]["by.class 0"] == 0.02
    assert "eval/plots/a.csv" in run["artifacts"]
    assert "extra.txt" in run["artifacts"]


def test_what_is_to_be_copied_imports_nothing_else_of_this_project():
    code = (
        "import sys, sparse_digits.results, sparse_digits.track;"
        "print(*sorted(name for name in sys.modules if name.startswith('sparse_digits.')))"
    )
    path = str(tracking.ROOT / "src")
    done = commands.run(sys.executable, "-c", code, cwd=tracking.ROOT, PYTHONPATH=path)
    assert done.stdout.split() == [f"sparse_digits.{name}" for name in BRIDGE]


def test_what_is_to_be_copied_knows_no_name_of_this_pipeline():
    stages = re.findall(r"^  (\w+):$", (tracking.ROOT / "dvc.yaml").read_text(), re.MULTILINE)
    paths = re.findall(r"- ((?:data|results)/[\w.]+)", (tracking.ROOT / "dvc.yaml").read_text())
    assert len(stages) >= 5
    assert len(paths) >= 5
    for name in BRIDGE:
        text = (tracking.ROOT / "src" / "sparse_digits" / f"{name}.py").read_text()
        for word in [*stages, *paths, "train.C", "coef", "accuracy", "sparsity"]:
            assert not re.search(rf"[\"'`]{re.escape(word)}[\"'`]", text), (name, word)
