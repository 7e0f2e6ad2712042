"""`make audit` counts what was looked up; `make sbom` lists what is locked."""

import importlib.util
import json
import re

import pytest

from commands import run
from projects import ROOT

SPEC = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
audit = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(audit)

LOCKED = {"numpy": "2.4.0", "dvc-data": "3.16.1"}
CLEAN = [
    {"name": "numpy", "version": "2.4.0", "vulns": []},
    {"name": "dvc_data", "version": "3.16.1", "vulns": []},
]
VULNERABLE = CLEAN[0] | {"vulns": [{"id": "CVE-1", "fix_versions": ["2.4.1"]}]}


def test_the_locked_packages_are_those_that_this_platform_installs():
    lock = (
        "numpy==2.4.0 \\\n    --hash=sha256:0\n    # via\ncolorama==0.4.6 ; sys_platform == 'win32' \\\n"
        "dvc-data==3.16.1 ; python_full_version >= '3.11' \\\n"
    )
    assert audit.locked_packages(lock) == LOCKED
    names = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert set(audit.locked_packages((ROOT / "requirements.lock").read_text())) <= set(names)


def test_packages_that_were_all_looked_up_have_no_fault():
    assert audit.faults(CLEAN, LOCKED) == []


@pytest.mark.parametrize(
    ("packages", "fault"),
    [
        ([VULNERABLE, CLEAN[1]], "numpy 2.4.0: CVE-1, fixed in 2.4.1"),
        (
            [CLEAN[0], {"name": "dvc-data", "skip_reason": "no answer"}],
            "dvc-data 3.16.1: not looked up (no answer)",
        ),
        (CLEAN[:1], "dvc-data 3.16.1: not looked up (not in the report)"),
        ([CLEAN[0] | {"version": "2.3.0"}, CLEAN[1]], "numpy 2.4.0: not looked up (not in the report)"),
    ],
)
def test_a_vulnerability_and_a_package_that_was_not_looked_up_are_faults(packages, fault):
    assert audit.faults(packages, LOCKED) == [fault]


def test_the_sbom_has_every_locked_package_with_its_hashes_and_the_same_bytes_again(tmp_path):
    files = [tmp_path / name for name in ("once.json", "again.json")]
    for file in files:
        run("make", "-o", "setup", "sbom", f"SBOM={file}", "PYTHON=python", cwd=ROOT)
    assert files[0].read_bytes() == files[1].read_bytes()
    content = json.loads(files[0].read_bytes())
    assert content["bomFormat"] == "CycloneDX"
    assert content["metadata"]["component"]["name"] == "sparse-digits"
    listed = {(part["name"], part["version"]): part for part in content["components"]}
    lock = (ROOT / "requirements.lock").read_text()
    assert set(listed) == set(re.findall(r"^([\w.-]+)==([\w.+-]+)", lock, re.MULTILINE))
    numpy = next(part for (name, _), part in listed.items() if name == "numpy")
    assert all(place["hashes"] for place in numpy["externalReferences"] if place["type"] == "distribution")
