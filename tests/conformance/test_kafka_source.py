"""``worker.ports.Source``, sentence by sentence, in memory and for real."""

import time

import pytest

from tests.conformance.kafka_steps import announced, nothing_more, polled, read, settle, values
from tests.conformance.kafka_worlds import NOW_MS, World
from worker.errors import DependencyError
from worker.ports import Partition, Record, Source


def commit_up_to(world: World, source: Source, offsets: dict[Partition, int]) -> None:
    """Commit a group's offsets as the worker does: in a transaction, with the metadata of a poll."""
    producer = announced(world, "committer")
    producer.begin()
    producer.send_offsets(offsets, source.poll(1, 0).metadata)
    producer.commit()


# Records.


def test_a_record_comes_as_it_was_sent(world: World) -> None:
    topic = world.topic()
    headers = [("kind", b"event"), ("kind", b"again"), ("empty", b"")]
    world.append(topic, b"\x00\xff", key=b"k\x80", headers=headers, timestamp_ms=NOW_MS + 7)
    world.append(topic, None)

    full, bare = read(world, world.source("group", "a", topic), 2)

    assert full._replace(headers=list(full.headers)) == Record(topic, 0, 0, NOW_MS + 7, b"k\x80", b"\x00\xff", headers)
    assert (bare.key, bare.value, list(bare.headers)) == (None, None, [])


def test_records_of_a_partition_come_in_order_and_once(world: World) -> None:
    topic = world.topic(partitions=2)
    for number in range(20):
        world.append(topic, b"%d" % number, partition=number % 2)

    records = read(world, world.source("group", "a", topic), 20, limit=7)

    for partition in (0, 1):
        mine = [record for record in records if record.partition == partition]
        assert [record.offset for record in mine] == list(range(10))
        assert values(mine) == [b"%d" % number for number in range(partition, 20, 2)]


def test_a_poll_brings_at_most_the_limit(world: World) -> None:
    topic = world.topic()
    for _ in range(5):
        world.append(topic, b"v")
    source = world.source("group", "a", topic)

    sizes: list[int] = []

    def all_read() -> bool:
        sizes.append(len(source.poll(2, 0.1).records))
        return sum(sizes) == 5

    assert world.until(all_read)
    assert max(sizes) == 2


def test_a_poll_waits_no_longer_than_it_may(world: World) -> None:
    topic = world.topic()
    source = world.source("group", "a", topic)
    settle(world, [source], [Partition(topic, 0)])
    assert nothing_more(source)

    begun_s = time.monotonic()
    poll = source.poll(100, 0.2)

    assert poll.records == []
    assert time.monotonic() - begun_s < 2


def test_a_poll_does_not_wait_for_more_than_the_first_record(world: World) -> None:
    topic = world.topic()
    source = world.source("group", "a", topic)
    settle(world, [source], [Partition(topic, 0)])
    world.append(topic, b"only one")

    begun_s = time.monotonic()
    poll = source.poll(100, 10)

    assert values(poll.records) == [b"only one"]
    assert time.monotonic() - begun_s < 5


def test_one_consumer_reads_several_topics(world: World) -> None:
    one, two = world.topic(), world.topic()
    world.append(one, b"1")
    world.append(two, b"2")

    records = read(world, world.source("group", "a", one, two), 2)

    assert {(record.topic, record.value) for record in records} == {(one, b"1"), (two, b"2")}


# Where it begins.


def test_a_partition_never_committed_starts_at_its_beginning(world: World) -> None:
    topic = world.topic()
    world.append(topic, b"before anybody subscribed")

    assert values(read(world, world.source("group", "a", topic), 1)) == [b"before anybody subscribed"]


def test_the_beginning_is_where_retention_has_left_it(world: World) -> None:
    topic = world.topic()
    for number in range(3):
        world.append(topic, b"%d" % number)
    world.delete_before(Partition(topic, 0), 2)
    source = world.source("group", "a", topic)

    assert values(read(world, source, 1)) == [b"2"]


def test_a_partition_with_nothing_to_read_has_a_position(world: World) -> None:
    topic = world.topic()
    source = world.source("group", "a", topic)
    settle(world, [source], [Partition(topic, 0)])

    assert source.position(Partition(topic, 0)) == 0


def test_the_successor_starts_at_the_committed_offset(world: World) -> None:
    topic = world.topic(partitions=2)
    for number in range(4):
        world.append(topic, b"%d" % number, partition=number % 2)
    first = world.source("group", "a", topic)
    read(world, first, 4)
    commit_up_to(world, first, {Partition(topic, 0): 1})
    first.close()

    records = read(world, world.source("group", "a", topic), 3)

    assert sorted(record.value or b"" for record in records) == [b"1", b"2", b"3"]


def test_what_one_group_commits_is_nothing_to_another(world: World) -> None:
    topic = world.topic()
    world.append(topic, b"v")
    first = world.source("group", "a", topic)
    read(world, first, 1)
    commit_up_to(world, first, {Partition(topic, 0): 1})

    assert values(read(world, world.source("other", "a", topic), 1)) == [b"v"]


def test_a_committed_offset_that_is_gone_is_an_error_every_time(world: World) -> None:
    topic = world.topic()
    for number in range(4):
        world.append(topic, b"%d" % number)
    first = world.source("group", "a", topic)
    read(world, first, 4)
    commit_up_to(world, first, {Partition(topic, 0): 1})
    first.close()
    world.delete_before(Partition(topic, 0), 3)
    source = world.source("group", "a", topic)

    for _ in range(2):
        with pytest.raises(DependencyError, match=r"topic-1-0: offset 1 "):
            read(world, source, 1)


def test_an_offset_that_a_transaction_is_about_to_change_is_waited_for(world: World) -> None:
    topic = world.topic()
    for number in range(3):
        world.append(topic, b"%d" % number)
    first = world.source("group", "a", topic)
    poll = polled(world, first, 3)
    producer = announced(world)
    producer.begin()
    producer.send_offsets({Partition(topic, 0): 2}, poll.metadata)
    first.close()
    second = world.source("group", "a", topic)

    with pytest.raises(DependencyError, match="offset"):
        read(world, second, 1)

    producer.commit()
    assert values(read(world, second, 1)) == [b"2"]


# Position, changes, rewinding.


def test_positions_follow_what_was_returned(world: World) -> None:
    topic = world.topic(partitions=2)
    for _ in range(3):
        world.append(topic, b"v", partition=1)
    source = world.source("group", "a", topic)

    read(world, source, 2, limit=1)

    assert source.assignment() == {Partition(topic, 0), Partition(topic, 1)}
    assert source.position(Partition(topic, 0)) == 0
    assert source.position(Partition(topic, 1)) == 2


def test_a_new_assignment_is_told_once(world: World) -> None:
    topic = world.topic()
    source = world.source("group", "a", topic)
    told: list[bool] = []

    def assigned() -> bool:
        told.append(source.poll(10, 0.1).changed)
        return bool(source.assignment())

    assert world.until(assigned)
    assert told[-1]
    assert not any(source.poll(10, 0.1).changed for _ in range(3))


def test_rewinding_goes_back_to_what_is_committed_and_is_told_once(world: World) -> None:
    topic = world.topic()
    for number in range(20):
        world.append(topic, b"%d" % number)
    source = world.source("group", "a", topic)
    assert len(read(world, source, 10, limit=10)) == 10
    commit_up_to(world, source, {Partition(topic, 0): 4})

    source.rewind()

    assert source.position(Partition(topic, 0)) == 4
    first = source.poll(3, 5)
    assert first.changed
    rest = read(world, source, 16 - len(first.records), limit=10)
    assert [record.offset for record in first.records + rest] == list(range(4, 20))
    assert not source.poll(10, 0.1).changed


def test_rewinding_before_the_first_poll_is_harmless(world: World) -> None:
    topic = world.topic()
    world.append(topic, b"v")
    source = world.source("group", "a", topic)

    source.rewind()

    assert values(read(world, source, 1)) == [b"v"]


def test_rewinding_again_and_again_at_the_end_brings_everything_again(world: World) -> None:
    topic = world.topic()
    world.append(topic, b"v")
    source = world.source("group", "a", topic)

    for _ in range(3):
        assert values(read(world, source, 1)) == [b"v"]
        assert nothing_more(source)
        source.rewind()


# The end.


def test_the_end_is_where_everything_has_been_returned(world: World) -> None:
    topic = world.topic(partitions=2)
    one, other = Partition(topic, 0), Partition(topic, 1)
    world.append(topic, b"1")
    world.append(topic, b"2")
    source = world.source("group", "a", topic)
    assert source.at_end() == frozenset()

    read(world, source, 1, limit=1)
    assert one not in source.at_end()

    read(world, source, 1, limit=1)
    assert world.until(lambda: not source.poll(1, 0.1).records and source.at_end() == {one, other})


def test_what_is_read_after_the_end_moves_the_end(world: World) -> None:
    topic = world.topic()
    source = world.source("group", "a", topic)
    settle(world, [source], [Partition(topic, 0)])
    assert world.until(lambda: not source.poll(1, 0.1).records and bool(source.at_end()))
    world.append(topic, b"v")
    world.append(topic, b"w")

    read(world, source, 1, limit=1)
    assert source.at_end() == frozenset()

    read(world, source, 1)
    assert world.until(lambda: not source.poll(1, 0.1).records and bool(source.at_end()))


def test_behind_the_marker_of_a_transaction_is_the_end(world: World) -> None:
    topic = world.topic()
    producer = announced(world)
    producer.begin()
    producer.produce(topic, key=None, value=b"v", partition=0)
    producer.commit()
    source = world.source("group", "a", topic)

    read(world, source, 1)

    assert world.until(lambda: not source.poll(1, 0.1).records and bool(source.at_end()))
    assert source.lag() == {Partition(topic, 0): 0}


def test_an_open_transaction_is_not_the_end(world: World) -> None:
    topic = world.topic()
    source = world.source("group", "a", topic)
    producer = announced(world)
    world.append(topic, b"v")
    producer.begin()
    producer.produce(topic, key=None, value=b"open", partition=0)
    read(world, source, 1)

    behind = {Partition(topic, 0): 1}
    assert world.until(lambda: not source.poll(1, 0.1).records and source.lag() == behind)
    assert source.at_end() == frozenset()

    producer.commit()
    assert values(read(world, source, 1)) == [b"open"]
    assert world.until(lambda: not source.poll(1, 0.1).records and bool(source.at_end()))


def test_lag_counts_what_is_behind(world: World) -> None:
    topic = world.topic(partitions=2)
    for _ in range(5):
        world.append(topic, b"v")
    source = world.source("group", "a", topic)

    read(world, source, 2, limit=1)
    assert source.lag() == {Partition(topic, 0): 3, Partition(topic, 1): 0}

    read(world, source, 3)
    assert world.until(lambda: not source.poll(1, 0.1).records and set(source.lag().values()) == {0})


# Several members.


def test_members_share_the_partitions(world: World) -> None:
    topic = world.topic(partitions=4)
    partitions = [Partition(topic, number) for number in range(4)]
    first, second = world.source("group", "a", topic), world.source("group", "b", topic)

    settle(world, [first, second], partitions)
    for number in range(4):
        world.append(topic, b"%d" % number, partition=number)

    got = {source: read(world, source, 2) for source in (first, second)}
    for source, records in got.items():
        assert {Partition(record.topic, record.partition) for record in records} == source.assignment()


def test_who_loses_a_partition_is_told_and_gets_no_more_of_it(world: World) -> None:
    topic = world.topic(partitions=2)
    first = world.source("group", "a", topic)
    settle(world, [first], [Partition(topic, 0), Partition(topic, 1)])
    second = world.source("group", "b", topic)
    told: list[bool] = []

    def shared() -> bool:
        told.append(first.poll(100, 0.1).changed)
        second.poll(100, 0.1)
        return len(first.assignment()) == len(second.assignment()) == 1

    assert world.until(shared)
    assert any(told)
    for number in range(2):
        world.append(topic, b"%d" % number, partition=number)

    [record] = read(world, first, 1)
    assert {Partition(topic, record.partition)} == first.assignment()
    assert nothing_more(first)


def test_a_partition_that_moves_goes_on_where_it_was_committed(world: World) -> None:
    topic = world.topic(partitions=2)
    partitions = [Partition(topic, 0), Partition(topic, 1)]
    for number in range(10):
        world.append(topic, b"%d" % number, partition=number % 2)
    first = world.source("group", "a", topic)
    read(world, first, 10)
    commit_up_to(world, first, {Partition(topic, 0): 3, Partition(topic, 1): 3})
    second = world.source("group", "b", topic)
    got: list[Record] = []

    def moved() -> bool:
        first.poll(100, 0.1)
        got.extend(second.poll(100, 0.1).records)
        return len(got) >= 2

    assert world.until(moved)

    [moved_partition] = second.assignment()
    assert set(partitions) == first.assignment() | second.assignment()
    assert [(record.partition, record.offset) for record in got] == [
        (moved_partition.partition, 3),
        (moved_partition.partition, 4),
    ]


def test_a_member_that_is_gone_leaves_its_partitions_when_its_session_ends(world: World) -> None:
    topic = world.topic(partitions=2)
    partitions = [Partition(topic, 0), Partition(topic, 1)]
    first, second = world.source("group", "a", topic), world.source("group", "b", topic)
    settle(world, [first, second], partitions)

    second.close()
    assert nothing_more(first)
    assert len(first.assignment()) == 1
    world.sessions_end()

    settle(world, [first], partitions)
