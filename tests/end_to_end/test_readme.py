"""The commands of the README, typed one after the other as a reader would."""

import json
import re
import sys
from pathlib import Path

import pytest

from commands import end_queue, run_and_leave_queue
from sparse_digits import evaluate, train
from sparse_digits.metrics import format_summary

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
# git knows when all is there; `dvc queue status` fails where it reads a message that is just being written
ALL_THERE = "until [ $(dvc exp list --name-only | wc -l) -ge 4 ]; do sleep 1; done\n"


@pytest.mark.slow
def test_every_command_of_the_readme_works_in_the_order_of_the_readme(computed, tmp_path):
    """Each block runs in bash, which stops at the first command that fails."""
    assert len(BLOCKS) > 5
    (computed / ".venv").symlink_to(sys.prefix)
    script = "".join(BLOCKS).replace("/tmp/", f"{tmp_path}/")  # noqa: S108 - the README's own
    script = script.replace("make ui\n", "")  # waits for ctrl-C: tests/test_ui.py
    script = script.replace("dvc queue status ", ALL_THERE + "dvc queue status || dvc queue status ")
    try:
        run_and_leave_queue("bash", "-euo", "pipefail", "-c", script, cwd=computed)
    finally:
        end_queue(computed)
    assert (computed / "mlflow.db").exists()


@pytest.mark.slow
def test_the_optimum_of_the_readme_is_what_the_certified_solver_finds_on_mnist(
    mnist, tmp_path, monkeypatch, capsys
):
    params = (mnist / "params.yaml").read_text().replace("solver: saga", "solver: path")
    (tmp_path / "params.yaml").write_text(params.replace("tol: 0.1", "tol: 1e-3"))
    monkeypatch.chdir(tmp_path)
    scaled = str(mnist / "data/scaled.npz")
    train.main([scaled, "model.npz"])
    evaluate.main(
        [
            str(mnist / "data/split.npz"),
            scaled,
            "model.npz",
            "metrics.json",
            "coefficients.png",
            "confusion.csv",
        ]
    )
    assert Path("coefficients.png").read_bytes() == (README.parent / "docs/optimum.png").read_bytes()
    metrics = json.loads(Path("metrics.json").read_bytes())
    assert format_summary(metrics) in capsys.readouterr().out
    shown = (
        f"sparsity **{metrics['sparsity']:.2f} %**, test accuracy **{metrics['accuracy']:.4f}**, "
        f"duality gap **{metrics['duality_gap']:.4f}**"
    )
    assert shown in README.read_text(encoding="utf-8")
