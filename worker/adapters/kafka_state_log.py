"""The log of states, read back: see ``worker.ports.StateLog``."""

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from worker.adapters.kafka_client import CLIENT_LOG, Properties, configuring, merged, one_line
from worker.adapters.kafka_reader import record_of
from worker.errors import DependencyError
from worker.ports import LogTail, Record
from worker.profiles.log import reach, tail

ANSWER_TIMEOUT_S = 5.0
"""Without a record or the end for so long, the brokers do not answer, or a transaction is open. Whoever asks tries
again."""

LAST_RECORDS = 10
"""So many offsets before the end the last record is looked for; ten times as many when these hold markers only."""

RECORDS_A_CALL = 10_000


class KafkaStateLog:
    """Nothing is asked of the brokers before the first ``latest``."""

    def __init__(self, servers: str, topic: str, *, properties: Properties | None = None) -> None:
        """``topic``: its full name. ``properties``: the user's.

        Raises:
            InputError: there is no such property, or it cannot have this value.
        """
        self._topic = topic
        fixed: Properties = {
            "bootstrap.servers": servers,
            "group.id": "unused",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",  # what retention or compaction has removed is passed over
            "enable.partition.eof": True,
            "allow.auto.create.topics": False,
        }
        with configuring():
            self._consumer = Consumer(merged({"fetch.wait.max.ms": 20}, properties or {}, fixed), logger=CLIENT_LOG)

    def latest(self, partition: int, horizon_ms: int) -> LogTail | None:
        """See ``StateLog.latest``.

        Raises:
            DependencyError: a transaction is still open, or nobody answers.
        """
        try:
            return self._latest(TopicPartition(self._topic, partition), horizon_ms)
        except KafkaException as error:
            raise DependencyError(f"Kafka: {self._topic}-{partition}: {one_line(error)}") from error
        finally:
            self._consumer.unassign()

    def _latest(self, place: TopicPartition, horizon_ms: int) -> LogTail | None:
        low, end = self._consumer.get_watermark_offsets(place, ANSWER_TIMEOUT_S)
        last = self._last(place, low, end)
        if last is None:
            return None
        records = self._read(place, self._first(place, last.timestamp_ms - horizon_ms))
        since_ms = reach(records, horizon_ms)
        if since_ms < records[-1].timestamp_ms - horizon_ms:
            records = self._read(place, self._first(place, since_ms))
        return tail(records, since_ms)

    def _first(self, place: TopicPartition, since_ms: int) -> int:
        """The offset of the first record from a time on."""
        asked = [TopicPartition(place.topic, place.partition, max(0, since_ms))]
        (first,) = self._consumer.offsets_for_times(asked, ANSWER_TIMEOUT_S)
        if first.error is not None:
            raise KafkaException(first.error)
        return int(first.offset)

    def _last(self, place: TopicPartition, low: int, end: int) -> Record | None:
        """Markers of transactions take offsets too, so the last record is not simply the one before the end."""
        back = LAST_RECORDS
        while True:
            start = max(low, end - back)
            if records := self._read(place, start):
                return records[-1]
            if start == low:
                return None
            back *= 10

    def _read(self, place: TopicPartition, start: int) -> list[Record]:
        """Committed records from an offset to the end, when no transaction is open there."""
        self._consumer.assign([TopicPartition(place.topic, place.partition, start)])
        records: list[Record] = []
        heard_s = time.monotonic()
        while True:
            messages = self._consumer.consume(RECORDS_A_CALL, 0.05)
            for message in messages:
                error = message.error()
                if error is None:
                    heard_s = time.monotonic()
                    records.append(record_of(message, message.headers() or ()))  # type: ignore[arg-type]  # bytes
                elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own codes are named so
                    raise KafkaException(error)
                elif int(message.offset() or 0) >= self._end(place):
                    return records
            if time.monotonic() - heard_s > ANSWER_TIMEOUT_S:
                raise DependencyError(f"Kafka: {place.topic}-{place.partition}: a transaction is open at its end")

    def _end(self, place: TopicPartition) -> int:
        """As of the last answer to a fetch. Asked for, it would be that of committed records only."""
        _, end = self._consumer.get_watermark_offsets(place, cached=True)
        return int(end)

    def close(self) -> None:
        """Let go of the connections."""
        self._consumer.close()
