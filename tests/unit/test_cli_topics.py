"""``topics create`` and ``topics check`` over a Kafka that only keeps topics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from schemas.topics import PROFILE_STATES, TOPICS, full_name
from worker.cli.topics import MAILBOX_PARTITIONS_MAX, Found, Partitions, Wanted, check, create, topics_of
from worker.engine.startup import TopicFacts, topic_faults
from worker.settings import load_settings

AS_IN_THE_TABLE = Partitions()


@dataclass
class Topic:
    partitions: int
    config: dict[str, str]


@dataclass
class Cluster:
    """Remembers topics as they were created."""

    topics: dict[str, Topic] = field(default_factory=dict)
    replication_factors: set[int] = field(default_factory=set)

    def create(self, topics: Sequence[Wanted]) -> None:
        for topic in topics:
            assert topic.name not in self.topics
            self.topics[topic.name] = Topic(topic.partitions, {"segment.ms": "1", **topic.config})
            self.replication_factors.add(topic.replication_factor)

    def describe(self, names: Sequence[str]) -> Mapping[str, Found]:
        return {name: self.topics[name] for name in names if name in self.topics}


@pytest.fixture
def cluster() -> Cluster:
    """Every topic, as ``create`` makes it, under the prefix ``eu.``."""
    cluster = Cluster()
    create(cluster, "eu.", AS_IN_THE_TABLE)
    return cluster


def test_create_makes_every_topic_as_check_wants_it(cluster: Cluster) -> None:
    assert list(cluster.topics) == [full_name("eu.", topic) for topic in TOPICS]
    assert check(cluster, "eu.", AS_IN_THE_TABLE) == []
    assert cluster.replication_factors == {-1}


def test_create_again_changes_nothing(cluster: Cluster) -> None:
    assert create(cluster, "eu.", AS_IN_THE_TABLE) == ([], [])


def test_create_makes_only_what_is_missing_and_tells_what_is_wrong(cluster: Cluster) -> None:
    del cluster.topics["eu.dead-letters"]
    cluster.topics["eu.definitions"].config["cleanup.policy"] = "delete"

    created, faults = create(cluster, "eu.", AS_IN_THE_TABLE, replication_factor=3)

    assert [topic.name for topic in created] == ["eu.dead-letters"]
    assert faults == ["eu.definitions: cleanup.policy is delete, must be compact"]
    assert cluster.topics["eu.definitions"].config["cleanup.policy"] == "delete"
    assert cluster.replication_factors == {-1, 3}


def test_another_prefix_has_topics_of_its_own(cluster: Cluster) -> None:
    faults = check(cluster, "us.", AS_IN_THE_TABLE)

    assert [fault.partition(":")[0] for fault in faults] == [full_name("us.", topic) for topic in TOPICS]
    assert all("audience-worker topics create" in fault for fault in faults)


def test_chosen_partitions_leave_those_alone_that_need_one_order() -> None:
    cluster = Cluster()

    create(cluster, "", Partitions(mailbox=32, others=12))

    found = {name: topic.partitions for name, topic in cluster.topics.items()}
    assert found["resolved-events"] == 32
    assert found["tracking-events"] == found["audience-changes"] == 12
    assert found["definitions"] == found["regulations"] == 1
    assert check(cluster, "", Partitions(mailbox=32, others=12)) == []


def test_states_are_logged_in_as_many_partitions_as_the_mailbox_that_is_there_has(cluster: Cluster) -> None:
    cluster.topics["eu.resolved-events"].partitions = 32
    topics = topics_of(load_settings({"AW_REDIS_DURABILITY": "rebuild"}))

    created, faults = create(cluster, "eu.", AS_IN_THE_TABLE, topics=topics)

    assert [(topic.name, topic.partitions) for topic in created] == [("eu.profile-states", 32)]
    assert faults == check(cluster, "eu.", AS_IN_THE_TABLE, topics=topics) == []
    cluster.topics["eu.profile-states"].partitions = 16
    assert check(cluster, "eu.", AS_IN_THE_TABLE, topics=topics) == [
        "eu.profile-states: has 16 partitions, must have 32"
    ]


@pytest.mark.parametrize("durability", ["server", "wait"])
def test_states_are_logged_only_to_be_brought_back(durability: str) -> None:
    assert PROFILE_STATES not in topics_of(load_settings({"AW_REDIS_DURABILITY": durability}))


def test_a_worker_does_not_start_with_states_in_other_partitions_than_the_mailboxs() -> None:
    topics = topics_of(load_settings({"AW_REDIS_DURABILITY": "rebuild"}))
    facts = {topic.name: TopicFacts(topic.partitions, "id", {}) for topic in topics}
    names = {topic.name: topic.name for topic in topics}

    assert topic_faults(names, facts) == []
    facts["profile-states"] = TopicFacts(4, "id", {})
    assert topic_faults(names, facts) == ["profile-states has 4 partitions, must have 16, as many as resolved-events"]


def test_partitions_that_nobody_chose_are_the_operators_to_decide(cluster: Cluster) -> None:
    cluster.topics["eu.tracking-events"].partitions = 7
    cluster.topics["eu.resolved-events"].partitions = 32

    assert check(cluster, "eu.", AS_IN_THE_TABLE) == []
    assert check(cluster, "eu.", Partitions(mailbox=16)) == ["eu.resolved-events: has 32 partitions, must have 16"]
    assert check(cluster, "eu.", Partitions(mailbox=64, others=7)) == [
        *(f"eu.{name}: has 1 partitions, must have 7" for name in ("passthrough-events", "segment-imports")),
        *(
            f"eu.{name}: has 4 partitions, must have 7"
            for name in ("audience-changes", "trait-changes", "profile-merges")
        ),
        "eu.resolved-events: has 32 partitions, must have 64",
        "eu.dead-letters: has 4 partitions, must have 7",
    ]


@pytest.mark.parametrize(
    ("topic", "change", "fault"),
    [
        ("definitions", {"partitions": 2}, "has 2 partitions, must have 1"),
        (
            "definitions",
            {"cleanup.policy": "compact,delete"},
            "cleanup.policy is compact,delete, must be compact",
        ),
        ("resolved-events", {"retention.ms": "604800000"}, "retention.ms is 604800000, must be -1"),
        ("tracking-events", {"retention.ms": "1"}, "retention.ms is 1, must be 604800000 or more"),
        (
            "resolved-events",
            {"message.timestamp.type": "CreateTime"},
            "message.timestamp.type is CreateTime, must be LogAppendTime",
        ),
        (
            "resolved-events",
            {"max.message.bytes": "1048576"},
            "max.message.bytes is 1048576, must be 8388608 or more",
        ),
        (
            "resolved-events",
            {"max.message.bytes": ""},
            "max.message.bytes is unknown, must be 8388608 or more",
        ),
        (
            "resolved-events",
            {"partitions": MAILBOX_PARTITIONS_MAX + 1},
            f"has {MAILBOX_PARTITIONS_MAX + 1} partitions, at most {MAILBOX_PARTITIONS_MAX} are of use",
        ),
    ],
    ids=lambda value: None if not isinstance(value, dict) else "-".join(f"{k}={v}" for k, v in value.items()),
)
def test_what_promises_rest_on_is_verified(cluster: Cluster, topic: str, change: dict[str, Any], fault: str) -> None:
    changed = cluster.topics[f"eu.{topic}"]
    changed.partitions = change.pop("partitions", changed.partitions)
    changed.config |= change

    assert check(cluster, "eu.", AS_IN_THE_TABLE) == [f"eu.{topic}: {fault}"]


@pytest.mark.parametrize(
    ("topic", "key", "better"),
    [
        ("tracking-events", "retention.ms", "-1"),
        ("audience-changes", "retention.ms", "9999999999"),
        ("resolved-events", "max.message.bytes", "99999999"),
        ("tracking-events", "message.timestamp.type", "LogAppendTime"),
    ],
)
def test_better_than_needed_is_right(cluster: Cluster, topic: str, key: str, better: str) -> None:
    cluster.topics[f"eu.{topic}"].config[key] = better

    assert check(cluster, "eu.", AS_IN_THE_TABLE) == []
