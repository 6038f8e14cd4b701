"""Table C: members fall silent, all at the same millisecond or many within a minute, and nothing else happens."""

import time
from dataclasses import dataclass

import msgspec

from tests.benchmarks import endpoints
from tests.benchmarks.cluster import Cluster, Reader, fill
from tests.benchmarks.contestants import milliseconds, read_change, worker
from tests.benchmarks.events import Event, iso
from tests.benchmarks.latency import Percentiles, percentiles
from tests.benchmarks.store import Store

EXIT_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """``members`` do one thing each, spread evenly over ``spread_s`` seconds that end now.

    ``window_s``: how long they are in the audience after that. All must be in before the first is out.
    """

    members: int
    spread_s: int
    window_s: int

    @property
    def entry_timeout_s(self) -> float:
        """Until the first of them is due."""
        return self.window_s - self.spread_s


AT_ONCE = Crowd(members=2_000, spread_s=0, window_s=20)
IN_A_MINUTE = Crowd(members=100_000, spread_s=60, window_s=180)
A_FEW_IN_A_MINUTE = Crowd(members=5_000, spread_s=3, window_s=30)
"""In place of the crowd of a minute, to try it out: as many a second, for three seconds."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One run. ``exact``: exits whose ``timestamp`` is the very millisecond at which they were due.

    ``sent_late``: from the moment due to the worker's sending; ``readable_late``: to a reader's having it.
    """

    members: int
    entries: int
    exits: int
    exact: int
    sent_late: Percentiles
    readable_late: Percentiles


def run(cluster: Cluster, *, redis_url: str, crowd: Crowd) -> Outcome:
    """Everybody in, and then wait.

    Raises:
        TimeoutError: they were not all in before the first was due: the figures would be those of a backlog.
    """
    contestant = worker(cluster, redis_url=redis_url, definitions=_definitions(crowd))
    with Reader(cluster, contestant.output) as reader, contestant.start() as process:
        endpoints.wait_until_ready(contestant, process)
        start_ms = int(time.time() * 1000) - crowd.spread_s * 1000
        done_ms = {f"member-{number}": _done_ms(crowd, number, start_ms) for number in range(crowd.members)}
        fill(cluster, contestant.input, [_heartbeat(member, at_ms) for member, at_ms in done_ms.items()])
        if len(reader.wait_for(crowd.members, timeout_s=crowd.entry_timeout_s)) < crowd.members:
            raise TimeoutError(f"{crowd.members:,} members were not in after {crowd.entry_timeout_s:.0f} s")
        received = reader.wait_for(2 * crowd.members, timeout_s=crowd.window_s + EXIT_TIMEOUT_S)
    Store(redis_url, space=contestant.space).free_identity()
    changes = [(record.at_s, read_change(record.value)) for record in received]
    exits = [(at_s, change) for at_s, change in changes if not change.entered]
    due_ms = {member: at_ms + crowd.window_s * 1000 for member, at_ms in done_ms.items()}
    return Outcome(
        members=crowd.members,
        entries=len(changes) - len(exits),
        exits=len({change.user_id for _, change in exits}),
        exact=sum(milliseconds(change.timestamp) == due_ms[change.user_id] for _, change in exits),
        sent_late=percentiles([(milliseconds(one.sent_at) - due_ms[one.user_id]) / 1000 for _, one in exits]),
        readable_late=percentiles([at_s - due_ms[one.user_id] / 1000 for at_s, one in exits]),
    )


def _done_ms(crowd: Crowd, number: int, start_ms: int) -> int:
    return start_ms + number * crowd.spread_s * 1000 // crowd.members


def _definitions(crowd: Crowd) -> str:
    return f"""
audiences:
  - key: awake
    name: Awake
    query: "event('Heartbeat').within({crowd.window_s} seconds).count() >= 1"
"""


def _heartbeat(member: str, at_ms: int) -> Event:
    call = {
        "type": "track",
        "messageId": f"heartbeat-{member}",
        "userId": member,
        "event": "Heartbeat",
        "timestamp": iso(at_ms),
    }
    return Event(call["messageId"], call["userId"], call["event"], at_ms, msgspec.json.encode(call))
