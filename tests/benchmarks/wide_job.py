"""Table B: the worker with twenty audiences over a hundred thousand identified profiles."""

import itertools
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import endpoints
from tests.benchmarks.cluster import Cluster, Reader, fill
from tests.benchmarks.contestants import Contestant, worker
from tests.benchmarks.drain import Drain, drain
from tests.benchmarks.events import WIDE_SPAN_MS, Event, introductions, wide_stream
from tests.benchmarks.latency import Percentiles, change_latencies_s, measured, percentiles, send_live
from tests.benchmarks.phases import PhaseMarks
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
    """One run. ``phases_us``: microseconds per event in each phase of the steady part, with waiting.

    ``changes_per_event``: entries and exits of the drain, those by time included.
    """

    new_profiles_per_s: float
    events_per_s: float
    cpu_us_per_event: float
    redis_cpu_us_per_event: float
    changes_per_event: float
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
    store = Store(redis_url, space=contestant.space)
    rss_start_mb, introduced = _introduce(contestant, cluster, stream)
    fill(cluster, contestant.input, stream.backlog)
    load = os.getloadavg()[0]
    phases = PhaseMarks(contestant, start=introduced.positions[0], events=len(stream.backlog))
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
        changes = endpoints.changes(contestant)
        latency = _live(contestant, cluster, stream)
        rss_end_mb = process.rss_mb()
        rss_soaked_mb = _soak(process, contestant, cluster) if soak else None
    return Outcome(
        new_profiles_per_s=introduced.steady.events_per_s,
        **measured.steady._asdict(),
        redis_cpu_us_per_event=redis_cpu_s / len(stream.backlog) * 1e6,
        changes_per_event=changes / len(stream.backlog),
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
        return percentiles(change_latencies_s(reader.settle(quiet_s=QUIET_S), measured(sent)))


def _soak(process: Process, contestant: Contestant, cluster: Cluster) -> float:
    """Two million further events to the same process; its memory afterwards."""
    before = tuple(cluster.committed(group, topic) for group, topic in contestant.groups)
    start_ms = int(time.time() * 1000) - HEADROOM_MS
    more = wide_stream(SOAK_EVENTS, users=USERS, base_ms=start_ms, step_ms=HEADROOM_MS / SOAK_EVENTS, seed=SOAK_SEED)
    fill(cluster, contestant.input, more)
    drain(process, contestant, cluster, events=SOAK_EVENTS, before=before)
    return process.rss_mb()
