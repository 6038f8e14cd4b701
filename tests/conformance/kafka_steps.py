"""What tests do with either Kafka."""

from collections.abc import Iterable, Sequence

from tests.conformance.kafka_worlds import World
from worker.ports import Partition, Poll, Producer, Record, Source


def read(world: World, source: Source, count: int, *, limit: int = 100) -> list[Record]:
    """Poll until that many records have come."""
    records: list[Record] = []

    def enough() -> bool:
        records.extend(source.poll(limit, 0.1).records)
        return len(records) >= count

    assert world.until(enough), f"{len(records)} of {count} records"
    return records


def polled(world: World, source: Source, count: int) -> Poll:
    """One poll that brought that many records at once; if they trickle in, they are put back first."""
    polls: list[Poll] = []

    def at_once() -> bool:
        if polls and polls[-1].records:
            source.rewind()
        polls.append(source.poll(100, 0.1))
        return len(polls[-1].records) == count

    assert world.until(at_once), [len(poll.records) for poll in polls]
    return polls[-1]


def nothing_more(source: Source) -> bool:
    """A few polls bring nothing. Whether something comes later nobody can know."""
    return not any(source.poll(100, 0.2).records for _ in range(3))


def settle(world: World, sources: Sequence[Source], partitions: Iterable[Partition]) -> None:
    """Poll all members until every partition has an owner and every member has a part; records are lost."""
    wanted = sorted(partitions)

    def shared() -> bool:
        for source in sources:
            source.poll(100, 0.1)
        owned = [source.assignment() for source in sources]
        return all(owned) and sorted(partition for each in owned for partition in each) == wanted

    assert world.until(shared), [source.assignment() for source in sources]


def values(records: Iterable[Record]) -> list[bytes | None]:
    return [record.value for record in records]


def announced(world: World, transactional_id: str = "worker") -> Producer:
    """A producer that is ready to begin."""
    producer = world.producer(transactional_id)
    producer.replace()
    return producer
