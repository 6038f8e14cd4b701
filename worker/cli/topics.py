"""``audience-worker topics create|check``: the topics that the promises rest on, made or verified.

The table is ``schemas.topics``. ``create`` makes what is missing and changes nothing that is there; ``check``
only looks. Both end with exit code 1 when a topic that is there is not as it must be.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple, Protocol

import typer

from schemas.topics import FOREVER, PROFILE_STATES, RESOLVED_EVENTS, TOPICS, Topic, full_name
from worker.errors import InputError
from worker.settings import Settings, load_settings

MAILBOX_PARTITIONS_MAX = 64
"""A profile's slot decides its partition, and there are so many slots: more partitions would stay empty."""

BROKER_DEFAULT = -1
"""The replication factor that the brokers are configured with (Kafka 2.4 or newer)."""


class Wanted(NamedTuple):
    """A topic to be created: full name, partitions, replicas (-1: the broker's default), configuration."""

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str]


class Found(Protocol):
    """A topic as it is: the number of partitions, and its whole configuration."""

    @property
    def partitions(self) -> int: ...

    @property
    def config(self) -> Mapping[str, str]: ...


class TopicAdmin(Protocol):
    """What this command needs of Kafka; ``DependencyError`` when the brokers do not answer, or refuse."""

    def create(self, topics: Sequence[Wanted]) -> None:
        """Create topics; one that somebody else has created meanwhile is no error."""
        ...

    def describe(self, names: Sequence[str]) -> Mapping[str, Found]:
        """Those of the topics that exist, by name."""
        ...


class Partitions(NamedTuple):
    """Chosen numbers of partitions; None: the table's. Topics that need one order for all keep their one."""

    mailbox: int | None = None
    others: int | None = None

    def of(self, topic: Topic) -> int:
        """How many a topic is created with."""
        return self.required(topic) or topic.partitions

    def required(self, topic: Topic) -> int | None:
        """How many a topic must have; None: any number will do."""
        if topic in {RESOLVED_EVENTS, PROFILE_STATES}:
            return self.mailbox
        return topic.partitions if topic.one_order else self.others


def topics_of(settings: Settings) -> Sequence[Topic]:
    """Those that a worker with these settings needs."""
    return (*TOPICS, PROFILE_STATES) if settings.redis_durability == "rebuild" else TOPICS


def wanted(
    prefix: str,
    partitions: Partitions,
    *,
    replication_factor: int = BROKER_DEFAULT,
    topics: Sequence[Topic] = TOPICS,
) -> dict[str, Wanted]:
    """Every topic as ``create`` would make it, by full name, in the order of the table."""
    return {
        name: Wanted(name, partitions.of(topic), replication_factor, config_of(topic))
        for topic in topics
        for name in [full_name(prefix, topic)]
    }


def config_of(topic: Topic) -> dict[str, str]:
    """The topic's configuration in Kafka's names."""
    return {
        "cleanup.policy": topic.cleanup_policy,
        "retention.ms": str(topic.retention_ms),
        "max.message.bytes": str(topic.max_message_bytes),
        "message.timestamp.type": topic.timestamp_type,
    }


def differences(
    prefix: str, found: Mapping[str, Found], partitions: Partitions, *, topics: Sequence[Topic] = TOPICS
) -> list[str]:
    """What is wrong with the topics, one line each; a topic may be better than it must be.

    Longer retention and larger messages than the table's are right, and so is broker time where the
    producer's would do. A number of partitions is verified only where one order for all is needed, or where
    the caller has chosen it: any other is the operator's to decide.
    """
    partitions = _as_in_mailbox(prefix, found, partitions)
    lines = []
    for topic in topics:
        name = full_name(prefix, topic)
        if name not in found:
            lines.append(f"{name}: is missing; create it with `audience-worker topics create`")
            continue
        lines += [f"{name}: {fault}" for fault in _faults(topic, found[name], partitions)]
    return lines


def _as_in_mailbox(prefix: str, found: Mapping[str, Found], partitions: Partitions) -> Partitions:
    """States are logged in as many partitions as the mailbox that is there has."""
    mailbox = found.get(full_name(prefix, RESOLVED_EVENTS))
    if mailbox is None or partitions.mailbox is not None:
        return partitions
    return partitions._replace(mailbox=mailbox.partitions)


def _faults(topic: Topic, found: Found, partitions: Partitions) -> list[str]:
    faults = []
    required = partitions.required(topic)
    if required is not None and found.partitions != required:
        faults.append(f"has {found.partitions} partitions, must have {required}")
    if topic is RESOLVED_EVENTS and found.partitions > MAILBOX_PARTITIONS_MAX:
        faults.append(f"has {found.partitions} partitions, at most {MAILBOX_PARTITIONS_MAX} are of use")
    for key, value in config_of(topic).items():
        actual = found.config.get(key, "")
        if not _good_enough(key, actual, value):
            longer = " or more" if key in {"retention.ms", "max.message.bytes"} and value != str(FOREVER) else ""
            faults.append(f"{key} is {actual or 'unknown'}, must be {value}{longer}")
    return faults


def _good_enough(key: str, actual: str, value: str) -> bool:
    match key:
        case "retention.ms" | "max.message.bytes":
            return _amount(actual) >= _amount(value)
        case "cleanup.policy":
            return {policy.strip() for policy in actual.split(",")} == {value}
        case "message.timestamp.type":
            return actual in {value, "LogAppendTime"}
        case _:
            return actual == value


def _amount(text: str) -> float:
    """A number for comparison; Kafka writes "for ever" as -1, and what cannot be read counts as nothing."""
    try:
        number = int(text)
    except ValueError:
        return 0
    return float("inf") if number == FOREVER else number


class Created(NamedTuple):
    """What ``create`` made, and what is wrong with the topics that were there already."""

    topics: list[Wanted]
    faults: list[str]


def create(
    admin: TopicAdmin,
    prefix: str,
    partitions: Partitions,
    *,
    replication_factor: int = BROKER_DEFAULT,
    topics: Sequence[Topic] = TOPICS,
) -> Created:
    """Create what is missing; change nothing that is there.

    Raises:
        DependencyError: the brokers did not answer, or refused.
    """
    found = admin.describe([full_name(prefix, topic) for topic in topics])
    all_wanted = wanted(
        prefix, _as_in_mailbox(prefix, found, partitions), replication_factor=replication_factor, topics=topics
    )
    missing = [topic for name, topic in all_wanted.items() if name not in found]
    if missing:
        admin.create(missing)
    # What was just created is not looked at again: brokers may take a moment to know of it.
    faults = [line for line in differences(prefix, found, partitions, topics=topics) if line.partition(":")[0] in found]
    return Created(missing, faults)


def check(admin: TopicAdmin, prefix: str, partitions: Partitions, *, topics: Sequence[Topic] = TOPICS) -> list[str]:
    """What is wrong with the topics, missing ones included; one line each.

    Raises:
        DependencyError: the brokers did not answer, or refused.
    """
    found = admin.describe([full_name(prefix, topic) for topic in topics])
    return differences(prefix, found, partitions, topics=topics)


def register(app: typer.Typer) -> None:
    """Add ``topics create`` and ``topics check``."""
    topics = typer.Typer(help="Create or verify every topic.", no_args_is_help=True)
    topics.command("create")(_create)
    topics.command("check")(_check)
    app.add_typer(topics, name="topics")


MailboxOption = Annotated[
    int | None,
    typer.Option(
        "--mailbox-partitions",
        min=1,
        max=MAILBOX_PARTITIONS_MAX,
        help=f"Partitions of resolved-events, fixed for life; default {RESOLVED_EVENTS.partitions}.",
    ),
]
PartitionsOption = Annotated[
    int | None,
    typer.Option("--partitions", min=1, help="Partitions of inputs and outputs; by default each topic has its own."),
]


def _create(
    mailbox_partitions: MailboxOption = None,
    partitions: PartitionsOption = None,
    replication_factor: Annotated[
        int, typer.Option(min=BROKER_DEFAULT, help="Replicas; -1: the broker's default.")
    ] = BROKER_DEFAULT,
) -> None:
    """Create the topics that are missing; nothing that is there is changed."""
    settings = load_settings()
    created, faults = create(
        _admin(settings),
        settings.topic_prefix,
        Partitions(mailbox_partitions, partitions),
        replication_factor=replication_factor,
        topics=topics_of(settings),
    )
    for topic in created:
        typer.echo(f"created {topic.name}, partitions: {topic.partitions}")
    if faults:
        raise InputError(*faults)


def _check(mailbox_partitions: MailboxOption = None, partitions: PartitionsOption = None) -> None:
    """Verify that every topic is there and as it must be."""
    settings = load_settings()
    topics = topics_of(settings)
    faults = check(_admin(settings), settings.topic_prefix, Partitions(mailbox_partitions, partitions), topics=topics)
    if faults:
        raise InputError(*faults)
    typer.echo(f"{len(topics)} topics are as they must be")


def _admin(settings: Settings) -> TopicAdmin:
    from worker.adapters.kafka import KafkaAdmin

    return KafkaAdmin(settings.kafka_bootstrap_servers, settings.kafka_properties())
