"""One life of a replica: the real loop, over connections on which every call may be the last."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, NamedTuple, cast

from consumers import catalog
from schemas.codec import AvroDecoder
from tests.simulation.baton import Actor
from tests.simulation.fates import Fates, Line
from tests.simulation.plan import Plan
from worker.adapters.memory_clients import MemorySource
from worker.adapters.memory_kafka import MemoryKafka
from worker.adapters.memory_store import MemoryStore
from worker.cli.assembly import Connections, Options, assemble
from worker.clock import Clock, VirtualClock
from worker.engine.control import Control
from worker.engine.loop import Loop
from worker.errors import DependencyError, StateConflictError, SupersededError
from worker.identity.rules import Caps
from worker.ports import Partition, Poll, Source, Store

SMALL_CALLS = {"redis.due": 0.05, "kafka.produce": 0.3}
"""Calls of which there are many in a turn count for less, or processes would hardly ever change places elsewhere."""


CALLS_END = ")"


class Happening(NamedTuple):
    """A line of the trace."""

    at_ms: int
    who: str
    what: str


class SkewedClock:
    def __init__(self, clock: VirtualClock, skew_ms: int) -> None:
        self._clock, self._skew_ms = clock, skew_ms

    def now_ms(self) -> int:
        return self._clock.now_ms() + self._skew_ms


@dataclass(slots=True)
class Surroundings:
    """What the processes of a schedule share. ``chance``: what the engine draws.

    ``fetched``: how many records a poll brings, of so many at most, when there are more.
    """

    plan: Plan
    clock: VirtualClock
    kafka: MemoryKafka
    store: MemoryStore
    fates: Fates
    chance: Random
    counts: Counter[str]
    event_partitions: Sequence[Partition]
    fetched: Callable[[int], int]
    trace: list[Happening] = field(default_factory=list)

    def note(self, who: str, what: str) -> None:
        self.trace.append(Happening(self.clock.now_ms(), who, what))

    def note_call(self, who: str, call: str) -> None:
        """Calls in a row are one line."""
        last = self.trace[-1]
        if last.who == who and last.what.endswith(CALLS_END):
            self.trace[-1] = last._replace(what=f"{last.what[:-1]} {call}{CALLS_END}")
        else:
            self.note(who, f"({call}{CALLS_END}")


class Process:
    """``idle``: its last turn found nothing to do. ``name``: the replica's, and which life of it this is."""

    def __init__(self, around: Surroundings, replica: int, life: int) -> None:
        self.replica = replica
        self.instance = f"w{replica}"
        self.name = f"{self.instance}.{life}"
        self.paused = self.idle = False
        self._around = around
        self._allowance = 0.0
        self._restored = 0
        self._clock: Clock = SkewedClock(around.clock, around.plan.skews_ms[replica])
        self._store = cast(Store, Line(around.store, self, around.fates))
        self._actor = Actor(self._live)

    @property
    def alive(self) -> bool:
        return self._actor.alive

    @property
    def at(self) -> str:
        """The call before which it waits."""
        return self._actor.at

    @property
    def failure(self) -> Exception | None:
        """What no process may die of."""
        return self._actor.failure

    def go_on(self, calls: float) -> None:
        """Run for about so many calls, or to the end of the turn."""
        self._allowance = calls
        self._actor.go_on()

    def crash(self) -> None:
        self._actor.crash()

    def before(self, call: str) -> None:
        """A call is about to be made."""
        self._around.counts["calls"] += 1
        self._allowance -= SMALL_CALLS.get(call, 1.0)
        if self._allowance <= 0:
            self._actor.wait(call)
        if call != "redis.due":
            self._around.note_call(self.name, call)

    def note(self, what: str) -> None:
        self._around.note(self.name, what)

    def _live(self) -> None:
        try:
            self._try("start", self._read_definitions)
            loop = self._assemble()
            while True:
                self._try("turn", partial(self._turn, loop))
        except SupersededError as error:
            self._around.counts["ends for another life of the same name"] += 1
            self.note(f"ends: {error}")

    def _try(self, what: str, deed: Callable[[], None]) -> None:
        """Wait, and do something; again until it succeeds, when a dependency fails."""
        while True:
            self._actor.wait(what)
            try:
                deed()
            except DependencyError as error:
                self.idle = False
                self._around.counts["batches abandoned"] += 1
                self._around.counts["states written by somebody else"] += isinstance(error, StateConflictError)
                self.note(f"gives up: {error}")
            else:
                return

    def _turn(self, loop: Loop) -> None:
        report = loop.turn(0.0)
        self.idle = report is None
        self._around.counts["states brought back"] += loop.restored_states - self._restored
        self._restored = loop.restored_states
        limit = self._around.plan.batch_records + 1
        if report is not None and report.records > limit:
            raise AssertionError(f"{report.records} records in a batch of at most {limit}")

    def _read_definitions(self) -> None:
        """As ``audience-worker run`` does before its first turn."""
        documents = catalog.documents(AvroDecoder(), Caps(merges_max=self._around.plan.merges_max))
        control = Control(self._store, documents, topic=catalog.DEFINITIONS_TOPIC, interval_ms=0)
        control.refresh()
        control.judge(self._around.kafka.visible(catalog.DEFINITIONS_TOPIC, 0, start=control.book.judged))

    def _source(self, role: str, topics: Sequence[str]) -> Source:
        source = self._around.kafka.source(role, self.instance, topics)
        return cast(Source, ShortSource(source, self._around))

    def _assemble(self) -> Loop:
        plan, kafka = self._around.plan, self._around.kafka
        roles = plan.roles[self.replica]
        return assemble(
            Connections(
                producer=kafka.producer(f"{'-'.join(roles)}-{self.instance}"),
                store=self._store,
                clock=self._clock,
                inputs=self._source("route", catalog.INPUT_TOPICS) if "route" in roles else None,
                mailbox=self._source("fold", [catalog.MAILBOX_TOPIC]) if "fold" in roles else None,
                mailbox_partitions=plan.mailbox_partitions,
                event_partitions=self._around.event_partitions,
                draw_profile=partial(self._around.chance.randbytes, 16),
                draw_owner=partial(self._around.chance.randbytes, 16),
                state_log=kafka.state_log("profile-states") if plan.forgets else None,
            ),
            _options(plan),
        )


class ShortSource:
    """A consumer whose polls bring as many records as have been fetched just then."""

    def __init__(self, source: MemorySource, around: Surroundings) -> None:
        self._source, self._around = source, around

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def poll(self, limit: int, timeout_s: float, *, awaited: int = 1) -> Poll:
        return self._source.poll(self._around.fetched(limit), timeout_s, awaited=awaited)


def _options(plan: Plan) -> Options:
    return Options(
        batch_records=plan.batch_records,
        ticks_max=plan.ticks_max,
        cached_identifiers=plan.cached,
        cached_profiles=plan.cached,
        scan_interval_ms=plan.interval_ms,
        progress_interval_ms=plan.interval_ms,
        definitions_interval_ms=plan.interval_ms,
        clock_margin_ms=plan.clock_margin_ms,
        hold_max_ms=plan.hold_max_ms,
        identity_caps=Caps(merges_max=plan.merges_max),
    )
