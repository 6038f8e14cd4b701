"""Merges of profiles under crashes: the process dies at any request, of any kind, and another one goes on."""

import json
from collections import defaultdict
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from consumers import catalog
from schemas.topics import RESOLVED_EVENTS, TOPICS
from tests.acceptance.moments import ms
from worker.adapters.memory_kafka import MemoryKafka
from worker.adapters.memory_store import MemoryStore
from worker.cli.assembly import Connections, Options, assemble
from worker.cli.definition_files import documents_of
from worker.clock import VirtualClock
from worker.engine.loop import Loop
from worker.errors import DependencyError
from worker.ports import Partition

pytestmark = pytest.mark.simulation

START_MS = ms("2025-01-01T00:00:00Z")
LEASE_MS = 20_000
MAILBOXES = 4
# Once too many or too few and the first is wrong at the end; the second must not have flapped.
AUDIENCES = """
audiences:
  - {{key: all_of_them, query: "event('X').count() = {count}", include_anonymous: true}}
  - {{key: recently, query: "event('X').within(1 hour).count() >= 1", include_anonymous: true}}
"""

Visit = dict[str, Any]

PAIR: list[Visit] = [
    {"anonymousId": "a"},
    {"anonymousId": "b"},
    {"anonymousId": "a"},
    {"userId": "u", "anonymousId": "a"},
    {"userId": "u", "anonymousId": "b"},
    {"anonymousId": "b"},
]
CHAIN: list[Visit] = [  # c into b, then b into a, which knows nothing of c
    {"anonymousId": "a"},
    {"anonymousId": "b"},
    {"anonymousId": "c"},
    {"anonymousId": "b", "context": {"traits": {"email": "x@y.io"}}},
    {"anonymousId": "c", "context": {"traits": {"email": "x@y.io"}}},
    {"userId": "u", "anonymousId": "a"},
    {"userId": "u", "context": {"traits": {"email": "x@y.io"}}},
]
THREE_AT_ONCE: list[Visit] = [
    {"anonymousId": "a"},
    {"anonymousId": "b"},
    {"userId": "u"},
    {"userId": "u", "anonymousId": "a", "context": {"traits": {"crossDomainId": "b"}}},
    {"anonymousId": "b", "context": {"traits": {"crossDomainId": "b"}}},
]


class CrashError(BaseException):
    """The process ends here. No ``except`` of the worker may hold it up."""


class World:
    """One replica at a time. ``crash_at``: the request, counted from 0, before or after which it dies."""

    def __init__(self, visits: Sequence[Visit], *, crash_at: int | None) -> None:
        self._clock = VirtualClock(START_MS)
        self._crash_at: int | None = None
        self._requests = 0
        self._random = Random(0)
        self.visits = visits
        self.kafka = MemoryKafka(self._clock, on_io=self._io)
        self.store = MemoryStore(self._clock, on_io=self._io)
        for topic in TOPICS:
            partitions = MAILBOXES if topic is RESOLVED_EVENTS else 1
            self.kafka.create_topic(topic.name, partitions=partitions, log_append_time=topic is RESOLVED_EVENTS)
        for key, value in documents_of({"definitions.yaml": AUDIENCES.format(count=len(visits))}):
            self.kafka.append("definitions", key=key.encode(), value=value, timestamp_ms=START_MS)
        self._settle()
        self._requests, self._crash_at = 0, crash_at
        started_ms = self._clock.now_ms()
        for number, visit in enumerate(visits):
            value = {"type": "track", "event": "X", "messageId": f"m{number}", **visit}
            at_ms = started_ms + 1_000 * number
            self.kafka.append("tracking-events", key=None, value=json.dumps(value).encode(), timestamp_ms=at_ms)
        self._clock.advance_to(started_ms + 1_000 * len(visits))

    def _io(self, _: str) -> None:
        self._requests += 1
        if self._requests - 1 == self._crash_at:
            raise CrashError

    @property
    def crashed(self) -> bool:
        return self._crash_at is not None and self._requests > self._crash_at

    def run(self) -> None:
        """Until nothing is left to do, the leases of lost messages included."""
        try:
            self._settle()
        except CrashError:
            self._settle()

    def _settle(self) -> None:
        loop = self._replica()
        for _ in range(3):  # a lost message is told again after its lease
            idle = 0
            while idle < 3:
                idle = idle + 1 if self._turn(loop) else 0
            self._clock.advance_to(self._clock.now_ms() + LEASE_MS)

    @staticmethod
    def _turn(loop: Loop) -> bool:
        """Whether there was nothing to do."""
        try:
            return loop.turn(0.0) is None
        except DependencyError:
            return False

    def _replica(self) -> Loop:
        return assemble(
            Connections(
                producer=self.kafka.producer("replica"),
                store=self.store,
                clock=self._clock,
                inputs=self.kafka.source("route", "replica", catalog.INPUT_TOPICS),
                mailbox=self.kafka.source("fold", "replica", [catalog.MAILBOX_TOPIC]),
                mailbox_partitions=MAILBOXES,
                event_partitions=[Partition(name, 0) for name in catalog.EVENT_TOPICS],
                draw_profile=lambda: self._random.randbytes(16),
            ),
            # Looked for timers and notes once a lease, or most requests would be these.
            Options(batch_records=3, scan_interval_ms=LEASE_MS, definitions_interval_ms=LEASE_MS, hold_max_ms=0),
        )

    def values(self, topic: str, *, kind: bytes | None = None) -> list[dict[str, Any]]:
        partitions = {"resolved-events": MAILBOXES}.get(topic, 1)
        records = [record for number in range(partitions) for record in self.kafka.visible(topic, number)]
        wanted = [record for record in records if kind is None or ("kind", kind) in record.headers]
        return [json.loads(record.value or b"") for record in wanted]

    def check(self) -> None:
        """Nothing lost, nothing counted twice, numbers without gap; who was merged away is out and settled."""
        archived = [event["messageId"] for event in self.values("resolved-events", kind=b"event")]
        assert sorted(archived) == sorted(f"m{number}" for number in range(len(self.visits)))
        transitions: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for change in self.values("audience-changes"):
            about = change["context"]["audience"]
            transitions[about["profile_id"], change["properties"]["audience_key"]].append(about["transition"])
        for numbers in transitions.values():
            assert numbers == list(range(1, len(numbers) + 1))
        merges = self.values("profile-merges")
        children = {merge["child"] for merge in merges}
        assert len(children) == len(merges)
        inside = {place for place, numbers in transitions.items() if len(numbers) % 2}
        assert not {profile for profile, _ in inside} & children
        (survivor,) = {profile for profile, _ in inside}
        assert inside == {(survivor, "all_of_them"), (survivor, "recently")}
        assert self.store.notes(1 << 60, 100).get() == []


@pytest.mark.parametrize("visits", [PAIR, CHAIN, THREE_AT_ONCE], ids=["pair", "chain", "three"])
def test_a_crash_at_any_request_of_a_merge_leaves_one_whole_profile(visits: list[Visit]) -> None:
    """Whatever the moment: all events count for the survivor, once, and the others have left for good."""
    crash_at = 0
    while True:
        world = World(visits, crash_at=crash_at)
        world.run()
        if not world.crashed:
            break
        try:
            world.check()
        except AssertionError as error:
            error.add_note(f"crashed at request {crash_at}")
            raise
        crash_at += 1
    assert crash_at > 50


def test_the_memberships_of_the_merged_are_right_without_any_crash() -> None:
    for visits in (PAIR, CHAIN, THREE_AT_ONCE):
        world = World(visits, crash_at=None)
        world.run()
        world.check()
