"""Topics: made and described, for ``audience-worker topics`` and start-up checks."""

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol, TypeVar

from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it re-exports them without saying so
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from worker.adapters.kafka_client import CLIENT_LOG, Properties, configuring, merged, one_line
from worker.errors import DependencyError
from worker.ports import Partition

T = TypeVar("T")

ANSWER_TIMEOUT_S = 10.0
"""For one question. A person is waiting, or a start-up probe: longer helps neither."""

FIND_WAIT_S = 0.02
"""Between two looks for a topic that has just been made; brokers hear of one within about that time."""


class WantedTopic(Protocol):
    """A topic to be created. ``replication_factor`` -1: the broker's default. ``config``: in Kafka's names."""

    @property
    def name(self) -> str: ...

    @property
    def partitions(self) -> int: ...

    @property
    def replication_factor(self) -> int: ...

    @property
    def config(self) -> Mapping[str, str]: ...


class TopicDescription(NamedTuple):
    """A topic as it is. ``topic_id`` changes when a topic is deleted and made anew."""

    topic_id: str
    partitions: int
    config: Mapping[str, str]


class Watermarks(NamedTuple):
    """The first offset that a partition still has, and the one after its last."""

    low: int
    high: int


class KafkaAdmin:
    """Questions to the brokers; ``DependencyError`` with one line when they do not answer, or refuse."""

    def __init__(
        self, servers: str, properties: Properties | None = None, *, answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        self._servers = servers
        self._timeout_s = answer_timeout_s
        defaults = {"socket.timeout.ms": int(answer_timeout_s * 1_000)}
        self._configuration = merged(defaults, properties or {}, {"bootstrap.servers": servers})
        self._client = self._connect()

    def _connect(self) -> AdminClient:
        with configuring():
            return AdminClient(self._configuration, logger=CLIENT_LOG)

    def names(self) -> frozenset[str]:
        """Every topic that this client may see."""
        try:
            return frozenset(self._client.list_topics(timeout=self._timeout_s).topics)
        except KafkaException as error:
            raise self._unanswered("list topics", error) from error

    def create(self, topics: Sequence[WantedTopic]) -> None:
        """Create topics; one that somebody else has created meanwhile is no error. Returns when they are found."""
        wanted = [
            NewTopic(
                topic.name,
                num_partitions=topic.partitions,
                replication_factor=topic.replication_factor,
                config=dict(topic.config),
            )
            for topic in topics
        ]
        if not wanted:
            return
        made = self._client.create_topics(wanted, request_timeout=self._timeout_s)
        for name, answer in made.items():
            try:
                answer.result(self._timeout_s)
            except (KafkaException, TimeoutError) as error:
                if not _exists_already(error):
                    raise self._unanswered(f"create topic {name}", error) from error
        self._wait_for({topic.name for topic in topics})

    def _wait_for(self, names: set[str]) -> None:
        """The controller has made them; the broker that is asked may hear of it a moment later."""
        deadline_s = time.monotonic() + self._timeout_s
        while missing := names - self.names():
            if time.monotonic() > deadline_s:
                raise self._unanswered(f"find topic {min(missing)}", TimeoutError())
            time.sleep(FIND_WAIT_S)

    def describe(self, names: Sequence[str]) -> Mapping[str, TopicDescription]:
        """Those of the topics that exist, by name."""
        existing = sorted(self.names().intersection(names))
        if not existing:
            return {}
        described = self._client.describe_topics(TopicCollection(existing), request_timeout=self._timeout_s)
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in existing]
        configured = self._client.describe_configs(resources, request_timeout=self._timeout_s)
        configs = {resource.name: self._answer(future, "topic settings") for resource, future in configured.items()}
        return {
            name: TopicDescription(
                topic_id=str(found.topic_id),
                partitions=len(found.partitions),
                config={key: str(entry.value) for key, entry in configs[name].items()},
            )
            for name, future in described.items()
            for found in [self._answer(future, f"topic {name}")]
        }

    def watermarks(self, partitions: Iterable[Partition]) -> Mapping[Partition, Watermarks]:
        """Where each log begins and ends, records of open transactions included."""
        asked = list(partitions)
        low = self._offsets(asked, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        high = self._offsets(asked, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        return {partition: Watermarks(low[partition], high[partition]) for partition in asked}

    def stable_ends(self, partitions: Iterable[Partition]) -> Mapping[Partition, int]:
        """The last stable offset of each partition: where the first open transaction begins, or the end.

        Ask again after an error: by then who leads a partition is looked up anew.
        """
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        try:
            return self._offsets(list(partitions), latest, IsolationLevel.READ_COMMITTED)
        except DependencyError:
            # The client keeps an old leader for a quarter of an hour, however often the brokers refuse its epoch.
            self._client = self._connect()
            raise

    def _offsets(
        self,
        partitions: Sequence[Partition],
        place: OffsetSpec,
        isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
    ) -> dict[Partition, int]:
        answers: dict[TopicPartition, Future[Any]] = (
            self._client.list_offsets(
                {TopicPartition(*partition): place for partition in partitions},
                isolation_level=isolation,
                request_timeout=self._timeout_s,
            )
            if partitions
            else {}
        )
        return {
            Partition(asked.topic, asked.partition): int(self._answer(future, "offsets").offset)
            for asked, future in answers.items()
        }

    def _answer(self, future: "Future[T]", question: str) -> T:
        try:
            return future.result(self._timeout_s)
        except (KafkaException, TimeoutError) as error:
            raise self._unanswered(question, error) from error

    def _unanswered(self, question: str, error: KafkaException | TimeoutError) -> DependencyError:
        reason = one_line(error) if isinstance(error, KafkaException) else "no answer"
        return DependencyError(f"Kafka at {self._servers}: {question}: {reason}")


def _exists_already(error: Exception) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
