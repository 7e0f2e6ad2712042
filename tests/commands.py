"""Commands as a user types them, with what they printed shown where they fail."""

import os
import subprocess


def run(*command, cwd=None, status=0, **environment):
    """Run a command; its output, on both streams, is shown if its status is another one."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done
