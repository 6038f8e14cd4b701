"""One contestant, one backlog: from the first sample to the last record."""

from collections.abc import Callable
from typing import NamedTuple

from tests.benchmarks.cluster import Cluster
from tests.benchmarks.contestants import Contestant
from tests.benchmarks.meter import Sample, Steady, steady, watch
from tests.benchmarks.process import Process

TIMEOUT_AT_LEAST_S = 120.0
SLOWEST_EVENTS_PER_S = 2_000  # whoever is slower is stuck


class Drain(NamedTuple):
    """``positions``: where the contestant's groups stood at the end."""

    steady: Steady
    positions: tuple[int, ...]


def drain(
    process: Process,
    contestant: Contestant,
    cluster: Cluster,
    *,
    events: int,
    before: tuple[int, ...] | None = None,
    each: Callable[[Sample], None] = lambda sample: None,
) -> Drain:
    """Watch a contestant work off what has been written to its input; its steady rate and cost.

    Args:
        process: the contestant, just started.
        contestant: its topics and groups.
        cluster: where they are.
        events: records that it has to read beyond ``before``.
        before: positions before it started; nothing read when left out.
        each: called with every sample.
    """
    start = before or (0,) * len(contestant.groups)
    samples = finish(process, contestant, cluster, end=start[0] + events, events=events, each=each)
    return Drain(steady(samples, before=start, events=events), samples[-1].positions)


def finish(
    process: Process,
    contestant: Contestant,
    cluster: Cluster,
    *,
    end: int,
    events: int,
    each: Callable[[Sample], None] = lambda sample: None,
) -> list[Sample]:
    """Return when a contestant has read its input up to ``end``, and whatever it has written for itself.

    ``events``: how many these are at most, for the time that they may take.

    Raises:
        DrainTimeoutError: it is stuck.
    """
    previous: tuple[int, ...] = ()

    def positions() -> tuple[int, ...]:
        return tuple(cluster.committed(group, topic) for group, topic in contestant.groups)

    def done(current: tuple[int, ...]) -> bool:
        nonlocal previous
        still = current == previous
        previous = current
        # Looking into the topics is dear: only when nothing moves any more.
        return current[0] >= end and still and not _anything_unread(cluster, contestant)

    timeout_s = TIMEOUT_AT_LEAST_S + events / SLOWEST_EVENTS_PER_S
    return watch(process, positions=positions, done=done, timeout_s=timeout_s, each=each)


def _anything_unread(cluster: Cluster, contestant: Contestant) -> bool:
    """The input is counted in records; whatever else a contestant reads may have markers in it."""
    return any(cluster.has_unread(group, topic) for group, topic in contestant.groups[1:])
