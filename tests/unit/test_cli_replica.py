"""What a replica says of itself: whether it lives, whether it does its share, how far it is behind."""

import json
from collections.abc import Sequence
from dataclasses import replace
from threading import Event
from types import SimpleNamespace
from typing import cast

from prometheus_client import CollectorRegistry

from consumers import catalog
from schemas.topics import RESOLVED_EVENTS, TOPICS
from worker.adapters.memory_kafka import MemoryKafka
from worker.adapters.memory_store import MemoryStore
from worker.cli.assembly import Connections, Options, assemble
from worker.cli.lag import Lag
from worker.cli.replica import Patience, Replica
from worker.clock import VirtualClock
from worker.metrics import Metrics
from worker.ports import Partition, Source

NOON_MS = 1_736_510_400_000
TRACKING = Partition("tracking-events", 0)
PATIENCE = Patience(poll_s=0, pause_max_s=0, stall_max_s=60, lag_max=2)


class Turns(Event):
    """Tells a replica to stop after so many turns."""

    def __init__(self, turns: int) -> None:
        super().__init__()
        self._left = turns

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0


class World:
    """One replica over the adapters in memory. ``records_max``: of a batch."""

    def __init__(self, patience: Patience = PATIENCE, *, records_max: int = 1) -> None:
        self.clock = VirtualClock(NOON_MS)
        self.kafka = MemoryKafka(self.clock)
        for topic in TOPICS:
            self.kafka.create_topic(topic.name, partitions=1, log_append_time=topic is RESOLVED_EVENTS)
        self.registry = CollectorRegistry()
        inputs = self.kafka.source("route", "one", catalog.INPUT_TOPICS)
        mailbox = self.kafka.source("fold", "one", [catalog.MAILBOX_TOPIC])
        connections = Connections(
            producer=self.kafka.producer("one"),
            store=MemoryStore(self.clock),
            clock=self.clock,
            inputs=inputs,
            mailbox=mailbox,
            mailbox_partitions=1,
            event_partitions=[Partition(topic, 0) for topic in catalog.EVENT_TOPICS],
            draw_profile=lambda: b"profile 16 bytes",
        )
        self.replica = Replica(
            loop=assemble(connections, Options(batch_records=records_max)),
            sources=[inputs, mailbox],
            metrics=Metrics(self.registry),
            clock=self.clock,
            patience=patience,
            bare_name=lambda name: name,
            read_sizes=dict,
        )

    def send(self, count: int) -> None:
        for number in range(count):
            value = {"type": "track", "event": "Viewed", "userId": f"u{number}"}
            self.kafka.append(TRACKING.topic, key=None, value=json.dumps(value).encode())

    def turn(self, turns: int = 1) -> None:
        self.replica.run(Turns(turns))

    def lag_of(self, partition: Partition, *, unit: str) -> float | None:
        labels = {"topic": partition.topic, "partition": str(partition.partition)}
        return self.registry.get_sample_value(f"audience_worker_lag_{unit}", labels)


def test_it_is_ready_when_it_has_partitions_and_little_to_do() -> None:
    world = World()
    assert world.replica.ready() == (False, "starting")
    world.turn(3)
    assert world.replica.ready() == (True, "ready")


def test_it_is_not_ready_when_it_is_too_far_behind() -> None:
    world = World()
    world.send(10)
    world.turn()

    assert world.lag_of(TRACKING, unit="records") == 9
    assert world.replica.ready() == (False, "9 records behind on one partition")
    assert world.registry.get_sample_value("audience_worker_ready") == 0


def test_a_loop_that_does_not_turn_is_neither_alive_nor_ready() -> None:
    world = World(replace(PATIENCE, stall_max_s=-1))  # so that any silence is too long
    world.turn(3)

    assert world.replica.alive() == (False, "the loop has not turned for 0 s")
    assert world.replica.ready() == world.replica.alive()


class Places:
    """``records_behind``: by partition, as a source would say."""

    def __init__(self, records_behind: int) -> None:
        self.records_behind = records_behind

    def look(self, lag: Lag, now_ms: int) -> float:
        source = SimpleNamespace(lag=lambda: {TRACKING: self.records_behind})
        records, seconds = lag.look(cast(Sequence[Source], [source]), now_ms)
        assert records == {TRACKING: self.records_behind}
        return seconds[TRACKING]


def test_lag_in_seconds_is_the_age_of_the_last_record_dealt_with() -> None:
    lag, places = Lag(), Places(5)
    lag.reached({TRACKING: NOON_MS - 90_000})

    assert places.look(lag, NOON_MS) == 90


def test_a_partition_from_which_nothing_comes_ages() -> None:
    """It was said to be 0 s behind until its first record had been dealt with."""
    lag, places = Lag(), Places(5)
    places.look(lag, NOON_MS)

    assert places.look(lag, NOON_MS + 7_000) == 7


def test_a_quiet_partition_is_not_old_with_its_next_record() -> None:
    lag, places = Lag(), Places(0)
    lag.reached({TRACKING: NOON_MS - 3_600_000})
    assert places.look(lag, NOON_MS) == 0
    places.records_behind = 1

    assert places.look(lag, NOON_MS + 1_000) == 1
