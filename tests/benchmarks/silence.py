"""Table C: two thousand members fall silent at the same millisecond, and nothing else happens."""

import time
from dataclasses import dataclass

import msgspec

from tests.benchmarks import endpoints
from tests.benchmarks.cluster import Cluster, Reader, fill
from tests.benchmarks.contestants import milliseconds, read_change, worker
from tests.benchmarks.events import Event, iso
from tests.benchmarks.latency import Percentiles, percentiles

MEMBERS = 2_000
WINDOW_S = 20
ENTRY_TIMEOUT_S = 15.0  # less than the window, so that all are in before the first is out
EXIT_TIMEOUT_S = 60.0
DEFINITIONS = f"""
audiences:
  - key: awake
    name: Awake
    query: "event('Heartbeat').within({WINDOW_S} seconds).count() >= 1"
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One run. ``exact``: exits whose ``timestamp`` is the very millisecond at which they were due.

    ``sent_late``: from the moment due to the worker's sending; ``readable_late``: to a reader's having it.
    """

    entries: int
    exits: int
    exact: int
    sent_late: Percentiles
    readable_late: Percentiles


def run(cluster: Cluster, *, redis_url: str) -> Outcome:
    contestant = worker(cluster, redis_url=redis_url, definitions=DEFINITIONS)
    with Reader(cluster, contestant.output) as reader, contestant.start() as process:
        endpoints.wait_until_ready(contestant, process)
        at_ms = int(time.time() * 1000)
        fill(cluster, contestant.input, [_heartbeat(member, at_ms) for member in range(MEMBERS)])
        reader.wait_for(MEMBERS, timeout_s=ENTRY_TIMEOUT_S)
        received = reader.wait_for(2 * MEMBERS, timeout_s=WINDOW_S + EXIT_TIMEOUT_S)
    due_ms = at_ms + WINDOW_S * 1000
    changes = [(record.at_s, read_change(record.value)) for record in received]
    exits = [(at_s, change) for at_s, change in changes if not change.entered]
    return Outcome(
        entries=len(changes) - len(exits),
        exits=len({change.user_id for _, change in exits}),
        exact=sum(milliseconds(change.timestamp) == due_ms for _, change in exits),
        sent_late=percentiles([(milliseconds(change.sent_at) - due_ms) / 1000 for _, change in exits]),
        readable_late=percentiles([at_s - due_ms / 1000 for at_s, _ in exits]),
    )


def _heartbeat(member: int, at_ms: int) -> Event:
    call = {
        "type": "track",
        "messageId": f"heartbeat-{member}",
        "userId": f"member-{member}",
        "event": "Heartbeat",
        "timestamp": iso(at_ms),
    }
    return Event(call["messageId"], call["userId"], call["event"], at_ms, msgspec.json.encode(call))
