"""The commands of the README, typed one after the other as a reader would."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
WAIT = "until dvc queue status | grep -q '0 active'; do sleep 1; done\n"


@pytest.mark.slow
def test_every_command_of_the_readme_works_in_the_order_of_the_readme(computed, tmp_path):
    """Each block runs in bash, which stops at the first command that fails."""
    assert len(BLOCKS) > 5
    (computed / ".venv").symlink_to(sys.prefix)
    script = "".join(BLOCKS).replace("/tmp/", f"{tmp_path}/")  # noqa: S108 - the README's own
    script = script.replace("make ui\n", "")  # waits for ctrl-C: tests/test_ui.py
    script = script.replace("dvc queue status ", WAIT + "dvc queue status ")
    words = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (computed / "mlflow.db").exists()
