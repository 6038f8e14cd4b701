"""Kafka in memory: one broker with topics, consumer groups and transactions, as far as the worker can tell.

For ``simulate``, ``demo`` and tests. Time is the clock that it is given; nothing runs by itself or waits.
"""

from collections.abc import Callable, Iterable

from worker.adapters.memory_broker import MemoryBroker
from worker.adapters.memory_clients import MemoryProducer, MemorySource, MemoryStateLog
from worker.clock import Clock
from worker.ports import Headers, Partition, Record


class MemoryKafka:
    """One broker and its clients.

    Args:
        clock: the broker's time, of records and of what expires.
        on_io: called with the name of each request of a client before it takes effect, and again as
            ``NAME:answer`` after a ``commit``, ``send_offsets`` or ``init_transactions`` did; a test may raise there.
        session_timeout_ms: how long a consumer that closed keeps its partitions.
        transaction_timeout_ms: after how long the broker aborts a transaction that nobody ends.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        on_io: Callable[[str], None] | None = None,
        session_timeout_ms: int = 6_000,
        transaction_timeout_ms: int = 10_000,
    ) -> None:
        self._broker = MemoryBroker(
            clock,
            on_io=on_io or (lambda _: None),
            session_timeout_ms=session_timeout_ms,
            transaction_timeout_ms=transaction_timeout_ms,
        )

    def source(self, group: str, instance: str, topics: Iterable[str]) -> MemorySource:
        """A consumer under a static name; it joins its group at the first poll."""
        return MemorySource(self._broker, group, instance, topics)

    def producer(self, transactional_id: str) -> MemoryProducer:
        """A producer that has not fenced anybody yet: ``replace`` does."""
        return MemoryProducer(self._broker, transactional_id)

    def state_log(self, topic: str) -> MemoryStateLog:
        """What has been logged of states."""
        return MemoryStateLog(self._broker, topic)

    def create_topic(self, topic: str, *, partitions: int, log_append_time: bool = False) -> None:
        """Make a topic; with ``log_append_time`` its records carry the broker's time, not the producer's."""
        self._broker.create_topic(topic, partitions=partitions, log_append_time=log_append_time)

    def append(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Record:
        """Add a record outside any transaction, as a plain producer does; the record with its coordinates."""
        return self._broker.append(
            topic, key=key, value=value, headers=headers, partition=partition, timestamp_ms=timestamp_ms
        )

    def visible(self, topic: str, partition: int, *, start: int = 0) -> list[Record]:
        """What a reader of committed records sees of a partition from an offset on."""
        self._broker.expire_transactions()
        log = self._broker.log(Partition(topic, partition))
        records, _ = log.read(max(start, log.start), log.end)
        return records

    def committed(self, group: str, partition: Partition) -> int | None:
        """The next offset that a group has committed for a partition."""
        return self._broker.group(group).committed.get(partition)

    def delete_before(self, partition: Partition, offset: int) -> None:
        """Remove the records below an offset, as retention does."""
        self._broker.log(partition).delete_before(offset)

    def evict(self, group: str, instance: str) -> None:
        """Throw a consumer out of its group without its knowledge, as its session timeout does."""
        self._broker.group(group).remove(instance)

    def expire_transactions(self) -> None:
        """Abort every open transaction, as its timeout would."""
        self._broker.expire_transactions(all_of_them=True)

    def delay_markers(self, *, until_asked: bool) -> None:
        """Whether a transaction whose end has been decided is carried out only later.

        Kafka answers a commit when it is decided, before the markers are written that make it visible and its offsets
        known. At the latest they are written before the same producer's next transaction, or its successor's first.
        """
        self._broker.markers_wait = until_asked

    def write_markers(self) -> None:
        """Carry out everything that has been decided."""
        self._broker.write_all_markers()
