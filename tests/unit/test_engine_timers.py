"""Many timers that are due together: as many ticks at once as a batch may have, the others in the turns after it."""

import json
from random import Random

import pytest

from consumers import catalog
from schemas.topics import RESOLVED_EVENTS, TOPICS
from worker.adapters.memory_kafka import MemoryKafka
from worker.adapters.memory_store import MemoryStore
from worker.cli.assembly import Connections, Options, assemble
from worker.cli.definition_files import documents_of
from worker.clock import VirtualClock
from worker.engine.loop import Loop
from worker.ports import Partition

pytestmark = pytest.mark.unit

HOUR_MS = 3_600_000
MEMBERS = 10
LATELY = """
audiences:
  - {key: lately, name: Lately, query: "event('X').within(1 hour).count() >= 1"}
"""


class Replica:
    """One worker over Kafka and Redis in memory, and a clock that stands still."""

    def __init__(self, options: Options) -> None:
        self.clock = VirtualClock(HOUR_MS)
        self.kafka = MemoryKafka(self.clock)
        for topic in TOPICS:
            self.kafka.create_topic(topic.name, partitions=1, log_append_time=topic is RESOLVED_EVENTS)
        self.loop = self._loop(options)

    def _loop(self, options: Options) -> Loop:
        draws = Random(0)
        connections = Connections(
            producer=self.kafka.producer("replica"),
            store=MemoryStore(self.clock, dedup_window_ms=24 * HOUR_MS),
            clock=self.clock,
            inputs=self.kafka.source("route", "replica", list(catalog.INPUT_TOPICS)),
            mailbox=self.kafka.source("fold", "replica", [catalog.MAILBOX_TOPIC]),
            mailbox_partitions=1,
            event_partitions=[Partition(name, 0) for name in catalog.EVENT_TOPICS],
            draw_profile=lambda: draws.randbytes(16),
        )
        return assemble(connections, options)

    def append(self, topic: str, value: bytes, key: bytes) -> None:
        self.kafka.append(topic, partition=0, key=key, value=value, headers=[], timestamp_ms=self.clock.now_ms())

    def settle(self) -> int:
        """Turn until nothing is left to do at this time; how many turns had something."""
        worked = idle = 0
        while idle < 2:  # the first idle turn publishes how far the inputs are
            report = self.loop.turn(0.0)
            worked, idle = (worked, idle + 1) if report is None else (worked + 1, 0)
        return worked

    def changes(self) -> int:
        return len(self.kafka.visible("audience-changes", 0, start=0))


def test_ticks_that_had_no_room_follow_in_the_next_turn_and_not_after_an_interval() -> None:
    replica = Replica(Options(ticks_max=3, scan_interval_ms=HOUR_MS, progress_interval_ms=0, definitions_interval_ms=0))
    for key, value in documents_of({"definitions": LATELY}):
        replica.append("definitions", value or b"", key.encode())
    for member in range(MEMBERS):
        call = {"type": "track", "messageId": f"m{member}", "userId": f"u{member}", "event": "X"}
        replica.append("tracking-events", json.dumps(call).encode(), b"")
    replica.settle()
    assert replica.changes() == MEMBERS

    replica.clock.advance_to(3 * HOUR_MS)
    replica.settle()

    assert replica.changes() == 2 * MEMBERS
