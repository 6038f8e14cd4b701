"""``worker.ports.Producer``, sentence by sentence, in memory and for real."""

import pytest

from tests.conformance.kafka_steps import announced, nothing_more, polled, read, settle, values
from tests.conformance.kafka_worlds import World
from worker.errors import SupersededError, TransactionRefusedError
from worker.ports import Partition, Producer


def send(producer: Producer, topic: str, *contents: bytes) -> None:
    for content in contents:
        producer.produce(topic, key=None, value=content, partition=0)


# Visibility.


def test_a_committed_transaction_is_visible_as_it_was_produced(world: World) -> None:
    topic = world.topic(partitions=2)
    producer = announced(world)

    producer.begin()
    producer.produce(topic, key=b"k\x80", value=b"\x00v", headers=[("a", b"1"), ("a", b"2")], partition=1)
    producer.produce(topic, key=None, value=None, headers=(("b", b""),), partition=1)
    producer.commit()

    assert world.visible(topic, 0) == []
    first, second = world.visible(topic, 1)
    assert (first.key, first.value, list(first.headers)) == (b"k\x80", b"\x00v", [("a", b"1"), ("a", b"2")])
    assert (second.key, second.value, list(second.headers)) == (None, None, [("b", b"")])


def test_a_producer_makes_one_transaction_after_another(world: World) -> None:
    topic = world.topic()
    producer = announced(world)

    for number in range(3):
        producer.begin()
        send(producer, topic, b"%d" % number)
        producer.commit()

    # Each has left a marker behind, which takes an offset.
    assert [(record.offset, record.value) for record in world.visible(topic)] == [(0, b"0"), (2, b"1"), (4, b"2")]


def test_an_empty_transaction_leaves_no_trace(world: World) -> None:
    topic = world.topic()
    producer = announced(world)

    producer.begin()
    producer.commit()

    assert world.append(topic, b"v") == 0


def test_nothing_of_an_aborted_transaction_is_ever_visible(world: World) -> None:
    topic = world.topic()
    producer = announced(world)
    producer.begin()
    send(producer, topic, b"aborted")
    producer.abort()

    producer.begin()
    send(producer, topic, b"committed")
    producer.commit()

    assert values(world.visible(topic)) == [b"committed"]


def test_a_transaction_reaches_several_topics_at_once(world: World) -> None:
    one, two = world.topic(), world.topic()
    producer = announced(world)

    producer.begin()
    send(producer, one, b"1")
    send(producer, two, b"2")
    producer.commit()

    assert (values(world.visible(one)), values(world.visible(two))) == ([b"1"], [b"2"])


# Keys.


@pytest.mark.parametrize(
    ("key", "murmur2"),
    [  # Apache Kafka, UtilsTest.testMurmur2
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"abc", 479470107),
    ],
)
def test_without_a_partition_the_key_decides_as_in_kafka(world: World, key: bytes, murmur2: int) -> None:
    topic = world.topic(partitions=7)
    producer = announced(world)

    producer.begin()
    producer.produce(topic, key=key, value=b"v")
    producer.commit()

    assert values(world.visible(topic, (murmur2 & 0x7FFFFFFF) % 7)) == [b"v"]


# Refusals.


def test_nothing_can_be_done_before_the_first_replace(world: World) -> None:
    producer = world.producer("worker")

    producer.abort()
    with pytest.raises(TransactionRefusedError):
        producer.begin()


def test_nothing_is_produced_outside_a_transaction(world: World) -> None:
    topic = world.topic()
    producer = announced(world)

    with pytest.raises(TransactionRefusedError):
        send(producer, topic, b"v")


def test_there_is_one_transaction_at_a_time(world: World) -> None:
    producer = announced(world)
    producer.begin()

    with pytest.raises(TransactionRefusedError):
        producer.begin()


@pytest.mark.parametrize("step", ["begin", "produce", "send_offsets", "commit"])
def test_after_a_refusal_only_replace_helps(world: World, step: str) -> None:
    topic = world.topic()
    source = world.source("group", "a", topic)
    settle(world, [source], [Partition(topic, 0)])
    metadata = source.poll(1, 0).metadata
    producer = announced(world)
    producer.begin()
    with pytest.raises(TransactionRefusedError):
        producer.begin()
    steps = {
        "begin": producer.begin,
        "produce": lambda: send(producer, topic, b"v"),
        "send_offsets": lambda: producer.send_offsets({Partition(topic, 0): 0}, metadata),
        "commit": producer.commit,
    }

    with pytest.raises(TransactionRefusedError):
        steps[step]()

    producer.abort()
    producer.replace()
    producer.begin()
    send(producer, topic, b"replaced")
    producer.commit()
    assert values(world.visible(topic)) == [b"replaced"]


def test_abort_never_raises(world: World) -> None:
    topic = world.topic()
    producer = announced(world)
    producer.abort()
    producer.begin()
    send(producer, topic, b"v")
    announced(world)  # fences
    producer.abort()
    producer.abort()
    producer.close()
    producer.abort()


# Fencing.


def test_replace_ends_what_was_left_open(world: World) -> None:
    topic = world.topic()
    producer = announced(world)
    producer.begin()
    send(producer, topic, b"left open")

    producer.replace()

    world.append(topic, b"after")
    assert values(world.visible(topic)) == [b"after"]


def test_a_successor_fences_its_predecessor(world: World) -> None:
    topic = world.topic()
    old = announced(world)
    old.begin()
    send(old, topic, b"old")

    new = announced(world)

    with pytest.raises(TransactionRefusedError):
        old.commit()
    new.begin()
    send(new, topic, b"new")
    new.commit()
    assert values(world.visible(topic)) == [b"new"]


def test_a_fenced_producer_may_come_back_by_replacing_itself(world: World) -> None:
    topic = world.topic()
    old = announced(world)
    new = announced(world)

    old.replace()
    old.begin()
    send(old, topic, b"old is new")
    old.commit()

    with pytest.raises(TransactionRefusedError):
        _transaction(new, topic)
    assert values(world.visible(topic)) == [b"old is new"]


def _transaction(producer: Producer, topic: str) -> None:
    producer.begin()
    send(producer, topic, b"fenced")
    producer.commit()


def test_producers_with_other_ids_do_not_disturb_each_other(world: World) -> None:
    topic = world.topic()
    one, two = announced(world, "one"), announced(world, "two")
    one.begin()
    two.begin()
    send(one, topic, b"1")
    send(two, topic, b"2")
    two.commit()
    one.commit()

    assert sorted(record.value or b"" for record in world.visible(topic)) == [b"1", b"2"]


# Offsets.


def test_offsets_are_committed_with_the_records_or_not_at_all(world: World) -> None:
    inputs, outputs = world.topic(), world.topic()
    for number in range(3):
        world.append(inputs, b"%d" % number)
    source = world.source("group", "a", inputs)
    producer = announced(world)

    for end in ("abort", "commit"):
        poll = polled(world, source, 3)
        producer.begin()
        send(producer, outputs, end.encode())
        producer.send_offsets({Partition(inputs, 0): 2}, poll.metadata)
        getattr(producer, end)()
        source.rewind()
        assert source.position(Partition(inputs, 0)) == {"abort": 0, "commit": 2}[end]

    assert values(world.visible(outputs)) == [b"commit"]
    assert values(read(world, source, 1)) == [b"2"]


def test_one_transaction_carries_offsets_of_two_groups(world: World) -> None:
    topics = [world.topic(), world.topic()]
    sources = [world.source(f"group-{topic}", "a", topic) for topic in topics]
    producer = announced(world)
    for topic in topics:
        world.append(topic, b"1")
        world.append(topic, b"2")
    polls = [polled(world, source, 2) for source in sources]

    producer.begin()
    for topic, poll in zip(topics, polls, strict=True):
        producer.send_offsets({Partition(topic, 0): 1}, poll.metadata)
    producer.commit()

    for source in sources:
        source.rewind()
        assert values(read(world, source, 1)) == [b"2"]


def test_offsets_with_the_metadata_of_an_older_generation_are_refused(world: World) -> None:
    inputs, outputs = world.topic(partitions=2), world.topic()
    partitions = [Partition(inputs, 0), Partition(inputs, 1)]
    first = world.source("group", "a", inputs)
    settle(world, [first], partitions)
    stale = first.poll(1, 0).metadata
    settle(world, [first, world.source("group", "b", inputs)], partitions)
    producer = announced(world)

    producer.begin()
    send(producer, outputs, b"zombie")
    with pytest.raises(TransactionRefusedError):
        producer.send_offsets({partitions[0]: 0}, stale)
    with pytest.raises(TransactionRefusedError):
        producer.commit()

    producer.abort()
    producer.replace()
    assert world.visible(outputs) == []
    producer.begin()
    send(producer, outputs, b"alive")
    producer.send_offsets({min(first.assignment()): 0}, first.poll(1, 0).metadata)
    producer.commit()
    assert values(world.visible(outputs)) == [b"alive"]


def test_a_member_that_was_succeeded_under_its_own_name_cannot_commit_and_has_to_end(world: World) -> None:
    """At once: with a new producer it would fence its successor's."""
    inputs, outputs = world.topic(), world.topic()
    world.append(inputs, b"v")
    old = world.source("group", "a", inputs)
    stale = polled(world, old, 1).metadata
    new = world.source("group", "a", inputs)
    assert values(read(world, new, 1)) == [b"v"]
    producer = announced(world, "old")

    producer.begin()
    send(producer, outputs, b"zombie")
    with pytest.raises(SupersededError):
        producer.send_offsets({Partition(inputs, 0): 1}, stale)

    producer.abort()
    assert world.visible(outputs) == []
    with pytest.raises(SupersededError):
        assert not world.until(lambda: not nothing_more(old))
    with pytest.raises(SupersededError):  # again and again: it can do nothing but end
        assert not world.until(lambda: not nothing_more(old))
