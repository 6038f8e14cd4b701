"""How `run` ends when its connections do not let it."""

import subprocess
import sys

STUCK = """
import threading
from worker.cli import run

run.CLOSE_MAX_S = 0.2
run._close_in_time()
threading.Event().wait()  # a connection that does not close
"""


def test_a_connection_that_does_not_close_does_not_keep_a_worker() -> None:
    """Told to stop in the middle of a rebalance, one was still there after half a minute."""
    done = subprocess.run([sys.executable, "-c", STUCK], timeout=60, check=False)

    assert done.returncode == 0
