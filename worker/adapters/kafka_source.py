"""A member of a consumer group that never moves by itself: see ``worker.ports.Source``.

Offsets are always given explicitly. Left to itself, librdkafka would begin where ``auto.offset.reset`` says when a
commit is gone, silently; and a commit that a transaction is about to change would be read as it was before.
Sources: librdkafka, "Configuration properties"; Apache Kafka, KIP-447 (stable offsets), KIP-345 (static members);
ARCHITECTURE.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import methodcaller
from typing import Any

import structlog
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from worker.adapters.kafka_admin import KafkaAdmin
from worker.adapters.kafka_client import CLIENT_LOG, Properties, configuring, merged, one_line
from worker.adapters.kafka_offsets import ANSWER_TIMEOUT_S, by_partition, stable_offsets
from worker.errors import DependencyError, SupersededError
from worker.ports import Partition, Poll, Record

DEFAULTS: Properties = {
    # Prefetched beyond the batch in hand. Fewer: consumption stalls; more: 90 MB at the default of 100,000.
    "queued.min.messages": 20_000,
    # Before fetching again once that much is there. The default of 1 s stalls a queue this short.
    "fetch.queue.backoff.ms": 5,
    "fetch.error.backoff.ms": 50,
    # A fetch that finds nothing waits so long at the broker, and other questions to that broker queue behind it.
    # Longer: a new assignment takes as long; shorter: more idle requests.
    "fetch.wait.max.ms": 20,
    # Between two polls. A batch that waits for Redis for longer gives its partitions up and starts afresh.
    "max.poll.interval.ms": 300_000,
}
FIXED: Properties = {
    "isolation.level": "read_committed",  # and, in librdkafka, commits are read only when they are stable
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "partition.assignment.strategy": "cooperative-sticky",
    "enable.partition.eof": True,
    "allow.auto.create.topics": False,
}

DROPS_MAX, DROPPED_AT_ONCE = 20, 1_000
"""Records that are taken and dropped to come to a rebalance, which is not ahead of what has been fetched before it:
as many as are fetched beforehand."""

_headers = methodcaller("headers")
"""Over a name that is not UTF-8 the client returns a broken list *and* sets an exception. CPython notices that in a
call from C, as this is; in a loop that has become hot it omits the check, and the list would get through."""


class KafkaSource:
    """One consumer. Nothing is asked of the brokers before the first ``poll``."""

    def __init__(
        self,
        servers: str,
        *,
        topics: Sequence[str],
        group: str,
        instance_id: str,
        properties: Properties | None = None,
        session_timeout_ms: int = 10_000,
        batch_bytes_max: int = 16 * 1024 * 1024,
    ) -> None:
        """Make a member of ``group`` under a stable name.

        ``instance_id``: makes the member static. Restarted within the session timeout it gets its partitions back
        without a rebalance; and a member that was thrown out cannot commit in a transaction unnoticed, because
        the broker then checks its metadata. ``session_timeout_ms``: brokers allow no less than 6 s by default.
        ``batch_bytes_max``: prefetched at most, so that a batch has no more (give or take one fetch).
        ``properties``: the user's, which win over the defaults here.

        Raises:
            InputError: there is no such property, or it cannot have this value.
        """
        self._configuration = merged(
            {
                **DEFAULTS,
                "queued.max.messages.kbytes": batch_bytes_max // 1024,
                "fetch.max.bytes": batch_bytes_max,
            },
            properties or {},
            {
                **FIXED,
                "bootstrap.servers": servers,
                "group.id": group,
                "group.instance.id": instance_id,
                "session.timeout.ms": session_timeout_ms,
                "heartbeat.interval.ms": session_timeout_ms // 5,
            },
        )
        # A connection of its own: on the consumer's, a question would wait for the fetch before it.
        self._admin = KafkaAdmin(servers, properties, answer_timeout_s=ANSWER_TIMEOUT_S)
        self._topics = list(topics)
        self._positions: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._lost: set[Partition] = set()
        self._changed = False
        self._in_doubt = False
        self._fatal: str | None = None
        self._start()

    def _start(self) -> None:
        with configuring():
            self._consumer = Consumer(self._configuration, logger=CLIENT_LOG)
        self._consumer.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def poll(self, limit: int, timeout_s: float, *, awaited: int = 1) -> Poll:
        """See ``Source.poll``. Records of one partition are in order, and mostly next to each other.

        Raises:
            DependencyError: the group or the log is not as it was, or nobody answers; the next poll begins at the
                committed offsets.
            SupersededError: another consumer has taken this one's name.
        """
        if self._in_doubt:
            self.rewind()
        self._lost.clear()
        # Waiting for what is awaited only: a call for more waits for all of them, or for the whole time.
        messages = self._consume(min(awaited, limit), timeout_s)
        if messages and limit > len(messages):
            messages += self._consume(limit - len(messages), 0)
        records = self._records(messages)
        if not self._lost.isdisjoint(self._positions):
            # Lost and given back within one poll: which of the two times a record is from cannot be told.
            self.rewind()
            records = []
        changed, self._changed = self._changed, False
        return Poll(records, self._consumer.consumer_group_metadata(), changed)

    def _consume(self, count: int, timeout_s: float) -> list[Message]:
        try:
            return self._consumer.consume(count, timeout_s)
        except KafkaException as error:
            raise self._doubt(one_line(error)) from error
        except DependencyError:  # of a callback of ours
            self._in_doubt = True
            raise

    def _records(self, messages: Iterable[Any]) -> list[Record]:
        """Records of what is owned now. The hot path: a plain tuple finds a ``Partition`` in a dictionary too."""
        records: list[Record] = []
        add, new = records.append, tuple.__new__  # a named tuple's own way to be made takes twice as long
        positions, ends = self._positions, self._ends
        for message in messages:
            error = message.error()
            if error is not None:
                self._take_notice(message, error)
                continue
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            where = (topic, partition)
            if where not in positions:
                continue
            try:
                headers = _headers(message) or ()
            except (SystemError, UnicodeDecodeError):
                # The client fails over a name that is not UTF-8. Anybody may send one, and it would come back
                # for ever, so the record counts without its headers.
                headers = ()
            stamp = message.timestamp()[1]
            content = (topic, partition, offset, stamp, message.key(), message.value(), headers)
            add(new(Record, content))
            positions[where] = offset + 1
            if ends:
                ends.pop(where, None)
        return records

    def _take_notice(self, message: Message, error: KafkaError) -> None:
        """The end of a partition is no error; all else is."""
        where = f"{message.topic()}-{message.partition()}"
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own codes are named so
            partition = Partition(str(message.topic()), int(message.partition() or 0))
            if partition in self._positions:
                self._ends[partition] = int(message.offset() or 0)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
            raise self._doubt(f"{where}: offset {message.offset()} is gone from the log ({one_line(error)})")
        elif error.code() == KafkaError._FATAL:  # noqa: SLF001 - `fatal()` is false of an error that comes as a message
            self._in_doubt, self._fatal = True, one_line(error)
            raise self._superseded(self._fatal)
        else:
            raise self._doubt(f"{where}: {one_line(error)}" if message.topic() else one_line(error))

    def _doubt(self, reason: str) -> DependencyError:
        self._in_doubt = True
        return DependencyError(f"Kafka: {reason}")

    @staticmethod
    def _superseded(reason: str) -> SupersededError:
        """A consumer is told to stop for one reason only: its static name is another's now (KIP-345)."""
        return SupersededError(f"Kafka: this consumer cannot go on: {reason}")

    # Rebalances: called in the middle of a poll.

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            places = stable_offsets(consumer, by_partition(partitions))
        except DependencyError:
            # The assignment has to be taken all the same. Its records are not: ``rewind`` comes before any other.
            places = [TopicPartition(each.topic, each.partition, OFFSET_END) for each in partitions]
            self._take(consumer, places)
            raise
        self._take(consumer, places)

    def _take(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        consumer.incremental_assign(places)
        self._positions.update(by_partition(places))
        self._changed |= bool(places)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in by_partition(partitions):
            self._positions.pop(partition, None)
            self._ends.pop(partition, None)
            self._lost.add(partition)
        self._changed |= bool(partitions)
        consumer.incremental_unassign(partitions)

    def assignment(self) -> frozenset[Partition]:
        """See ``Source.assignment``."""
        return frozenset(self._positions)

    def position(self, partition: Partition) -> int:
        """See ``Source.position``."""
        return self._positions[partition]

    def at_end(self) -> frozenset[Partition]:
        """See ``Source.at_end``. Asks the brokers: what a consumer knows by itself may be old.

        A partition at whose end a transaction is open is not there: what it will add may be older than now. When
        nobody answers, nothing is known to be at its end.
        """
        if not self._ends:
            return frozenset()
        try:
            ends = self._admin.stable_ends(self._ends)
        except DependencyError as error:
            structlog.get_logger().warning("ends_unknown", error=str(error), hint="exits wait until they are known")
            return frozenset()
        return frozenset(
            partition
            for partition, end in ends.items()
            if max(end, self._known_end(partition)) <= self._ends[partition]
        )

    def lag(self) -> Mapping[Partition, int]:
        """See ``Source.lag``. 0 where nothing has been fetched yet."""
        return {
            partition: max(0, self._known_end(partition) - self._ends.get(partition, position))
            for partition, position in self._positions.items()
        }

    def _known_end(self, partition: Partition) -> int:
        """The end as of the last answer to a fetch, open transactions included; negative when unknown."""
        _, end = self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)
        return int(end)

    def rewind(self) -> None:
        """See ``Source.rewind``.

        Raises:
            DependencyError: the committed offsets are not stable yet, or nobody answers.
            SupersededError: another consumer has taken this one's name.
        """
        self._in_doubt = self._changed = True
        if self._fatal is not None:
            raise self._superseded(self._fatal)
        self._attend()
        places = stable_offsets(self._consumer, self._positions)
        try:
            for place in places:
                self._consumer.seek(place)
        except KafkaException:
            # A partition that has stopped (its offset is gone, say) cannot be sought; a new member can begin.
            self._restart()
        else:
            self._positions.update(by_partition(places))
            self._ends.clear()
        self._in_doubt = False

    def _attend(self) -> None:
        """Hear of what has been revoked. Whoever has it now may commit so often that its offsets are never stable."""
        for _ in range(DROPS_MAX):
            messages = self._consume(DROPPED_AT_ONCE, 0)
            for message in messages:
                error = message.error()
                if error is not None and error.code() == KafkaError._FATAL:  # noqa: SLF001
                    self._take_notice(message, error)
            if len(messages) < DROPPED_AT_ONCE:
                return

    def _restart(self) -> None:
        self._consumer.close()
        self._positions.clear()
        self._ends.clear()
        self._start()

    def close(self) -> None:
        """Stop. A static member does not leave: its partitions wait for it until the session times out."""
        self._consumer.close()
