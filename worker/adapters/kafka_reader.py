"""A partition from an offset to its present end, and the offsets of a group, read once: for the control plane."""

from collections.abc import Iterable, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from worker.adapters.kafka_client import CLIENT_LOG, Properties, configuring, merged, one_line
from worker.errors import DependencyError
from worker.ports import Headers, Partition, Record

SILENCE_S = 10.0
"""Without a record or the end for so long, the brokers do not answer."""


def read_to_end(servers: str, properties: Mapping[str, str], partition: Partition, *, start: int) -> list[Record]:
    """Committed records of a partition from an offset (or the first one kept) to the end as of now.

    Raises:
        DependencyError: the brokers do not answer.
        InputError: there is no such property, or it cannot have this value.
    """
    fixed: Properties = {
        "bootstrap.servers": servers,
        "group.id": "unused",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
    }
    with configuring():
        consumer = Consumer(merged({}, properties, fixed), logger=CLIENT_LOG)
    try:
        consumer.assign([TopicPartition(*partition, start)])
        return _records(consumer)
    except KafkaException as error:
        raise DependencyError(f"Kafka: read {partition.topic}: {one_line(error)}") from error
    finally:
        consumer.close()


def read_committed_offsets(
    servers: str, properties: Mapping[str, str], group: str, partitions: Iterable[Partition]
) -> dict[Partition, int]:
    """What a group has committed; partitions of which it has committed nothing are left out. Nobody joins the group.

    By a consumer: the admin client's way of asking has ended the process now and then (a segmentation fault in
    confluent-kafka 2.16.1).

    Raises:
        DependencyError: the brokers do not answer.
        InputError: there is no such property, or it cannot have this value.
    """
    fixed: Properties = {"bootstrap.servers": servers, "group.id": group, "isolation.level": "read_uncommitted"}
    with configuring():
        consumer = Consumer(merged({}, properties, fixed), logger=CLIENT_LOG)
    try:
        found = consumer.committed([TopicPartition(*partition) for partition in partitions], SILENCE_S)
    except KafkaException as error:
        raise DependencyError(f"Kafka: the offsets of {group}: {one_line(error)}") from error
    finally:
        consumer.close()
    return {Partition(each.topic, each.partition): each.offset for each in found if each.offset >= 0}


def record_of(message: Message, headers: Headers) -> Record:
    """A message that is no event of the client's, with the headers that its reader wants."""
    return Record(
        str(message.topic()),
        int(message.partition() or 0),
        int(message.offset() or 0),
        message.timestamp()[1],
        message.key(),
        message.value(),
        headers,
    )


def _records(consumer: Consumer) -> list[Record]:
    """Headers are left out: nothing of the control plane reads them."""
    records: list[Record] = []
    while (message := consumer.poll(SILENCE_S)) is not None:
        error = message.error()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
            return records
        if error is not None:
            raise KafkaException(error)
        records.append(record_of(message, ()))
    raise DependencyError("Kafka: the brokers do not answer")
