"""The broker as the harness uses it: topics, backlogs, committed offsets and a reader of what is there."""

import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it re-exports them without saying so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from tests.benchmarks.events import Event

INPUT_PARTITIONS = 4
ANSWER_TIMEOUT_S = 30.0
NO_COORDINATOR_YET = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
}
QUIET = {"log_level": 2}  # the client's own log: what is critical, not every closed connection
UNCOMMITTED = {"isolation.level": "read_uncommitted"}
FOREVER = {"retention.ms": "-1"}  # the backlog is older than the default retention


class Received(NamedTuple):
    """A record as the reader saw it: when it could be read (seconds of the wall clock), and its value."""

    at_s: float
    value: bytes


class Cluster:
    """One Kafka, reached at ``servers``."""

    def __init__(self, servers: str) -> None:
        self.servers = servers
        self._admin = AdminClient({"bootstrap.servers": servers, **QUIET})
        self._askers: dict[str, Consumer] = {}

    def create(self, *topics: str, partitions: int = INPUT_PARTITIONS) -> None:
        fresh = [NewTopic(name, num_partitions=partitions, replication_factor=1, config=FOREVER) for name in topics]
        for answer in self._admin.create_topics(fresh).values():
            answer.result(ANSWER_TIMEOUT_S)

    def keep_forever(self, *topics: str) -> None:
        """Keep records whatever their timestamps: a backlog is ten days old when it is read."""
        changes = [
            ConfigResource(
                ResourceType.TOPIC,
                topic,
                incremental_configs=[
                    ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                    for name, value in FOREVER.items()
                ],
            )
            for topic in topics
        ]
        for answer in self._admin.incremental_alter_configs(changes).values():
            answer.result(ANSWER_TIMEOUT_S)

    def delete_all_of(self, run: str) -> None:
        """Delete every topic that has the name of a run in its own; nobody will ask for its groups any more."""
        for group in [group for group in self._askers if run in group]:
            self._askers.pop(group).close()
        mine = [topic for topic in self._topics() if run in topic]
        if mine:
            for answer in self._admin.delete_topics(mine).values():
                answer.result(ANSWER_TIMEOUT_S)

    def partitions(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for number in range(self._topics()[topic])]

    def committed(self, group: str, topic: str) -> int:
        """Sum of a group's committed offsets; nothing committed counts as 0."""
        return sum(max(0, place.offset) for place in self._committed_places(group, topic))

    def has_unread(self, group: str, topic: str) -> bool:
        """Whether any record that can be read (committed, no transaction marker) is beyond a group's offsets.

        The difference of two offsets cannot say it: markers occupy offsets that nobody ever reads.
        """
        places = self._committed_places(group, topic)
        for place in places:
            place.offset = place.offset if place.offset >= 0 else OFFSET_BEGINNING
        return self._readable_from(places)

    def _committed_places(self, group: str, topic: str) -> list[TopicPartition]:
        """Asked through a consumer that never joins the group.

        The admin client has a call for it, but ends the process when it asks before the group has a coordinator
        (librdkafka issue 5040).
        """
        asker = self._askers.get(group)
        if asker is None:
            # Uncommitted: else the broker would not answer as long as a transaction is about to change the offsets.
            asker = self._askers[group] = _reader(self.servers, {"group.id": group, **UNCOMMITTED})
        asked = self.partitions(topic)
        deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
        while True:
            try:
                return asker.committed(asked, timeout=ANSWER_TIMEOUT_S)
            except KafkaException as error:
                # A broker that has just started, or a group that has, has no coordinator yet.
                if error.args[0].code() not in NO_COORDINATOR_YET or time.monotonic() > deadline_s:
                    raise
                time.sleep(0.1)

    def _readable_from(self, starts: Sequence[TopicPartition]) -> bool:
        consumer = _reader(self.servers, {"enable.partition.eof": True})
        try:
            consumer.assign(list(starts))
            ended = 0
            deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
            while ended < len(starts):
                if time.monotonic() > deadline_s:
                    raise TimeoutError(f"no end of {starts[0].topic} in sight")
                for message in consumer.consume(1, 0.1):
                    error = message.error()
                    if error is None:
                        return True
                    ended += error.code() == KafkaError._PARTITION_EOF
            return False
        finally:
            consumer.close()

    def _topics(self) -> dict[str, int]:
        found = self._admin.list_topics(timeout=ANSWER_TIMEOUT_S).topics
        return {name: len(metadata.partitions) for name, metadata in found.items()}


class Feed:
    """Writes events to one topic, keyed by user, the record's timestamp being the event's.

    ``linger_ms`` 0 sends each record at once (latency); a backlog is written in larger batches.
    """

    def __init__(self, cluster: Cluster, topic: str, *, linger_ms: int = 20) -> None:
        self._topic = topic
        self._producer = Producer(
            {
                "bootstrap.servers": cluster.servers,
                **QUIET,
                "enable.idempotence": True,  # a retry must not put a record behind later ones
                "linger.ms": linger_ms,
                "partitioner": "murmur2_random",
                "queue.buffering.max.messages": 200_000,
            }
        )

    def send(self, event: Event) -> None:
        while True:
            try:
                self._producer.produce(self._topic, event.value, event.user.encode(), timestamp=event.at_ms)
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def finish(self) -> None:
        left = self._producer.flush(ANSWER_TIMEOUT_S * 4)
        if left:
            raise TimeoutError(f"{left} records could not be written to {self._topic}")


def fill(cluster: Cluster, topic: str, events: Iterable[Event]) -> None:
    """Write a backlog; returns when the broker has all of it."""
    feed = Feed(cluster, topic)
    for event in events:
        feed.send(event)
    feed.finish()


class Reader:
    """Collects what becomes readable (read_committed) in a topic, with the time at which it did.

    ``skip``: leave out what is there already. ``value_bytes_max``: read larger values, but do not keep them.
    """

    def __init__(self, cluster: Cluster, topic: str, *, skip: bool = False, value_bytes_max: int | None = None) -> None:
        self._consumer = _reader(cluster.servers, {})
        places = cluster.partitions(topic)
        for place in places:
            place.offset = self._end(place) if skip else OFFSET_BEGINNING
        self._consumer.assign(places)
        self._value_bytes_max = sys.maxsize if value_bytes_max is None else value_bytes_max
        self._received: list[Received] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self._consumer.close()

    def received(self) -> list[Received]:
        """Everything so far, in order of arrival."""
        return self._received.copy()

    def wait_for(self, count: int, *, timeout_s: float) -> list[Received]:
        """Everything, once there are ``count`` records or the time is over."""
        deadline_s = time.monotonic() + timeout_s
        while len(self._received) < count and time.monotonic() < deadline_s:
            time.sleep(0.05)
        return self.received()

    def settle(self, *, quiet_s: float) -> list[Received]:
        """Everything, once nothing new has come for a while."""
        count = -1
        while count != len(self._received):
            count = len(self._received)
            time.sleep(quiet_s)
        return self.received()

    def _end(self, place: TopicPartition) -> int:
        _, end = self._consumer.get_watermark_offsets(place, timeout=ANSWER_TIMEOUT_S)
        return int(end)

    def _read(self) -> None:
        while not self._stopped.is_set():
            # Waiting for the first one only: a call that waits for more would add its wait to the latency.
            messages = self._consumer.consume(1, 0.1) or []
            messages += self._consumer.consume(1_000, 0) if messages else []
            now_s = time.time()
            self._received += [
                Received(now_s, value)
                for message in messages
                if message.error() is None and (value := message.value()) is not None
                if len(value) <= self._value_bytes_max
            ]


def _reader(servers: str, more: Mapping[str, object]) -> Consumer:
    """A consumer of committed records, unless ``more`` says otherwise."""
    return Consumer(
        {
            "bootstrap.servers": servers,
            **QUIET,
            "group.id": "benchmark-reader",  # the client demands one; nothing is ever committed
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 10,
            **more,
        }
    )
