"""Table B: the worker with twenty audiences over a hundred thousand identified profiles."""

import itertools
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import endpoints
from tests.benchmarks.cluster import Cluster, Reader, Received, fill
from tests.benchmarks.contestants import Contestant, read_change, worker
from tests.benchmarks.drain import Drain, drain
from tests.benchmarks.events import WIDE_SPAN_MS, Event, introductions, wide_stream
from tests.benchmarks.latency import Percentiles, Sent, measured, percentiles, send_live
from tests.benchmarks.meter import STEADY_FROM, STEADY_TO, Sample
from tests.benchmarks.process import Process
from tests.benchmarks.store import Store

DEFINITIONS = Path(__file__).with_name("twenty_audiences.yaml")
USERS = 100_000
EVENTS = 300_000
LIVE_EVENTS_PER_S = 1_000
LIVE_S = 20
QUIET_S = 2.0
SOAK_EVENTS = 2_000_000
SOAK_SEED = 8  # other message ids than those of the measured stream
INTRODUCTION_SPAN_MS = 3_600_000
HEADROOM_MS = 60_000


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Everybody is introduced in the hour before; then 22 hours of events, so that all ids are of one day."""

    introductions: Sequence[Event]
    backlog: Sequence[Event]
    live: Sequence[Event]

    @property
    def ids(self) -> int:
        """How many message ids there are to be remembered; repeated ones count once."""
        everything = itertools.chain(self.introductions, self.backlog, self.live)
        return len({event.message_id for event in everything})

    @property
    def bytes_per_event(self) -> float:
        return sum(len(event.value) for event in self.backlog) / len(self.backlog)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One run. ``phases_us``: microseconds per event in each phase of the steady part, with waiting."""

    new_profiles_per_s: float
    events_per_s: float
    cpu_us_per_event: float
    redis_cpu_us_per_event: float
    change_latency: Percentiles
    claim_bytes_per_id: float
    state_bytes_per_profile: float
    identity_bytes_per_profile: float
    rss_start_mb: float
    rss_end_mb: float
    rss_soaked_mb: float | None
    phases_us: Mapping[str, float]
    load: float


def make_stream(events: int = EVENTS) -> Stream:
    step_ms = WIDE_SPAN_MS / events
    start_ms = int(time.time() * 1000) - HEADROOM_MS - WIDE_SPAN_MS
    everything = list(wide_stream(events + LIVE_EVENTS_PER_S * LIVE_S, users=USERS, base_ms=start_ms, step_ms=step_ms))
    first = introductions(USERS, base_ms=start_ms - INTRODUCTION_SPAN_MS, step_ms=INTRODUCTION_SPAN_MS / USERS)
    return Stream(introductions=list(first), backlog=everything[:events], live=everything[events:])


def run(cluster: Cluster, *, redis_url: str, stream: Stream, soak: bool) -> Outcome:
    """Introduce everybody, restart, drain, send live traffic, weigh what Redis holds."""
    contestant = worker(
        cluster,
        redis_url=redis_url,
        definitions=DEFINITIONS.read_text(encoding="utf-8"),
        settings={"AW_DEDUP_EXPECTED_IDS_PER_DAY": str(stream.ids)},
    )
    store = Store(redis_url, space=contestant.run)
    rss_start_mb, introduced = _introduce(contestant, cluster, stream)
    fill(cluster, contestant.input, stream.backlog)
    load = os.getloadavg()[0]
    phases = _PhaseMarks(contestant, start=introduced.positions[0], events=len(stream.backlog))
    redis_cpu_s = store.cpu_s()
    with contestant.start() as process:
        measured = drain(
            process,
            contestant,
            cluster,
            events=len(stream.backlog),
            before=introduced.positions,
            each=phases.mark,
        )
        redis_cpu_s = store.cpu_s() - redis_cpu_s
        latency = _live(contestant, cluster, stream)
        rss_end_mb = process.rss_mb()
        rss_soaked_mb = _soak(process, contestant, cluster) if soak else None
    return Outcome(
        new_profiles_per_s=introduced.steady.events_per_s,
        **measured.steady._asdict(),
        redis_cpu_us_per_event=redis_cpu_s / len(stream.backlog) * 1e6,
        change_latency=latency,
        claim_bytes_per_id=store.free_claims() / (stream.ids + (SOAK_EVENTS if soak else 0)),
        state_bytes_per_profile=store.free_states() / USERS,
        identity_bytes_per_profile=store.free_identity() / USERS,
        rss_start_mb=rss_start_mb,
        rss_end_mb=rss_end_mb,
        rss_soaked_mb=rss_soaked_mb,
        phases_us=phases.us_per_event(),
        load=load,
    )


def _introduce(contestant: Contestant, cluster: Cluster, stream: Stream) -> tuple[float, Drain]:
    """Memory of a worker that has nothing to do yet, and how it took in everybody."""
    with contestant.start() as process:
        endpoints.wait_until_ready(contestant, process)
        rss_start_mb = process.rss_mb()
        fill(cluster, contestant.input, stream.introductions)
        return rss_start_mb, drain(process, contestant, cluster, events=len(stream.introductions))


def _live(contestant: Contestant, cluster: Cluster, stream: Stream) -> Percentiles:
    with Reader(cluster, contestant.output, skip=True) as reader:
        sent = send_live(cluster, contestant.input, stream.live, per_s=LIVE_EVENTS_PER_S)
        return percentiles(_change_latencies_s(reader.settle(quiet_s=QUIET_S), measured(sent)))


def _change_latencies_s(received: Sequence[Received], sent: Sequence[Sent]) -> list[float]:
    """From sending an event to the moment at which a change that it caused could be read."""
    sent_s = {event.message_id: at_s for event, at_s in reversed(sent)}
    causes = [(record.at_s, read_change(record.value).context.audience) for record in received]
    return [
        at_s - sent_s[cause.caused_by]
        for at_s, cause in causes
        if cause.reason == "event" and cause.caused_by in sent_s
    ]


def _soak(process: Process, contestant: Contestant, cluster: Cluster) -> float:
    """Two million further events to the same process; its memory afterwards."""
    before = tuple(cluster.committed(group, topic) for group, topic in contestant.groups)
    start_ms = int(time.time() * 1000) - HEADROOM_MS
    more = wide_stream(SOAK_EVENTS, users=USERS, base_ms=start_ms, step_ms=HEADROOM_MS / SOAK_EVENTS, seed=SOAK_SEED)
    fill(cluster, contestant.input, more)
    drain(process, contestant, cluster, events=SOAK_EVENTS, before=before)
    return process.rss_mb()


class _PhaseMarks:
    """Reads the worker's phase times twice: at the start and at the end of the steady part.

    Not with every sample, since answering costs the worker time too.
    """

    def __init__(self, contestant: Contestant, *, start: int, events: int) -> None:
        self._contestant = contestant
        self._start = start
        self._events = events
        self._marks: list[tuple[int, Mapping[str, float]]] = []

    def mark(self, sample: Sample) -> None:
        wanted = (STEADY_FROM, STEADY_TO, None)[len(self._marks)]
        read = sample.positions[0] - self._start
        if wanted is not None and read >= wanted * self._events:
            self._marks.append((read, endpoints.phase_seconds(self._contestant)))

    def us_per_event(self) -> dict[str, float]:
        (first, at_first), (last, at_last) = self._marks
        return {
            phase: (seconds - at_first.get(phase, 0.0)) / (last - first) * 1e6 for phase, seconds in at_last.items()
        }
