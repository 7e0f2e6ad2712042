"""python .ci/sbom.py FILE: write the packages of requirements.lock in the format CycloneDX.

Every locked package, also those of other platforms, must be in it with its hashes; their number is printed.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
CYCLONEDX = "cyclonedx-bom==7.5.0"


def faults(bom: dict[str, Any], lock: str) -> list[str]:
    """Return a line for each package of the lock that is not in the bill of materials with hashes."""
    hashed = {
        (part["name"], part["version"])
        for part in bom["components"]
        if any(place.get("hashes") for place in part.get("externalReferences", ()))
    }
    locked = re.findall(r"^([\w.-]+)==([\w.+-]+)", lock, re.MULTILINE)
    return [
        f"{name} {version}: not listed with its hashes"
        for name, version in locked
        if (name, version) not in hashed
    ]


def main() -> None:
    """Run cyclonedx-py in an environment of its own and check what it wrote."""
    (file,) = sys.argv[1:]
    command = [sys.executable, "-m", "uv", "tool", "run", "--system-certs", "--quiet", "--from", CYCLONEDX]
    command += ["cyclonedx-py", "requirements", "--pyproject", str(ROOT / "pyproject.toml")]
    command += ["--output-reproducible", "--output-file", file, str(LOCK)]
    quiet = os.environ | {"PYTHONWARNINGS": "ignore"}
    if subprocess.run(command, check=False, env=quiet).returncode:
        sys.exit(f"sbom: cyclonedx-py failed; it comes from the package index ({CYCLONEDX})")
    bom = json.loads(Path(file).read_text(encoding="utf-8"))
    if lines := faults(bom, LOCK.read_text(encoding="utf-8")):
        sys.exit("\n".join(lines))
    print(f"{file}: {len(bom['components'])} packages")


if __name__ == "__main__":
    main()
