"""`make audit` counts what was looked up; `make sbom` lists what is locked."""

import importlib.util
import re

import pytest

from projects import ROOT


def load(name):
    """Import a script of CI, whose folder is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


audit, sbom = load("audit"), load("sbom")
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


LISTED = {"name": "numpy", "version": "2.4.0", "externalReferences": [{"hashes": [{"alg": "SHA-256"}]}]}


@pytest.mark.parametrize(
    "listed", [[], [LISTED | {"version": "2.3.0"}], [LISTED | {"externalReferences": [{}]}]]
)
def test_a_locked_package_that_is_not_listed_with_its_hashes_is_a_fault(listed):
    lock = "numpy==2.4.0 \\\n    --hash=sha256:0\n"
    assert sbom.faults({"components": [LISTED]}, lock) == []
    assert sbom.faults({"components": listed}, lock) == ["numpy 2.4.0: not listed with its hashes"]
