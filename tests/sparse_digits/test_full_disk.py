"""A disk that is full when a stage writes: one message, and the outputs of before are as they were."""

import errno
import importlib
import os
import resource

import pytest

from projects import ROOT
from sparse_digits.runtime import yaml_core

STAGES = yaml_core.load((ROOT / "dvc.yaml").read_text())["stages"]


@pytest.fixture
def full_disk():
    """Every write fails, as to a full disk, with another number."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    yield os.strerror(errno.EFBIG)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", STAGES)
def test_a_full_disk_is_reported_by_the_stage_with_the_file_and_leaves_all_outputs_whole(
    computed, full_disk, capsys, name
):
    paths = STAGES[name]["cmd"].partition(f"-m sparse_digits.{name} ")[2].split()
    outputs = [computed / path for path in paths if not any(path in dep for dep in STAGES[name]["deps"])]
    assert outputs
    before = {path: path.read_bytes() for path in outputs}
    module = importlib.import_module(f"sparse_digits.{name}")
    with pytest.raises(SystemExit) as end:
        module.main(paths)
    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"{paths[-len(outputs)]}: {full_disk}"
    assert {path: path.read_bytes() for path in outputs} == before
    assert not list(computed.glob("*/.*.tmp"))
