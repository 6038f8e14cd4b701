"""What a group and its transactions do about members that were slow, or are gone: in memory and for real."""

import contextlib

import pytest

from tests.conformance.kafka_steps import announced, nothing_more, polled, read, settle, values
from tests.conformance.kafka_worlds import NOW_MS, World
from worker.errors import DependencyError, TransactionRefusedError
from worker.ports import Partition, Producer, Record, Source


def opened(world: World, topic: str, transactional_id: str = "worker") -> Producer:
    """A producer with an open transaction, of which the broker has a record."""
    watcher, producer = world.source(f"watches-{topic}", "a", topic), announced(world, transactional_id)
    producer.begin()
    producer.produce(topic, key=None, value=b"open", partition=0)
    assert world.until(lambda: not watcher.poll(1, 0.1).records and watcher.lag() == {Partition(topic, 0): 1})
    return producer


def test_readers_do_not_pass_an_open_transaction(world: World) -> None:
    """What others have written behind it comes when it has ended, whichever way."""
    topic = world.topic()
    slow, quick = opened(world, topic, "slow"), announced(world, "quick")
    quick.begin()
    quick.produce(topic, key=None, value=b"quick", partition=0)
    quick.commit()
    world.append(topic, b"plain")
    assert world.visible(topic) == []

    slow.abort()
    assert world.until(lambda: values(world.visible(topic)) == [b"quick", b"plain"])


def test_a_transaction_that_has_sent_its_offsets_may_commit_after_a_rebalance(world: World) -> None:
    """The group is asked when the offsets are sent, not at the end: therefore a successor waits for it."""
    inputs, outputs = world.topic(partitions=2), world.topic()
    partitions = [Partition(inputs, 0), Partition(inputs, 1)]
    for partition in partitions:
        world.append(inputs, b"1", partition=partition.partition)
        world.append(inputs, b"2", partition=partition.partition)
    old = world.source("group", "a", inputs)
    poll = polled(world, old, 4)
    producer, too_late = announced(world, "in-time"), announced(world, "too-late")
    producer.begin()
    producer.produce(outputs, key=None, value=b"in time", partition=0)
    producer.send_offsets(dict.fromkeys(partitions, 1), poll.metadata)

    new = world.source("group", "b", inputs)
    assert world.until(lambda: _has_given_up_one(old, new))
    too_late.begin()
    with pytest.raises(TransactionRefusedError):
        too_late.send_offsets(dict.fromkeys(partitions, 1), poll.metadata)
    producer.commit()

    got: list[Record] = []

    def both_have_read() -> bool:
        for member in (old, new):
            with contextlib.suppress(DependencyError):
                got.extend(member.poll(100, 0.1).records)
        return {record.partition for record in got if record.offset == 1} == {0, 1}

    old.rewind()
    assert world.until(both_have_read)
    assert [record for record in got if record.partition in _moved(new) and record.offset == 0] == []
    assert values(world.visible(outputs)) == [b"in time"]


def _has_given_up_one(old: Source, new: Source) -> bool:
    for member in (new, old):
        with contextlib.suppress(DependencyError):  # the offsets are not stable
            member.poll(100, 0.1)
    return len(old.assignment()) == 1


def _moved(new: Source) -> set[int]:
    return {partition.partition for partition in new.assignment()}


def test_a_member_that_was_thrown_out_cannot_send_its_offsets(world: World) -> None:
    inputs, outputs = world.topic(partitions=2), world.topic()
    partitions = [Partition(inputs, 0), Partition(inputs, 1)]
    gone, left = world.source("group", "gone", inputs), world.source("group", "left", inputs)
    settle(world, [gone, left], partitions)
    stale = gone.poll(1, 0).metadata
    [mine] = gone.assignment()
    gone.close()
    world.sessions_end()
    settle(world, [left], partitions)
    producer = announced(world)
    producer.begin()
    producer.produce(outputs, key=None, value=b"zombie", partition=0)

    with pytest.raises(TransactionRefusedError):
        producer.send_offsets({mine: 0}, stale)

    producer.abort()
    assert world.visible(outputs) == []


def test_a_partition_that_was_to_move_from_a_member_that_came_back_moves(world: World) -> None:
    """The new life of a static member does not hold what the one before had not given up yet."""
    topic = world.topic(partitions=2)
    partitions = [Partition(topic, 0), Partition(topic, 1)]
    first = world.source("group", "a", topic)
    settle(world, [first], partitions)
    second = world.source("group", "b", topic)
    second.poll(1, 0.1)  # asks for its share, which the first one does not hear of any more
    first.close()

    settle(world, [world.source("group", "a", topic), second], partitions)


def test_a_transaction_that_nobody_ends_is_aborted_and_its_producer_fenced(world: World) -> None:
    topic = world.topic()
    producer = opened(world, topic)
    world.append(topic, b"behind it")
    assert world.visible(topic) == []

    world.transactions_end()

    assert world.until(lambda: values(world.visible(topic)) == [b"behind it"])
    with pytest.raises(TransactionRefusedError):
        producer.commit()
    producer.replace()
    producer.begin()
    producer.produce(topic, key=None, value=b"again", partition=0)
    producer.commit()
    assert world.until(lambda: values(world.visible(topic)) == [b"behind it", b"again"])


def test_two_members_never_hold_one_partition(world: World) -> None:
    """One that is given a partition gets nothing of it before the former owner has given it up at a poll of its own."""
    topic = world.topic(partitions=2)
    partitions = [Partition(topic, 0), Partition(topic, 1)]
    first = world.source("group", "a", topic)
    settle(world, [first], partitions)
    second = world.source("group", "b", topic)

    assert nothing_more(second)
    assert not first.assignment() & second.assignment()
    settle(world, [first, second], partitions)
    assert not first.assignment() & second.assignment()


def test_a_topic_by_append_time_does_not_believe_its_producers(world: World) -> None:
    believing, careful = world.topic(), world.topic(log_append_time=True)
    for topic in (believing, careful):
        world.append(topic, b"v", timestamp_ms=NOW_MS - 86_400_000)

    [believed], [stamped] = world.visible(believing), world.visible(careful)
    assert believed.timestamp_ms == NOW_MS - 86_400_000
    assert stamped.timestamp_ms >= NOW_MS


def test_a_consumer_whose_offsets_are_not_stable_takes_part_in_its_group(world: World) -> None:
    """It went on asking for those of partitions that another had by then, and that were never stable.

    Found by `make crash`: a worker that had stood still for longer than its session came back, and did nothing for
    minutes, because the one that had taken its place was busy.
    """
    topic = world.topic(partitions=2)
    partitions = [Partition(topic, 0), Partition(topic, 1)]
    one, producer = world.source("g", "one", topic), announced(world)
    settle(world, [one], partitions)
    world.append(topic, b"v")
    [record] = read(world, one, 1)
    metadata = one.poll(1, 0.0).metadata
    producer.begin()
    producer.send_offsets({partitions[0]: record.offset + 1}, metadata)
    two = world.source("g", "two", topic)

    def shares() -> bool:
        with contextlib.suppress(DependencyError):
            one.rewind()
        two.poll(1, 0.1)
        return bool(two.assignment())

    assert world.until(shares)
