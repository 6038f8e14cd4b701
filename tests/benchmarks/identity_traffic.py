"""Table D, third part: how long other profiles' changes take while large profiles are being merged.

A worker process over the real Kafka and Redis, live traffic of ordinary people, and the same traffic again with an
event that merges two large profiles after every so many of theirs.
"""

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from tests.benchmarks import endpoints
from tests.benchmarks.big_profiles import DEFINITIONS, Pair, Place, catalogue_of, write_pair
from tests.benchmarks.cluster import Cluster, Reader, fill
from tests.benchmarks.contestants import Contestant, worker
from tests.benchmarks.drain import finish
from tests.benchmarks.events import Event, introductions, iso, wide_stream
from tests.benchmarks.in_process import open_space
from tests.benchmarks.latency import WARM_S, Percentiles, change_latencies_s, measured, percentiles, send_live
from tests.benchmarks.process import Process
from tests.benchmarks.store import Store, owners_of_slots

OTHERS = 20_000
OTHERS_PER_S = 1_000
MERGES_PER_S = 100
QUIET_S = 1.0
ORDINARY_BYTES_MAX = 20_000  # of a change; those of large profiles tell all their identifiers
HEADROOM_MS = 60_000
SIGNING_IN = "Signed In"
JUST_LOOKED = """
  - key: just_looked
    name: Has just looked at a product
    query: "event('Product Viewed').within(10 seconds).count() >= 1"
"""


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """``alone``, ``beside``: latencies of ordinary people's changes without merges and with them.

    ``merges``: of ``merges_sent``, those that came to the topic of merges; ``merges_per_s``: between the first and the
    last of them.
    """

    alone: Percentiles
    beside: Percentiles
    merges_sent: int
    merges: int
    merges_per_s: float


def run(cluster: Cluster, *, redis_url: str, seconds: int) -> Traffic:
    """``seconds``: of traffic that are measured, each time; some more are sent before."""
    contestant = worker(cluster, redis_url=redis_url, definitions=_definitions())
    try:
        with contestant.start() as process:
            endpoints.wait_until_ready(contestant, process)
            return _run(process, contestant, cluster, redis_url=redis_url, seconds=seconds)
    finally:
        Store(redis_url, space=contestant.space).free_identity()


def _definitions() -> str:
    """With an audience that about a fifth of the events lets somebody enter, so that there is much to be timed."""
    audiences, separator, identity = DEFINITIONS.partition("\nidentity:")
    return audiences.rstrip() + JUST_LOOKED + separator + identity


def _run(process: Process, contestant: Contestant, cluster: Cluster, *, redis_url: str, seconds: int) -> Traffic:
    traffic = _LiveTraffic(process, contestant, cluster)
    traffic.introduce()
    live_s = seconds + int(WARM_S)
    pairs = _write_pairs(contestant, redis_url, live_s * MERGES_PER_S)
    events = live_s * OTHERS_PER_S
    base_ms = int(time.time() * 1000)
    others = wide_stream(2 * events, users=OTHERS, base_ms=base_ms, step_ms=1_000 / OTHERS_PER_S)
    alone = traffic.send(itertools.islice(others, events), per_s=OTHERS_PER_S)
    with Reader(cluster, contestant.topic("profile-merges")) as merges:
        signing_in = [_signs_in(pair, base_ms) for pair in pairs]
        beside = traffic.send(_mixed(others, signing_in), per_s=OTHERS_PER_S + MERGES_PER_S)
        told = merges.wait_for(len(pairs), timeout_s=QUIET_S)
    return Traffic(
        alone=alone,
        beside=beside,
        merges_sent=len(pairs),
        merges=len(told),
        merges_per_s=(len(told) - 1) / (told[-1].at_s - told[0].at_s),
    )


class _LiveTraffic:
    """Sends to one worker; ``_sent`` counts the records, so that it is known when all have been dealt with."""

    def __init__(self, process: Process, contestant: Contestant, cluster: Cluster) -> None:
        self._process = process
        self._contestant = contestant
        self._cluster = cluster
        self._sent = 0

    def introduce(self) -> None:
        """Everybody but those who will be merged; every mailbox partition has some of them."""
        base_ms = int(time.time() * 1000) - HEADROOM_MS
        fill(self._cluster, self._contestant.input, introductions(OTHERS, base_ms=base_ms, step_ms=1.0))
        self._finish(OTHERS)

    def send(self, events: Iterable[Event], *, per_s: int) -> Percentiles:
        """How long the changes of ordinary people took."""
        with Reader(self._cluster, self._contestant.output, skip=True, value_bytes_max=ORDINARY_BYTES_MAX) as reader:
            sent = send_live(self._cluster, self._contestant.input, events, per_s=per_s)
            self._finish(len(sent))
            received = reader.settle(quiet_s=QUIET_S)
        ordinary = [each for each in measured(sent) if each.event.name != SIGNING_IN]
        return percentiles(change_latencies_s(received, ordinary))

    def _finish(self, events: int) -> None:
        self._sent += events
        finish(self._process, self._contestant, self._cluster, end=self._sent, events=events)


def _write_pairs(contestant: Contestant, redis_url: str, count: int) -> list[Pair]:
    now_ms = int(time.time() * 1000)
    with open_space(redis_url, contestant.space) as store:
        place = Place(store, catalogue_of(store), owners_of_slots(redis_url, contestant.space))
        return [write_pair(place, f"pair-{number}", now_ms=now_ms) for number in range(count)]


def _signs_in(pair: Pair, at_ms: int) -> Event:
    """The event by which it turns out that two profiles are one person."""
    call = {
        "type": "track",
        "messageId": f"merge-{pair.child.user_id}",
        "userId": pair.parent.user_id,
        "anonymousId": pair.child.anonymous_id,
        "event": SIGNING_IN,
        "timestamp": iso(at_ms),
    }
    return Event(str(call["messageId"]), pair.parent.user_id, SIGNING_IN, at_ms, msgspec.json.encode(call))


def _mixed(others: Iterator[Event], signing_in: Sequence[Event]) -> Iterator[Event]:
    """Spread evenly over the others."""
    for event in signing_in:
        yield event
        yield from itertools.islice(others, OTHERS_PER_S // MERGES_PER_S)
