"""python .ci/audit.py: look up every package of requirements.lock among the known vulnerabilities.

pip-audit by itself ends with success where it could look up no package. Here each locked package must have
been looked up, and their number is printed.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).parents[1] / "requirements.lock"
PIP_AUDIT = "pip-audit==2.10.1"


def locked_packages(lock: str) -> dict[str, str]:
    """Return the version by name of every package of a lock that this platform installs."""
    lines = (line.rstrip("\\").strip() for line in lock.splitlines() if line[:1].isalnum())
    requirements = [Requirement(line) for line in lines]
    return {
        canonicalize_name(one.name): str(one.specifier).removeprefix("==")
        for one in requirements
        if one.marker is None or one.marker.evaluate()
    }


def faults(packages: Iterable[dict[str, Any]], locked: dict[str, str]) -> list[str]:
    """Return a line for each vulnerability, and for each locked package that was not looked up.

    packages : the list "dependencies" of pip-audit's JSON.
    """
    looked_up, found, reasons = set(), list[str](), dict[str, str]()
    for package in packages:
        name = canonicalize_name(package["name"])
        if "skip_reason" in package:
            reasons[name] = package["skip_reason"]
        elif locked.get(name) == package["version"]:
            looked_up.add(name)
        for vulnerability in package.get("vulns", ()):
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version"
            found.append(f"{name} {package['version']}: {vulnerability['id']}, fixed in {fixed}")
    missing = sorted(locked.keys() - looked_up)
    return found + [
        f"{name} {locked[name]}: not looked up ({reasons.get(name, 'not in the report')})" for name in missing
    ]


def main() -> None:
    """Run pip-audit in an environment of its own and print what it found."""
    locked = locked_packages(LOCK.read_text(encoding="utf-8"))
    command = [
        sys.executable,
        "-m",
        "uv",
        "tool",
        "run",
        "--system-certs",
        "--quiet",
        "--from",
        PIP_AUDIT,
        "pip-audit",
    ]
    command += ["--requirement", str(LOCK), "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        sys.exit(f"pip-audit: expected its report, got status {done.returncode}: {done.stderr.strip()}")
    lines = faults(packages, locked)
    if lines:
        print(*lines, sep="\n", file=sys.stderr)
    print(f"{len(locked)} packages in {LOCK.name}: {len(lines) or 'no'} faults")
    sys.exit(1 if lines else 0)


if __name__ == "__main__":
    main()
