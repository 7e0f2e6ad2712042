"""The commands of the README, typed one after the other as a reader would; and the links of all pages."""

import json
import re
import sys
from pathlib import Path

import pytest

from commands import end_queue, run_and_leave_queue
from projects import commit
from sparse_digits import evaluate, train
from sparse_digits.metrics import format_summary

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
# git has every experiment when all are finished; `dvc queue status` fails on a half-written message
ALL_FINISHED = "until [ $(git for-each-ref 'refs/exps/*/*/*' | wc -l) -ge 4 ]; do sleep 1; done\n"


@pytest.mark.slow(80)
def test_every_command_of_the_readme_works_in_the_order_of_the_readme(computed, tmp_path):
    """Each block runs in bash, which stops at the first command that fails.

    The two programs that the README types have preloaded libraries. Each starts for real in other tests.
    """
    assert len(BLOCKS) > 5
    (computed / ".venv").symlink_to(sys.prefix)
    script = "".join(BLOCKS).replace("/tmp/", f"{tmp_path}/")  # noqa: S108 - the README's own
    script = script.replace("/activate\n", '/activate\nPATH="$PRELOADED_PROGRAMS:$PATH"\n')
    script = script.replace("make ui\n", "")  # runs until ctrl-C: tests/dvc_mlflow/test_ui.py
    script = script.replace("dvc queue status ", ALL_FINISHED + "dvc queue status || dvc queue status ")
    try:
        run_and_leave_queue("bash", "-euo", "pipefail", "-c", script, cwd=computed)
    finally:
        end_queue(computed)
    assert (computed / "mlflow.db").exists()


def test_a_colleagues_dvc_repro_restores_pushed_results_only_with_pull(computed, dvc, git, tmp_path):
    dvc("remote", "add", "--default", "team", tmp_path / "team-cache")
    commit(computed, "Add the remote")
    dvc("push")
    colleague = tmp_path / "a colleague's clone"
    git("clone", "--quiet", computed, colleague)
    assert "Running stage 'fetch'" in dvc("repro", "--dry", "fetch", cwd=colleague).stdout
    assert "Running stage" not in dvc("repro", "--pull", cwd=colleague).stdout
    assert (colleague / "results/model.npz").read_bytes() == (computed / "results/model.npz").read_bytes()


@pytest.mark.slow(15)
def test_the_optimum_of_the_readme_is_the_one_that_the_certified_solver_reaches_on_mnist(
    mnist, tmp_path, monkeypatch, capsys
):
    params = (mnist / "params.yaml").read_text().replace("solver: saga", "solver: path")
    (tmp_path / "params.yaml").write_text(params.replace("tol: 0.1", "tol: 1e-3"))
    monkeypatch.chdir(tmp_path)
    scaled = str(mnist / "data/scaled.npz")
    train.main([scaled, "model.npz"])
    evaluate.main([str(mnist / "data/split.npz"), scaled, "model.npz", *evaluate.OUTPUTS])
    assert Path("coefficients.png").read_bytes() == (README.parent / "docs/optimum.png").read_bytes()
    metrics = json.loads(Path("metrics.json").read_bytes())
    assert format_summary(metrics) in capsys.readouterr().out
    numbers = (
        f"sparsity **{metrics['sparsity']:.2f} %**, test accuracy **{metrics['accuracy']:.4f}**, "
        f"duality gap **{metrics['duality_gap']:.4f}**"
    )
    assert numbers in README.read_text(encoding="utf-8")


def test_every_link_of_a_page_to_a_file_leads_to_one():
    root = README.parent
    pages = [
        *root.glob("*.md"),
        *root.glob("*/*.md"),
        *root.glob("docs/**/*.md"),
        *root.glob("packaging/*/*.md"),
    ]
    links = {
        (page.relative_to(root), link)
        for page in pages
        for link in re.findall(r"\]\(([^)#\s:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    }
    assert len(links) > 50
    assert not [(str(page), link) for page, link in links if not (root / page.parent / link).exists()]
