"""Topics of a real broker; there is nothing of the kind in memory."""

from collections.abc import Mapping
from typing import NamedTuple
from uuid import uuid4

import pytest

from tests.conformance.kafka_steps import announced
from tests.conformance.kafka_worlds import RealWorld
from tests.services import free_ports
from worker.adapters.kafka import KafkaAdmin
from worker.errors import DependencyError
from worker.ports import Partition


class Wanted(NamedTuple):
    name: str
    partitions: int = 1
    replication_factor: int = -1
    config: Mapping[str, str] = {}


@pytest.fixture
def admin(kafka: str) -> KafkaAdmin:
    return KafkaAdmin(kafka)


@pytest.fixture
def name() -> str:
    return f"topic-{uuid4().hex}"


def test_a_topic_is_found_as_it_was_created(admin: KafkaAdmin, name: str) -> None:
    admin.create([Wanted(name, 3, config={"cleanup.policy": "compact", "retention.ms": "-1"})])

    found = admin.describe([name])[name]

    assert found.partitions == 3
    assert (found.config["cleanup.policy"], found.config["retention.ms"]) == ("compact", "-1")
    assert found.config["message.timestamp.type"] == "CreateTime"  # not given: the broker's default
    assert name in admin.names()


def test_each_topic_has_an_id_of_its_own(admin: KafkaAdmin, name: str) -> None:
    other = f"{name}-other"
    admin.create([Wanted(name), Wanted(other)])

    first, again = (admin.describe([name, other]) for _ in range(2))

    assert first[name].topic_id != first[other].topic_id
    assert first[name].topic_id == again[name].topic_id


def test_creating_what_is_there_changes_nothing(admin: KafkaAdmin, name: str) -> None:
    admin.create([Wanted(name, 2)])
    admin.create([Wanted(name, 5)])

    assert admin.describe([name])[name].partitions == 2


def test_what_is_not_there_is_not_described(admin: KafkaAdmin, name: str) -> None:
    assert admin.describe([name]) == {}


def test_nothing_to_create_is_nothing_to_do(admin: KafkaAdmin) -> None:
    before = admin.names()
    admin.create([])
    assert admin.names() >= before


def test_an_impossible_topic_is_one_line(admin: KafkaAdmin, name: str) -> None:
    with pytest.raises(DependencyError, match=rf"^Kafka at .*: create topic {name}: [^\n]+$"):
        admin.create([Wanted(name, config={"no.such.setting": "1"})])


def test_watermarks_count_what_retention_has_left_and_markers(kafka: str) -> None:
    world = RealWorld(kafka)
    topic = world.topic(partitions=2)
    for _ in range(3):
        world.append(topic, b"v")
    world.delete_before(Partition(topic, 0), 2)
    producer = announced(world)
    producer.begin()
    producer.produce(topic, key=None, value=b"v", partition=1)
    producer.commit()

    partitions = [Partition(topic, 0), Partition(topic, 1)]
    right = {partitions[0]: (2, 3), partitions[1]: (0, 2)}

    assert world.until(lambda: KafkaAdmin(kafka).watermarks(partitions) == right)  # a marker may come a moment later
    assert KafkaAdmin(kafka).watermarks([]) == {}
    world.close()


def test_nobody_there_is_one_line() -> None:
    [port] = free_ports(1)
    admin = KafkaAdmin(f"127.0.0.1:{port}", answer_timeout_s=0.3)

    with pytest.raises(DependencyError, match=rf"^Kafka at 127.0.0.1:{port}: list topics: [^\n]+$"):
        admin.names()
    with pytest.raises(DependencyError, match=r": create topic t: [^\n]+$"):
        admin.create([Wanted("t")])
