"""A plain producer for the control plane: definitions from a file, sample events. Not for the worker's own outputs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from worker.adapters.kafka_client import CLIENT_LOG, Properties, configuring, merged, one_line
from worker.errors import DependencyError
from worker.ports import Headers

TIMEOUT_S = 30.0
"""How long the broker may take to acknowledge everything."""


class Publication(NamedTuple):
    """One record to publish. ``value`` None: a tombstone."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


def publish(bootstrap_servers: str, properties: Mapping[str, str], publications: Sequence[Publication]) -> None:
    """Produce records and wait until every one is acknowledged.

    Raises:
        DependencyError: the broker did not take all of them; those before may have been written.
        InputError: there is no such property, or it cannot have this value.
    """
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failures.append(error)

    fixed: Properties = {
        "bootstrap.servers": bootstrap_servers,
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "message.timeout.ms": int(TIMEOUT_S * 1000),
    }
    with configuring():
        producer = Producer(merged({}, properties, fixed), logger=CLIENT_LOG)
    try:
        for topic, key, value, headers in publications:
            producer.produce(topic, key=key, value=value, headers=list(headers), on_delivery=delivered)
            producer.poll(0)
    except (KafkaException, BufferError) as error:
        raise DependencyError(f"Kafka did not take the records: {_told(error)}") from error
    left = producer.flush(TIMEOUT_S)
    if failures:
        raise DependencyError(f"Kafka did not take the records: {failures[0].str()}")
    if left:
        raise DependencyError(f"Kafka did not acknowledge {left} of {len(publications)} records in {TIMEOUT_S:g} s")


def _told(error: KafkaException | BufferError) -> str:
    return one_line(error) if isinstance(error, KafkaException) else str(error)
