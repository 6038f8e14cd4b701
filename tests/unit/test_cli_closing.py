"""How `run` ends when its connections do not let it."""

import subprocess
import sys

import pytest

STUCK = """
import threading
from worker.cli.farewell import Farewell
from worker.errors import SupersededError

with Farewell(0.2) as farewell:
    farewell.begin({error})
    threading.Event().wait()  # a connection that does not close
"""


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        pytest.param("None", 0, "", id="told-to-stop"),
        pytest.param("SupersededError('gone')", 3, "gone\n", id="superseded"),
        pytest.param("ValueError('a bug')", 1, "ValueError: a bug\n", id="a-bug"),
    ],
)
def test_a_connection_that_does_not_close_does_not_keep_a_worker(error: str, code: int, told: str) -> None:
    """One that ended in the middle of a rebalance was still there after minutes, and used a whole core."""
    command = [sys.executable, "-c", STUCK.format(error=error)]
    done = subprocess.run(command, timeout=60, check=False, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (code, told)
