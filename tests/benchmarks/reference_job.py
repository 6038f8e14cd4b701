"""Table A: the job that every contestant can do: deduplicate, and one rolling count over seven days."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.cluster import Cluster, Reader, Received, fill
from tests.benchmarks.contestants import Contestant
from tests.benchmarks.drain import drain
from tests.benchmarks.events import REFERENCE_EVENTS, REFERENCE_SPAN_MS, Event, reference_stream
from tests.benchmarks.expected import Transition, Verdict, judge
from tests.benchmarks.latency import Percentiles, Sent, measured, percentiles, send_live
from tests.benchmarks.phases import PhaseMarks

DEFINITIONS = """
audiences:
  - key: frequent_buyers
    name: Frequent buyers
    query: "event('Order Completed').within(7 days).count() >= 3"
"""
LIVE_EVENTS_PER_S = 1_000
LIVE_S = 20
QUIET_S = 2.0
# The backlog ends this long before now: a record from the future would be refused by the broker.
HEADROOM_MS = 60_000


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The job's input: what is there before a contestant starts, and what is sent to it afterwards."""

    backlog: Sequence[Event]
    live: Sequence[Event]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One run of one contestant. The floor makes no transitions: no latency, no verdicts.

    ``phases_us``: microseconds per event in each phase of the steady part, with waiting; the worker's only.
    """

    events_per_s: float
    cpu_us_per_event: float
    peak_rss_mb: float
    load: float
    entry_latency: Percentiles | None = None
    live_cpu_us_per_event: float | None = None
    after_drain: Verdict | None = None
    after_live: Verdict | None = None
    phases_us: Mapping[str, float] = field(default_factory=dict)


def make_stream(events: int = REFERENCE_EVENTS) -> Stream:
    """The stream, ending a minute before now, so that windows and timers meet the clock in the live phase."""
    base_ms = int(time.time() * 1000) - HEADROOM_MS - REFERENCE_SPAN_MS * events // REFERENCE_EVENTS
    everything = list(reference_stream(events + LIVE_EVENTS_PER_S * LIVE_S, base_ms=base_ms))
    return Stream(backlog=everything[:events], live=everything[events:])


def drain_only(contestant: Contestant, cluster: Cluster, stream: Stream) -> Outcome:
    """The backlog and nothing else; what comes out is not looked at."""
    fill(cluster, contestant.input, stream.backlog)
    load = os.getloadavg()[0]
    with contestant.start() as process:
        drained = drain(process, contestant, cluster, events=len(stream.backlog))
        return Outcome(**drained.steady._asdict(), peak_rss_mb=process.peak_rss_mb(), load=load)


def run_job(contestant: Contestant, cluster: Cluster, stream: Stream) -> Outcome:
    """Drain the backlog, compare; then live traffic to the same, warm process, and compare everything."""
    fill(cluster, contestant.input, stream.backlog)
    load = os.getloadavg()[0]
    phases = PhaseMarks(contestant, start=0, events=len(stream.backlog))
    with Reader(cluster, contestant.output) as reader, contestant.start() as process:
        drained = drain(process, contestant, cluster, events=len(stream.backlog), each=phases.mark)
        after_drain = _judge(reader.settle(quiet_s=QUIET_S), contestant.transition, stream.backlog)
        peak_rss_mb = process.peak_rss_mb()
        idle_cpu_s = process.cpu_s()
        sent = send_live(cluster, contestant.input, stream.live, per_s=LIVE_EVENTS_PER_S)
        live_cpu_s = process.cpu_s() - idle_cpu_s
        received = reader.settle(quiet_s=QUIET_S)
        after_live = _judge(received, contestant.transition, [*stream.backlog, *(event for event, _ in sent)])
        return Outcome(
            **drained.steady._asdict(),
            peak_rss_mb=peak_rss_mb,
            load=load,
            entry_latency=percentiles(_entry_latencies_s(received, contestant.transition, measured(sent))),
            live_cpu_us_per_event=live_cpu_s / len(sent) * 1e6,
            after_drain=after_drain,
            after_live=after_live,
            phases_us=phases.us_per_event(),
        )


def _judge(
    received: Sequence[Received], transition: Callable[[bytes], Transition | None], events: Sequence[Event]
) -> Verdict:
    got = [change for record in received if (change := transition(record.value)) is not None]
    return judge(got, events, observed_until_ms=int(time.time() * 1000))


def _entry_latencies_s(
    received: Sequence[Received], transition: Callable[[bytes], Transition | None], sent: Sequence[Sent]
) -> list[float]:
    """From sending the event that made a user enter to the moment at which the entry could be read."""
    sent_s = {(event.user, event.at_ms): at_s for event, at_s in reversed(sent)}
    return [
        record.at_s - sent_s[change.user, change.at_ms]
        for record in received
        if (change := transition(record.value)) is not None and change.entered and (change.user, change.at_ms) in sent_s
    ]
