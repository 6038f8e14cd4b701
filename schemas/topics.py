"""Every topic: its name, what its records are, and the configuration that the promises rest on.

``audience-worker topics create`` makes them so, ``topics check`` compares; the table in ``docs/records.md``
is held against this one by a test.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

_DAY_MS = 24 * 60 * 60 * 1000
_MIB = 1024 * 1024
FOREVER = -1


class Writer(StrEnum):
    USERS = "users"
    WORKERS = "workers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic. Units: ``retention_ms`` ms (-1: for ever), ``max_message_bytes`` bytes.

    ``record``: the name of the value's schema in ``schemas/avro``. ``partitions`` is the default for ``topics
    create``; only those of ``resolved-events`` are fixed for life. ``one_order``: it must stay one partition.
    """

    name: str
    key: str
    record: str
    writer: Writer
    partitions: int = 4
    one_order: bool = False
    cleanup_policy: Literal["delete", "compact"] = "delete"
    retention_ms: int = 7 * _DAY_MS
    max_message_bytes: int = _MIB
    timestamp_type: Literal["CreateTime", "LogAppendTime"] = "CreateTime"


TRACKING_EVENTS = Topic(
    name="tracking-events",
    key="any; userId or anonymousId recommended",
    record="tracking-event",
    writer=Writer.USERS,
    # The group shares out partitions, not topics: with as many in the other inputs, one of two replicas has got all of
    # these and the other none. Eight against their few: the fuller of two replicas has five, of three four.
    partitions=8,
)
PASSTHROUGH_EVENTS = Topic(
    name="passthrough-events", key="any", record="passthrough-event", writer=Writer.USERS, partitions=1
)
SEGMENT_IMPORTS = Topic(name="segment-imports", key="any", record="segment-import", writer=Writer.USERS, partitions=1)
DEFINITIONS = Topic(
    name="definitions",
    key="audience:KEY, trait:KEY or identity",
    record="definition",
    writer=Writer.USERS,
    partitions=1,
    one_order=True,  # a trait and the audience that reads it must not overtake each other
    cleanup_policy="compact",
    retention_ms=FOREVER,
)
REGULATIONS = Topic(
    name="regulations", key="any", record="regulation", writer=Writer.USERS, partitions=1, one_order=True
)
AUDIENCE_CHANGES = Topic(name="audience-changes", key="profile id", record="audience-change", writer=Writer.WORKERS)
TRAIT_CHANGES = Topic(name="trait-changes", key="profile id", record="trait-change", writer=Writer.WORKERS)
PROFILE_MERGES = Topic(name="profile-merges", key="child profile id", record="profile-merge", writer=Writer.WORKERS)
RESOLVED_EVENTS = Topic(
    name="resolved-events",
    key="profile id",
    record="resolved-event",
    writer=Writer.WORKERS,
    partitions=16,  # bounds the folding replicas; 64 cost a quarter of a worker's throughput
    retention_ms=FOREVER,  # it is the archive: shorter means that new audiences see less history
    max_message_bytes=8 * _MIB,  # a merge carries a whole profile; smaller: large profiles cannot merge
    timestamp_type="LogAppendTime",  # no producer's clock may move a profile into the future
)
DEAD_LETTERS = Topic(
    name="dead-letters",
    key="the original's",
    record="dead-letter",
    writer=Writer.WORKERS,
    retention_ms=30 * _DAY_MS,  # a fault found on Monday after the holidays can still be mended and replayed
    max_message_bytes=2 * _MIB,  # an original of the largest size and its headers must fit
)

PROFILE_STATES = Topic(
    name="profile-states",
    key="profile id",
    record="",  # the worker's own encoding, which nobody else is meant to read
    writer=Writer.WORKERS,
    partitions=RESOLVED_EVENTS.partitions,  # always as many as there
    cleanup_policy="compact",  # the last minute is read back; compaction keeps what it costs to one state a profile
    retention_ms=FOREVER,
    max_message_bytes=RESOLVED_EVENTS.max_message_bytes,
    timestamp_type="LogAppendTime",  # how far to read back is told by one clock
)
"""Only where Redis may lose what it has acknowledged and states are brought back (``AW_REDIS_DURABILITY=rebuild``)."""

TOPICS: tuple[Topic, ...] = (
    TRACKING_EVENTS,
    PASSTHROUGH_EVENTS,
    SEGMENT_IMPORTS,
    DEFINITIONS,
    REGULATIONS,
    AUDIENCE_CHANGES,
    TRAIT_CHANGES,
    PROFILE_MERGES,
    RESOLVED_EVENTS,
    DEAD_LETTERS,
)


def full_name(prefix: str, topic: Topic) -> str:
    """The name of a topic in Kafka: the space's prefix, as it is, and the name."""
    return prefix + topic.name
