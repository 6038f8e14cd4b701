"""Random histories of two producers and a plain one: readers see what was committed, all of it, and nothing else."""

from collections import defaultdict
from typing import Literal, NamedTuple

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conformance.kafka_steps import announced
from tests.conformance.kafka_worlds import World
from worker.ports import Producer

PARTITIONS = 2
PLAIN = "plain"


class Step(NamedTuple):
    what: Literal["append", "begin", "send", "commit", "abort", "replace"]
    who: int
    partition: int


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(["append", "begin", "begin", "send", "send", "send", "commit", "abort", "replace"]),
        st.integers(0, 1),
        st.integers(0, PARTITIONS - 1),
    ),
    min_size=5,
    max_size=30,
)
Seen = dict[tuple[str, int], list[bytes]]
"""Values by author and partition, in order. Of the order between authors nobody promises anything."""


class Author:
    """A producer, and what its readers are to see."""

    def __init__(self, producer: Producer, name: str, topic: str) -> None:
        self._producer, self._name, self._topic = producer, name, topic
        self._open: list[tuple[int, bytes]] | None = None

    def do(self, step: Step, value: bytes, expected: Seen) -> None:
        """Do a step if it is possible now."""
        if step.what == "replace":
            self._producer.replace()
            self._open = None
        elif step.what == "begin" and self._open is None:
            self._producer.begin()
            self._open = []
        elif self._open is None:
            return
        elif step.what == "send":
            self._producer.produce(self._topic, key=None, value=value, partition=step.partition)
            self._open.append((step.partition, value))
        elif step.what == "commit":
            self._producer.commit()
            for partition, sent in self._open:
                expected[self._name, partition].append(sent)
            self._open = None
        elif step.what == "abort":
            self.finish()

    def finish(self) -> None:
        self._producer.abort()
        self._open = None


@settings(
    max_examples=8,  # each takes half a second with a real broker
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking would take minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_readers_see_what_was_committed_and_nothing_else(world: World, steps: list[Step]) -> None:
    topic = world.topic(partitions=PARTITIONS)
    # The ids are the same in every example, so each also takes over from the one before.
    authors = [Author(announced(world, name), name, topic) for name in ("0", "1")]
    expected: Seen = defaultdict(list)

    for number, step in enumerate(steps):
        if step.what == "append":
            value = f"{PLAIN} {number}".encode()
            world.append(topic, value, partition=step.partition)
            expected[PLAIN, step.partition].append(value)
        else:
            authors[step.who].do(step, f"{step.who} {number}".encode(), expected)
    for author in authors:
        author.finish()

    assert _seen(world, topic) == dict(expected)


def _seen(world: World, topic: str) -> Seen:
    seen: Seen = defaultdict(list)
    for partition in range(PARTITIONS):
        for record in world.visible(topic, partition):
            value = record.value or b""
            seen[value.decode().split()[0], partition].append(value)
    return dict(seen)
