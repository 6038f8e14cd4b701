"""Kafka as anybody else's client sees it: a producer, a reader of committed records, a look at a group's offsets.

Nothing of the worker is used to watch the worker.
"""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it re-exports them without saying so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

ANSWER_TIMEOUT_S = 30.0  # a busy machine has taken ten
QUIET = {"log_level": 2}  # the client's own log: what is critical, not every closed connection


class Sent(NamedTuple):
    """A record to be written. ``timestamp_ms``: the record's own, as its producer says it."""

    topic: str
    key: bytes | None
    value: bytes | None
    timestamp_ms: int


class Received(NamedTuple):
    """A committed record as it was read. ``timestamp_ms``: the record's own, or when it was appended."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]
    timestamp_ms: int


class Broker:
    """One Kafka. Shared by all tests, so every topic that is named here has a prefix of its own."""

    def __init__(self, servers: str) -> None:
        self.servers = servers
        self._admin = AdminClient({"bootstrap.servers": servers, **QUIET})

    def topics(self, prefix: str) -> list[str]:
        """Names of the topics that begin so."""
        return sorted(
            name for name in self._admin.list_topics(timeout=ANSWER_TIMEOUT_S).topics if name.startswith(prefix)
        )

    def keep_forever(self, topics: Iterable[str]) -> None:
        """Keep records whatever their timestamps: the examples are years old."""
        forever = ConfigEntry("retention.ms", "-1", incremental_operation=AlterConfigOpType.SET)
        changes = [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[forever]) for topic in topics]
        for answer in self._admin.incremental_alter_configs(changes).values():
            answer.result(ANSWER_TIMEOUT_S)

    def delete(self, topics: Iterable[str]) -> None:
        """Returns when the controller has; brokers may know of them for a moment longer."""
        named = list(topics)
        for answer in self._admin.delete_topics(named).values() if named else ():
            answer.result(ANSWER_TIMEOUT_S)

    def write(self, records: Iterable[Sent]) -> None:
        """Write in order, partitioned by key as other clients do; returns when the broker has everything.

        Raises:
            TimeoutError: it has not taken all of it.
        """
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failures.append(error)

        producer = Producer(
            {
                "bootstrap.servers": self.servers,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,  # so that a retry does not change the order
                "queue.buffering.max.messages": 200_000,
                **QUIET,
            }
        )
        for topic, key, value, timestamp_ms in records:
            producer.produce(topic, value, key, on_delivery=delivered, timestamp=timestamp_ms)
            producer.poll(0)
        if producer.flush(ANSWER_TIMEOUT_S) or failures:
            raise TimeoutError(f"the broker did not take every record: {failures[:1]}")

    def read(self, topic: str) -> list[Received]:
        """Every committed record, partition by partition, in the order of its offsets."""
        partitions = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in self._partitions(topic)]
        found: defaultdict[int, list[Received]] = defaultdict(list)
        with closing(self._consumer("reader")) as consumer:
            consumer.assign(partitions)
            ended: set[int] = set()
            while len(ended) < len(partitions):
                for message in _consumed(consumer, topic):
                    if message.error() is None:
                        found[int(message.partition() or 0)].append(_received(message))
                    else:
                        ended.add(int(message.partition() or 0))
        return [record for _, records in sorted(found.items()) for record in records]

    def has_read_all(self, group: str, topic: str) -> bool:
        """Whether a group has committed everything that the topic has, and no transaction is open in it.

        A difference of offsets cannot say it: the markers of transactions occupy offsets that nobody ever reads.
        """
        with closing(self._consumer(group)) as consumer:
            ends = self._ends(topic)
            places = consumer.committed([TopicPartition(topic, number) for number in ends], ANSWER_TIMEOUT_S)
            behind = [place for place in places if place.offset < ends[place.partition]]
            for place in behind:
                place.offset = max(place.offset, 0)
            consumer.assign(behind)
            ended: set[int] = set()
            while len(ended) < len(behind):
                for message in _consumed(consumer, topic):
                    number = int(message.partition() or 0)
                    if message.error() is None or int(message.offset() or 0) < ends[number]:
                        return False
                    ended.add(number)
            return True

    def committed(self, group: str, topic: str) -> int:
        """The sum of a group's committed offsets in a topic."""
        with closing(self._consumer(group)) as consumer:
            asked = [TopicPartition(topic, number) for number in self._partitions(topic)]
            return sum(max(place.offset, 0) for place in consumer.committed(asked, ANSWER_TIMEOUT_S))

    def _ends(self, topic: str) -> dict[int, int]:
        """Where each partition ends, records of open transactions included."""
        with closing(self._consumer("reader", **{"isolation.level": "read_uncommitted"})) as consumer:
            return {
                number: consumer.get_watermark_offsets(TopicPartition(topic, number), ANSWER_TIMEOUT_S)[1]
                for number in self._partitions(topic)
            }

    def _partitions(self, topic: str) -> list[int]:
        return sorted(self._admin.list_topics(topic, timeout=ANSWER_TIMEOUT_S).topics[topic].partitions)

    def _consumer(self, group: str, **properties: str) -> Consumer:
        """It never joins the group nor commits: the name is only good for asking."""
        return Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": group,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 10,
                **QUIET,
                **properties,
            }
        )


def _consumed(consumer: Consumer, topic: str) -> list[Message]:
    """The next records and ends of partitions.

    Raises:
        TimeoutError: there is neither a record nor an end.
    """
    messages: list[Message] = consumer.consume(1_000, 0.1) or consumer.consume(1, ANSWER_TIMEOUT_S)
    if not messages:
        raise TimeoutError(f"no end of {topic} in sight")
    for message in messages:
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise RuntimeError(error.str())
    return messages


def _received(message: Message) -> Received:
    headers: list[Any] = list(message.headers() or ())
    return Received(
        int(message.partition() or 0),
        int(message.offset() or 0),
        _bytes(message.key()),
        _bytes(message.value()),
        {name: bytes(value) for name, value in headers},
        message.timestamp()[1],
    )


def _bytes(content: str | bytes | None) -> bytes | None:
    return content.encode() if isinstance(content, str) else content
