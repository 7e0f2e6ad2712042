"""Many processes at once that record and deliver: each a fork of this one, which has imported all they need.

    python -c 'import crowd; crowd.main()' NUMBER ROOT... RESULTS

Process i records, in root i modulo the number of roots, its result (RESULTS "different") or one that is the
same for all (RESULTS "same"), and delivers. Exits with the number of processes that failed.
"""

import os
import signal
import sys
import time
from pathlib import Path

from commands import LONG
from dvc_mlflow import records
from dvc_mlflow.delivery.deliver import deliver
from tracking import EXPERIMENT, SHOWN, collected


def main():
    """Start them all at one moment, and wait."""
    number, *roots, results = sys.argv[1:]
    begin = time.time() + 1
    children = []
    for i in range(int(number)):
        child = os.fork()
        if not child:
            signal.alarm(LONG)  # ends one that hangs
            root = Path(roots[i % len(roots)])
            time.sleep(max(0, begin - time.time()))
            C = round(0.01 * (i + 1 if results == "different" else 1), 2)
            records.save_record(collected(C, os.environ.get("EXPERIMENT", EXPERIMENT)), root)
            os._exit(deliver(root, SHOWN, status=1))
        children.append(child)
    sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
