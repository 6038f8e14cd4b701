"""Questions of a consumer to the brokers about offsets."""

from collections.abc import Callable, Iterable

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from worker.adapters.kafka_client import one_line
from worker.errors import DependencyError
from worker.ports import Partition

ANSWER_TIMEOUT_S = 5.0
"""Longer: nothing else is done while a dead producer's commit is pending; shorter: a broker that is merely busy counts
as gone. Whoever asks tries again anyway."""


def stable_offsets(consumer: Consumer, partitions: Iterable[Partition]) -> list[TopicPartition]:
    """Committed offsets that no open transaction is about to change; the log's beginning where there is none.

    The consumer must read committed: then the broker does not answer before its offsets are stable (KIP-447).

    Raises:
        DependencyError: they are not stable yet, or nobody answers.
    """
    asked = [TopicPartition(*partition) for partition in partitions]
    if not asked:
        return []
    committed = _answered("committed offsets", lambda: consumer.committed(asked, ANSWER_TIMEOUT_S))
    without = [TopicPartition(each.topic, each.partition) for each in committed if each.offset < 0]
    return [each for each in committed if each.offset >= 0] + _beginnings(consumer, without)


def by_partition(places: Iterable[TopicPartition]) -> dict[Partition, int]:
    """Offsets by partition."""
    return {Partition(place.topic, place.partition): place.offset for place in places}


def _beginnings(consumer: Consumer, places: list[TopicPartition]) -> list[TopicPartition]:
    """One request for all; what is a timestamp here otherwise may be an edge of the log too."""
    if not places:
        return []
    for place in places:
        place.offset = OFFSET_BEGINNING
    return _answered("offsets", lambda: consumer.offsets_for_times(places, ANSWER_TIMEOUT_S))


def _answered(question: str, ask: Callable[[], list[TopicPartition]]) -> list[TopicPartition]:
    """An answer without an error for any partition."""
    try:
        answers = ask()
    except KafkaException as error:
        raise DependencyError(f"Kafka: {question}: {one_line(error)}") from error
    for answer in answers:
        if answer.error is not None:
            where = f"{answer.topic}-{answer.partition}"
            raise DependencyError(f"Kafka: {question}: {where}: {one_line(answer.error)}")
    return answers
