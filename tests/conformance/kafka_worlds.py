"""Two Kafkas that must not be told apart: the one in memory, and a real one."""

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition
from confluent_kafka import Producer as PlainProducer
from confluent_kafka.admin import AdminClient

from worker.adapters.kafka import KafkaAdmin, KafkaProducer, KafkaSource
from worker.adapters.kafka_state_log import KafkaStateLog
from worker.adapters.memory_kafka import MemoryKafka
from worker.clock import VirtualClock
from worker.ports import Headers, Partition, Producer, Record, Source, StateLog

NOW_MS = 1_736_500_000_000
SESSION_TIMEOUT_MS = 6_000  # no broker allows less by default
TRANSACTION_TIMEOUT_MS = 10_000
ANSWER_TIMEOUT_S = 10.0


class World(Protocol):
    """One Kafka, and clients of it that it closes at the end."""

    def topic(self, *, partitions: int = 1, log_append_time: bool = False) -> str:
        """A new topic; its name."""
        ...

    def source(self, group: str, instance: str, *topics: str) -> Source: ...

    def producer(self, transactional_id: str) -> Producer:
        """One that has not announced itself yet."""
        ...

    def state_log(self, topic: str) -> StateLog: ...

    def append(
        self,
        topic: str,
        value: bytes | None,
        *,
        partition: int = 0,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int = NOW_MS,
    ) -> int:
        """Produce one record as anybody would, without a transaction; its offset."""
        ...

    def visible(self, topic: str, partition: int = 0) -> list[Record]:
        """What a reader of committed records gets of a whole partition."""
        ...

    def delete_before(self, partition: Partition, offset: int) -> None: ...

    def sessions_end(self) -> None:
        """Let the time pass after which the group gives up members that are gone."""
        ...

    def transactions_end(self) -> None:
        """Let the time pass after which open transactions are aborted."""
        ...

    def until(self, holds: Callable[[], bool]) -> bool:
        """Try until something holds; whether it did in the end."""
        ...

    def close(self) -> None: ...


class MemoryWorld:
    """See ``World``."""

    def __init__(self) -> None:
        self._clock = VirtualClock(NOW_MS)
        self._kafka = MemoryKafka(self._clock, session_timeout_ms=SESSION_TIMEOUT_MS)
        self._topics = 0

    def topic(self, *, partitions: int = 1, log_append_time: bool = False) -> str:
        self._topics += 1
        name = f"topic-{self._topics}"
        self._kafka.create_topic(name, partitions=partitions, log_append_time=log_append_time)
        return name

    def source(self, group: str, instance: str, *topics: str) -> Source:
        return self._kafka.source(group, instance, topics)

    def producer(self, transactional_id: str) -> Producer:
        return self._kafka.producer(transactional_id)

    def state_log(self, topic: str) -> StateLog:
        return self._kafka.state_log(topic)

    def append(
        self,
        topic: str,
        value: bytes | None,
        *,
        partition: int = 0,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int = NOW_MS,
    ) -> int:
        return self._kafka.append(
            topic, partition=partition, key=key, value=value, headers=headers, timestamp_ms=timestamp_ms
        ).offset

    def visible(self, topic: str, partition: int = 0) -> list[Record]:
        return self._kafka.visible(topic, partition)

    def delete_before(self, partition: Partition, offset: int) -> None:
        self._kafka.delete_before(partition, offset)

    def sessions_end(self) -> None:
        self._clock.advance_to(self._clock.now_ms() + SESSION_TIMEOUT_MS)

    def transactions_end(self) -> None:
        self._clock.advance_to(self._clock.now_ms() + TRANSACTION_TIMEOUT_MS + 1)

    def until(self, holds: Callable[[], bool]) -> bool:
        return any(holds() for _ in range(10))

    def close(self) -> None:
        """Nothing is left behind."""


class RealWorld:
    """See ``World``. Topics, groups and ids get names of their own, so that one broker serves all tests."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._run = uuid4().hex[:8]
        self._admin = KafkaAdmin(servers)
        self._topics = 0
        self._clients: list[Source | Producer | KafkaStateLog] = []
        self._plain = PlainProducer({"bootstrap.servers": servers, "linger.ms": 0})

    def topic(self, *, partitions: int = 1, log_append_time: bool = False) -> str:
        self._topics += 1
        name = f"{self._run}-topic-{self._topics}"
        config = {"message.timestamp.type": "LogAppendTime"} if log_append_time else {}
        self._admin.create([_Topic(name, partitions, config=config)])
        return name

    def source(self, group: str, instance: str, *topics: str) -> Source:
        source = KafkaSource(
            self._servers,
            topics=topics,
            group=f"{self._run}-{group}",
            instance_id=instance,
            session_timeout_ms=SESSION_TIMEOUT_MS,
        )
        self._clients.append(source)
        return source

    def producer(self, transactional_id: str) -> Producer:
        producer = KafkaProducer(
            self._servers,
            transactional_id=f"{self._run}-{transactional_id}",
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        )
        self._clients.append(producer)
        return producer

    def state_log(self, topic: str) -> StateLog:
        log = KafkaStateLog(self._servers, topic)
        self._clients.append(log)
        return log

    def append(
        self,
        topic: str,
        value: bytes | None,
        *,
        partition: int = 0,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int = NOW_MS,
    ) -> int:
        offsets: list[int] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            assert error is None, error
            offsets.append(int(message.offset() or 0))

        self._plain.produce(
            topic,
            value,
            key,
            partition,
            delivered,
            timestamp=timestamp_ms,
            headers=list(headers),
        )
        assert self._plain.flush(ANSWER_TIMEOUT_S) == 0
        return offsets[0]

    def visible(self, topic: str, partition: int = 0) -> list[Record]:
        reader = Consumer(
            {
                "bootstrap.servers": self._servers,
                "group.id": "reader",  # the client demands one; nothing is committed
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
            }
        )
        reader.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
        records: list[Record] = []
        try:
            while (message := reader.poll(ANSWER_TIMEOUT_S)) is not None and message.error() is None:
                records.append(_record(message))
        finally:
            reader.close()
        return records

    def delete_before(self, partition: Partition, offset: int) -> None:
        place = TopicPartition(*partition, offset)
        admin = AdminClient({"bootstrap.servers": self._servers})
        [answer] = admin.delete_records([place]).values()
        answer.result(ANSWER_TIMEOUT_S)

    def sessions_end(self) -> None:
        """Time passes by itself; ``until`` waits for long enough."""

    def transactions_end(self) -> None:
        """The same."""

    def until(self, holds: Callable[[], bool]) -> bool:
        deadline_s = time.monotonic() + 3 * SESSION_TIMEOUT_MS / 1_000
        while not holds():
            if time.monotonic() > deadline_s:
                return False
        return True

    def close(self) -> None:
        for client in self._clients:
            client.close()


class _Topic(NamedTuple):
    name: str
    partitions: int
    replication_factor: int = 1
    config: dict[str, str] = {}  # noqa: RUF012 - a named tuple's default; nobody writes to it


def _record(message: Message) -> Record:
    return Record(
        str(message.topic()),
        int(message.partition() or 0),
        int(message.offset() or 0),
        int(message.timestamp()[1]),
        _bytes(message.key()),
        _bytes(message.value()),
        list(message.headers() or ()),  # type: ignore[arg-type]  # bytes, as it is read
    )


def _bytes(content: str | bytes | None) -> bytes | None:
    return content.encode() if isinstance(content, str) else content
