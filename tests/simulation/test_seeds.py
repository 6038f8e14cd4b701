"""Some schedules of every run of the tests; ``make fuzz`` runs as many others as there is time for."""

import os
import subprocess
import sys
from collections import Counter

from tests.simulation.run import run

SEEDS = range(200)
MUST_HAPPEN = (
    "crashes",
    "zombies",
    "second lives beside a zombie",
    "members thrown out",
    "times when transactions expired",
    "commits in doubt",
    "commits with late markers",
    "store calls refused",
    "store calls lost",
    "store calls late",
    "broker requests refused or lost",
    "times when Redis lost states",
    "states brought back",
    "states written by somebody else",
)


def test_every_promise_is_kept_whatever_happens() -> None:
    happened: Counter[str] = Counter()
    for seed in SEEDS:
        verdict = run(seed)
        happened += verdict.counts
        assert not verdict.violations, verdict.report()

    assert [fault for fault in MUST_HAPPEN if happened[fault] < 10] == [], "a fault that never happens proves nothing"


def test_a_seed_is_the_same_schedule_in_every_process() -> None:
    """A failure that cannot be replayed is of no use: the hashing of strings must not decide anything."""
    told = [
        subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--replay", "24", "--trace"],
            env={**os.environ, "PYTHONHASHSEED": hashing},
            capture_output=True,
            check=True,
        ).stdout
        for hashing in ("1", "2")
    ]

    assert told[0] == told[1]
    assert b"dies before" in told[0]
