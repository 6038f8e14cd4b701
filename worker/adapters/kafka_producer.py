"""A transactional producer under a stable id: see ``worker.ports.Producer``.

Nothing is retried here that librdkafka does not retry by itself. A refusal, an abort or a doubt ends the producer, and
the next one under the same id ends what this one left open.
Sources: librdkafka, "Transactional producer"; Apache Kafka, KIP-98 and KIP-447; ARCHITECTURE.md.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from worker.adapters.aside import Aside
from worker.adapters.kafka_client import CLIENT_LOG, Properties, configuring, merged, one_line
from worker.errors import SupersededError, TransactionRefusedError
from worker.ports import Headers, Partition

INIT_TIMEOUT_S = 15.0
"""For a new producer. Shorter: a transaction coordinator that has just moved does not get ready in time; longer: the
process looks stuck."""

CONNECT_TIMEOUT_S = 1.0
"""Only spares time; see ``replace``."""

ABORT_TIMEOUT_S = 2.0
"""An abort is a courtesy to readers, who then need not wait for the successor."""

OVERDUE_S = 2.0
"""After its own timeout, before a call counts as one that never returns. ``send_offsets_to_transaction`` does not keep
to its timeout when the connection to the group's coordinator ends at the wrong moment (librdkafka, issue 5456)."""

FULL_WAIT_S = 0.01
"""For room in the queue: about what it takes to send a batch of it."""

DEFAULTS: Properties = {
    "linger.ms": 0,  # the end of a transaction sends what there is; lingering would only add to it
    # After a refusal that passes, of which every transaction meets one: the broker is still writing the end of
    # the one before. At the default of 100 ms a transaction takes 30 ms, at 1 ms it takes 7.
    "retry.backoff.ms": 1,
    "retry.backoff.max.ms": 200,
    # No limit of ours beside the topic's own: a record that the broker would take must not be refused here.
    "message.max.bytes": 128 * 1024 * 1024,
}
FIXED: Properties = {
    "enable.idempotence": True,
    "acks": "all",
    "partitioner": "murmur2_random",  # the Java client's, so that keys meet in the partitions that others expect
    "allow.auto.create.topics": False,
}


class KafkaProducer:
    """One transactional id. There is no producer behind it before the first ``replace``."""

    def __init__(
        self,
        servers: str,
        *,
        transactional_id: str,
        properties: Properties | None = None,
        transaction_timeout_ms: int = 10_000,
        init_timeout_s: float = INIT_TIMEOUT_S,
    ) -> None:
        """``transaction_timeout_ms``: after which the broker ends what a dead producer left open; readers wait
        so long. It bounds the calls within a transaction too. ``properties``: the user's, which win over the
        defaults here.
        """
        self._configuration = merged(
            DEFAULTS,
            properties or {},
            {
                **FIXED,
                "bootstrap.servers": servers,
                "transactional.id": transactional_id,
                "transaction.timeout.ms": transaction_timeout_ms,
            },
        )
        self._timeout_s = transaction_timeout_ms / 1_000
        self._init_timeout_s = init_timeout_s
        self._client: Producer | None = None
        self._open = False
        self._refused = False
        self._aside: Aside | None = None

    def begin(self) -> None:
        """See ``Producer.begin``."""
        with self._transaction("begin") as client:
            client.begin_transaction()
            self._open = True

    def produce(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> None:
        """See ``Producer.produce``. A record that the broker refuses is noticed at the commit, at the latest."""
        more: dict[str, Any] = {} if partition is None else {"partition": partition}
        if headers:
            more["headers"] = list(headers)
        if self._client is None or self._refused:
            raise self._unusable()
        try:
            self._client.produce(topic, value, key, **more)
        except BufferError:
            self._produce_when_there_is_room(topic, key, value, more)
        except KafkaException as error:
            raise self._refusal(f"produce to {topic}", error) from error

    def _produce_when_there_is_room(
        self, topic: str, key: bytes | None, value: bytes | None, more: Mapping[str, Any]
    ) -> None:
        with self._transaction(f"produce to {topic}") as client:
            deadline_s = time.monotonic() + self._timeout_s
            while time.monotonic() < deadline_s:
                client.poll(FULL_WAIT_S)
                with contextlib.suppress(BufferError):
                    client.produce(topic, value, key, **more)
                    return
        self._refused = True
        raise TransactionRefusedError(f"produce to {topic}: the brokers do not take records fast enough")

    def send_offsets(self, offsets: Mapping[Partition, int], metadata: object) -> None:
        """See ``Producer.send_offsets``."""
        places = [TopicPartition(*partition, offset) for partition, offset in offsets.items()]
        with self._transaction("send offsets") as client:
            send = partial(client.send_offsets_to_transaction, places, metadata, self._timeout_s)
            self._in_time("send offsets", send)

    def _in_time(self, step: str, call: Callable[[], object]) -> None:
        """Make a call of which the client library does not see to it that it ends."""
        if self._aside is None:
            self._aside = Aside("kafka-offsets")
        try:
            self._aside.make(call, self._timeout_s + OVERDUE_S)
        except TimeoutError as error:
            # Who still waits in the client must not be waited for by us; the next producer fences it.
            self._client = self._aside = None
            self._refused = True
            raise TransactionRefusedError(f"{step}: {error}") from error

    def commit(self) -> None:
        """See ``Producer.commit``. Waits until the brokers have every record."""
        with self._transaction("commit") as client:
            client.commit_transaction(self._timeout_s)
            self._open = False

    def abort(self) -> None:
        """See ``Producer.abort``."""
        if self._client is not None and self._open:
            with contextlib.suppress(KafkaException):
                self._client.abort_transaction(ABORT_TIMEOUT_S)
        self._open = False

    def replace(self) -> None:
        """See ``Producer.replace``.

        Raises:
            TransactionRefusedError: the brokers have not answered in time, or refused.
            InputError: there is no such property, or it cannot have this value.
        """
        self._discard()
        with configuring():
            client = Producer(self._configuration, logger=CLIENT_LOG)
        # Connected first: an initialisation that finds no connection looks again after half a second only. Any
        # question would do; this one has a short answer.
        with contextlib.suppress(KafkaException):
            client.list_topics("__transaction_state", timeout=CONNECT_TIMEOUT_S)
        try:
            client.init_transactions(self._init_timeout_s)
        except KafkaException as error:
            raise TransactionRefusedError(f"init transactions: {one_line(error)}") from error
        self._client, self._refused = client, False

    def close(self) -> None:
        """Abort what is open, and stop."""
        self.abort()
        self._discard()
        if self._aside is not None:
            self._aside.end()

    def _discard(self) -> None:
        """Drop the client with whatever it has not sent; its end does not wait for answers then."""
        client, self._client, self._open = self._client, None, False
        if client is not None:
            client.purge(blocking=False)

    @contextlib.contextmanager
    def _transaction(self, step: str) -> Iterator[Producer]:
        if self._client is None or self._refused:
            raise self._unusable()
        try:
            yield self._client
        except KafkaException as error:
            raise self._refusal(step, error) from error

    def _refusal(self, step: str, error: KafkaException) -> TransactionRefusedError | SupersededError:
        self._refused = True
        told = f"{step}: {one_line(error)}"
        if error.args[0].code() == KafkaError.FENCED_INSTANCE_ID:  # of the consumer whose offsets these are
            return SupersededError(f"Kafka: {told}")
        return TransactionRefusedError(told)

    @staticmethod
    def _unusable() -> TransactionRefusedError:
        return TransactionRefusedError("there is no usable producer: replace() comes first")
