"""Both pipelines write the same bytes on every processor, BLAS kernel, NumPy dispatch and thread count."""

import hashlib
import sys

import pytest

from commands import run
from projects import ROOT
from sweeps import change

STAGES = """
from sparse_digits import evaluate, fetch, scale, split, train
from sparse_digits.sweep import baselines, report, sweep
fetch.main(["own", "raw.npz"])
split.main(["raw.npz", "split.npz"])
scale.main(["split.npz", "scaled.npz"])
train.main(["scaled.npz", "model.npz"])
evaluate.main([*evaluate.INPUTS, *evaluate.OUTPUTS])
sweep.main(["raw.npz", "checkpoints", "sweep.csv", "models.npz", "chosen.json"])
baselines.main(["raw.npz", "baselines.csv"])
report.main(
    ["raw.npz", "baselines.csv", "chosen.json", "models.npz", "report.md", "report.html", "figures"]
)
"""
FILES = 22  # that the stages write: 16, and 6 figures
PROCESSORS = {
    "Nehalem": (1, "X86_V3,X86_V4,AVX512_ICL,AVX512_SPR"),
    "Sandybridge": (2, "X86_V3,X86_V4,AVX512_ICL,AVX512_SPR"),
    "Haswell": (1, "X86_V4,AVX512_ICL,AVX512_SPR"),
    "SkylakeX": (2, ""),
}


def digests(folder):
    """Return the SHA-256 of each output in the folder by name."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.suffix in {".npz", ".json", ".png", ".csv", ".md", ".html"}
        and not file.name.endswith(".provenance.json")  # seconds and the environment, which no lock knows
    }


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """The digests of what both pipelines write on digits, by processor."""
    found = {}
    for core, (threads, disabled) in PROCESSORS.items():
        folder = tmp_path_factory.mktemp(core)
        (folder / "params.yaml").write_text((ROOT / "params.digits.yaml").read_text())
        change(folder / "params.yaml", sweep={"C": [0.02, 0.05, 1.0]})
        run(
            sys.executable, "-c", STAGES, cwd=folder, PYTHONPATH=str(ROOT / "src"), OPENBLAS_CORETYPE=core,
            OPENBLAS_NUM_THREADS=str(threads), NPY_DISABLE_CPU_FEATURES=disabled, PYTHONWARNINGS="ignore",
        )  # fmt: skip
        found[core] = digests(folder)
    return found


@pytest.mark.slow(60)
@pytest.mark.parametrize("core", list(PROCESSORS)[1:])
def test_every_byte_of_both_pipelines_is_that_of_any_other_processor(outputs, core):
    assert len(outputs[core]) >= FILES
    assert outputs[core] == outputs["Nehalem"]
