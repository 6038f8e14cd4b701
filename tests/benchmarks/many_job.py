"""Table E: the same stream beside one to a thousand audiences."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tests.benchmarks import endpoints
from tests.benchmarks.cluster import Cluster, fill
from tests.benchmarks.contestants import worker
from tests.benchmarks.drain import drain, finish
from tests.benchmarks.events import WIDE_SPAN_MS, introductions
from tests.benchmarks.many_audiences import SIZES, Size, definitions, stream
from tests.benchmarks.store import Store
from tests.benchmarks.wide_job import HEADROOM_MS, INTRODUCTION_SPAN_MS


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much is sent for each row."""

    users: int = 5_000
    events: int = 50_000


QUICK = Scale(users=1_000, events=15_000)
"""To try it out: the steady part is too short to be compared with anything."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One row of one run. ``changes_per_event``: entries and exits."""

    events_per_s: float
    cpu_us_per_event: float
    redis_cpu_us_per_event: float
    changes_per_event: float
    state_bytes_per_profile: float
    load: float


def run(cluster: Cluster, *, redis_url: str, scale: Scale) -> Mapping[Size, Outcome]:
    """Each set of audiences in turn, with a worker, topics and a space of its own."""
    outcomes: dict[Size, Outcome] = {}
    for size in SIZES:
        outcomes[size] = _row(cluster, redis_url=redis_url, size=size, scale=scale)
        cluster.delete_all_of("bench")
    return outcomes


def _row(cluster: Cluster, *, redis_url: str, size: Size, scale: Scale) -> Outcome:
    """Everybody is introduced; then the worker, warm, drains the backlog."""
    start_ms = int(time.time() * 1000) - HEADROOM_MS - WIDE_SPAN_MS
    step_ms = INTRODUCTION_SPAN_MS / scale.users
    first = introductions(scale.users, base_ms=start_ms - INTRODUCTION_SPAN_MS, step_ms=step_ms)
    backlog = stream(scale.events, size, users=scale.users, base_ms=start_ms, step_ms=WIDE_SPAN_MS / scale.events)
    contestant = worker(cluster, redis_url=redis_url, definitions=definitions(size))
    store = Store(redis_url, space=contestant.space)
    with contestant.start() as process:
        endpoints.wait_until_ready(contestant, process)
        fill(cluster, contestant.input, first)
        introduced = finish(process, contestant, cluster, end=scale.users, events=scale.users)
    fill(cluster, contestant.input, backlog)
    load, redis_cpu_s = os.getloadavg()[0], store.cpu_s()
    with contestant.start() as process:
        measured = drain(process, contestant, cluster, events=scale.events, before=introduced[-1].positions)
        redis_cpu_s = store.cpu_s() - redis_cpu_s
        changes = endpoints.changes(contestant)
    outcome = Outcome(
        **measured.steady._asdict(),
        redis_cpu_us_per_event=redis_cpu_s / scale.events * 1e6,
        changes_per_event=changes / scale.events,
        state_bytes_per_profile=store.free_states() / scale.users,
        load=load,
    )
    store.free_identity()
    return outcome
