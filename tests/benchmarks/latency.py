"""Live traffic at a steady rate, and how long outputs took."""

import math
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.benchmarks.cluster import Cluster, Feed, Received
from tests.benchmarks.contestants import read_change
from tests.benchmarks.events import Event

WARM_S = 2.0
"""Of live traffic that is sent first and not measured: until then clients connect and learn where partitions are."""


class Sent(NamedTuple):
    """An event as it was sent, and when (seconds of the wall clock)."""

    event: Event
    at_s: float


class Percentiles(NamedTuple):
    """Of a set of durations, in milliseconds; ``measured`` of them."""

    measured: int
    p50_ms: float
    p99_ms: float
    worst_ms: float


def send_live(cluster: Cluster, topic: str, events: Iterable[Event], *, per_s: int) -> list[Sent]:
    """Send events as if each happened at the moment at which it is sent, ``per_s`` of them a second.

    The moments are fixed beforehand: a sender that was held up sends the late ones at once and does not slow
    down, so that a stall of the receiver shows in full.
    """
    feed = Feed(cluster, topic, linger_ms=0)
    start_s = time.time()
    sent: list[Sent] = []
    for number, event in enumerate(events):
        ahead_s = start_s + number / per_s - time.time()
        if ahead_s > 0:
            time.sleep(ahead_s)
        now_s = time.time()
        live = event.moved_to(int(now_s * 1000))
        feed.send(live)
        sent.append(Sent(live, now_s))
    feed.finish()
    return sent


def measured(sent: Sequence[Sent]) -> list[Sent]:
    """What was sent when everything was warm."""
    return [each for each in sent if each.at_s >= sent[0].at_s + WARM_S]


def change_latencies_s(received: Iterable[Received], sent: Sequence[Sent]) -> list[float]:
    """From sending an event to the moment at which a change that it caused could be read."""
    sent_s = {event.message_id: at_s for event, at_s in reversed(sent)}
    causes = [(record.at_s, read_change(record.value).context.audience) for record in received]
    return [
        at_s - sent_s[cause.caused_by]
        for at_s, cause in causes
        if cause.reason == "event" and cause.caused_by in sent_s
    ]


def percentiles(durations_s: Sequence[float]) -> Percentiles:
    """Nearest-rank percentiles.

    Raises:
        ValueError: there are none.
    """
    if not durations_s:
        raise ValueError("nothing was measured")
    ordered = sorted(durations_s)

    def rank(share: float) -> float:
        return ordered[math.ceil(share * len(ordered)) - 1] * 1000

    return Percentiles(len(ordered), rank(0.5), rank(0.99), ordered[-1] * 1000)
