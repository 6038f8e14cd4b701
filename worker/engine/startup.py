"""What must be true before a replica may start: settings of Redis and of topics that exactly-once rests on.

Source: deploy/RUNBOOK.md, "Redis" and "Kafka".
"""

from collections.abc import Mapping
from typing import NamedTuple

from schemas.topics import PROFILE_STATES
from worker.errors import InputError, StoreLostError
from worker.ports import Store, Swap
from worker.slots import STATE_SLOTS

MEND = "restore it from its files, a replica or a backup; deploy/RUNBOOK.md says how to begin anew"
NOBODY = b"laid out"
"""Owns every slot before its first owner does, so that a slot without one has lost what was in it."""

MAILBOX_KEY = b"topics"
DEDUP_KEY = b"dedup"


class TopicFacts(NamedTuple):
    """What the broker says of a topic. ``topic_id``: changes when a topic is deleted and made again."""

    partitions: int
    topic_id: str
    config: Mapping[str, str]


def topic_faults(names: Mapping[str, str], facts: Mapping[str, TopicFacts]) -> list[str]:
    """Missing topics, and what of the mailbox is not as it must be. ``names``: name -> full name."""
    missing = [name for name in names.values() if name not in facts]
    if missing:
        return [f"topics are missing: {', '.join(missing)}; `audience-worker topics create` makes them"]
    mailbox = facts[names["resolved-events"]]
    states = facts.get(names.get(PROFILE_STATES.name, ""), mailbox)
    found = []
    if states.partitions != mailbox.partitions:
        found.append(
            f"{names[PROFILE_STATES.name]} has {states.partitions} partitions, must have {mailbox.partitions}, as many "
            f"as {names['resolved-events']}"
        )
    if mailbox.partitions > STATE_SLOTS:
        found.append(
            f"{names['resolved-events']} has {mailbox.partitions} partitions, at most {STATE_SLOTS} can be used"
        )
    if mailbox.config.get("message.timestamp.type", "LogAppendTime") != "LogAppendTime":
        found.append(f"{names['resolved-events']} must have message.timestamp.type=LogAppendTime")
    return found


def dedup_faults(store: Store, *, ids_per_day: int, window_hours: int) -> list[str]:
    """Why this replica's plan of the dedup window does not go with the one in use.

    The plan decides where a claim lies: replicas with different ones would not see each other's.
    """
    told = f"{ids_per_day} {window_hours}".encode()
    (known,) = store.read([DEDUP_KEY]).get()
    if known is None and not store.swap([Swap(DEDUP_KEY, None, told)]).get():
        (known,) = store.read([DEDUP_KEY]).get()
    if known is None or known == told:
        return []
    ids, hours = known.decode().split()
    fault = (
        f"the dedup window in Redis was planned for {ids} ids a day and {hours} hours, this replica for {ids_per_day}"
    )
    mend = (
        f"to plan anew, which forgets the window, stop all replicas and delete the space's key {DEDUP_KEY.decode()!r}"
    )
    return [f"{fault} and {window_hours}; {mend}"]


def remember_mailbox(store: Store, name: str, facts: TopicFacts, *, folded: int) -> None:
    """Note the mailbox topic at the first start and lay the space out, compare the topic at every other.

    States remember offsets of this very topic: with another one they would take new records for old ones.
    ``folded``: offsets of it that the group had committed, asked before this call.

    Raises:
        InputError: the topic was made again, or has another number of partitions.
        StoreLostError: Redis knows nothing of the space, and the group has worked in it.
    """
    told = f"{facts.topic_id} {facts.partitions}".encode()
    (known,) = store.read([MAILBOX_KEY]).get()
    if known is None and folded:
        raise StoreLostError(f"Redis knows nothing of this space, but {folded} offsets of {name} are committed: {MEND}")
    if known is None:
        store.own(range(STATE_SLOTS), NOBODY).get()
    if known is None and not store.swap([Swap(MAILBOX_KEY, None, told)]).get():
        (known,) = store.read([MAILBOX_KEY]).get()
    if known is not None and known != told:
        topic_id, partitions = known.decode().split()
        raise InputError(
            f"{name} is not the topic that the states in Redis were made from: it has id {facts.topic_id} and "
            f"{facts.partitions} partitions, they know id {topic_id} and {partitions} partitions; restore the topic, "
            "or start with an empty Redis and new consumer groups"
        )
