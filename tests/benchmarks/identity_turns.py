"""Table D, second part: one merge of two large profiles, owner by owner.

A router and the owners of the two mailbox partitions, each a replica of its own, over the real Redis; Kafka is the
one in memory, so that a turn is what the replica does and what Redis takes.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from secrets import token_bytes

from consumers import catalog
from schemas.topics import RESOLVED_EVENTS, TOPICS
from tests.benchmarks.big_profiles import DEFINITIONS, Place, catalogue_of, write_pair
from tests.benchmarks.in_process import as_in_a_worker, open_space
from tests.benchmarks.store import Store, owners_of_slots
from worker.adapters.memory_clients import MemorySource
from worker.adapters.memory_kafka import MemoryKafka
from worker.cli.assembly import Connections, Options, assemble
from worker.cli.definition_files import documents_of
from worker.clock import SystemClock
from worker.engine.loop import Loop
from worker.engine.report import Report
from worker.ports import Partition

MAILBOX_PARTITIONS = 2
WARM_EVENTS = 500  # of other profiles, through everything, before anything counts

# The rows: the turns of a merge, in their order.
ROUTED = "router: merges them in the graph, tells both"
EXPECTED = "parent's owner: told to wait"
SEALED = "child's owner: ends the child, sends its history"
ABSORBED = "parent's owner: takes the history in"
SETTLED = "child's owner: strikes out the note"
TURNS = (ROUTED, EXPECTED, SEALED, ABSORBED, SETTLED)


@dataclass(frozen=True, kw_only=True)
class Turns:
    """``seconds``: by row, of each merge. ``state_bytes``: of one of the profiles before; ``change_bytes``: of all
    the audience changes that a merge has made.
    """

    merges: int
    seconds: dict[str, list[float]]
    state_bytes: int
    change_bytes: float


@dataclass(frozen=True, slots=True)
class Replica:
    """One replica and, for an owner of mailbox partitions, where it reads from."""

    loop: Loop
    mailbox: MemorySource | None = None

    def assigned(self) -> list[int]:
        """Numbers of the mailbox partitions that it owns."""
        return [] if self.mailbox is None else [partition.partition for partition in self.mailbox.assignment()]

    def turn(self) -> Report | None:
        return self.loop.turn(0.0)

    def idle(self) -> None:
        """Turn until there is nothing left to do."""
        while self.turn() is not None:
            pass

    def timed(self) -> float:
        """Seconds of one turn.

        Raises:
            RuntimeError: there was nothing to do in it.
        """
        began_s = time.perf_counter()
        report = self.turn()
        seconds = time.perf_counter() - began_s
        if report is None:
            raise RuntimeError("the turn that was to be measured found nothing to do")
        return seconds


class Replicas:
    """A router, and the owners of the two mailbox partitions: the parent's is number 0, the child's number 1."""

    def __init__(self, redis_url: str, space: str, closing: ExitStack) -> None:
        self._redis_url, self._space, self._closing = redis_url, space, closing
        self._clock = SystemClock()
        self.kafka = MemoryKafka(self._clock)
        for topic in TOPICS:
            mailbox = topic is RESOLVED_EVENTS
            partitions = MAILBOX_PARTITIONS if mailbox else 1
            self.kafka.create_topic(topic.name, partitions=partitions, log_append_time=mailbox)
        self.store = closing.enter_context(open_space(redis_url, space))
        self.router = self._replica("router", catalog.INPUT_TOPICS, None)
        self._append_definitions()
        self.router.idle()
        self.owners = self._owners()

    def _append_definitions(self) -> None:
        for key, value in documents_of({"definitions": DEFINITIONS}):
            self.kafka.append(catalog.DEFINITIONS_TOPIC, key=key.encode(), value=value)

    def _owners(self) -> dict[int, Replica]:
        """By the mailbox partition, once each has got one of them and has nothing else to do."""
        replicas = [self._replica(name, None, [catalog.MAILBOX_TOPIC]) for name in ("one", "other")]
        owners: dict[int, Replica] = {}
        while len(owners) < MAILBOX_PARTITIONS:
            for replica in replicas:
                replica.idle()
            owned = [(replica.assigned(), replica) for replica in replicas]
            owners = {numbers[0]: replica for numbers, replica in owned if len(numbers) == 1}
        return owners

    def _replica(self, name: str, inputs: Sequence[str] | None, mailbox: Sequence[str] | None) -> Replica:
        source = None if mailbox is None else self.kafka.source("fold", name, mailbox)
        connections = Connections(
            producer=self.kafka.producer(name),
            store=self._closing.enter_context(open_space(self._redis_url, self._space)),
            clock=self._clock,
            inputs=None if inputs is None else self.kafka.source("route", name, inputs),
            mailbox=source,
            mailbox_partitions=MAILBOX_PARTITIONS,
            event_partitions=[Partition(topic, 0) for topic in catalog.EVENT_TOPICS],
            draw_profile=lambda: token_bytes(16),
        )
        return Replica(assemble(connections, Options(space_id=self._space)), source)

    def place(self) -> Place:
        """Where profiles may be written behind the replicas' back."""
        return Place(self.store, catalogue_of(self.store), owners_of_slots(self._redis_url, self._space))

    def idle(self) -> None:
        """Turn everybody until there is nothing left to do."""
        for replica in (self.router, *self.owners.values(), self.router, *self.owners.values()):
            replica.idle()

    def send(self, call: dict[str, object]) -> None:
        self.kafka.append(catalog.EVENT_TOPICS[0], key=None, value=json.dumps(call).encode())

    def change_bytes(self) -> int:
        """Of all audience changes so far."""
        return sum(len(record.value or b"") for record in self.kafka.visible("audience-changes", 0))

    def merged(self) -> int:
        """Merges that readers have been told of."""
        return len(self.kafka.visible("profile-merges", 0))


def measure(redis_url: str, *, space: str, merges: int) -> Turns:
    """Merge so many pairs, one after the other.

    Raises:
        RuntimeError: a merge did not come to its end in the turns that were measured.
    """
    try:
        with ExitStack() as closing:
            replicas = Replicas(redis_url, space, closing)
            for number in range(WARM_EVENTS):
                replicas.send(_call(f"warm-{number}", userId=f"warm-{number}", anonymousId=f"device-{number}"))
            replicas.idle()
            return _measure(replicas, merges)
    finally:
        Store(redis_url, space=space).free_identity()


def _measure(replicas: Replicas, merges: int) -> Turns:
    place, now_ms = replicas.place(), SystemClock().now_ms()
    pairs = [write_pair(place, f"pair-{number}", slots=(0, 1), now_ms=now_ms) for number in range(merges)]
    seconds: dict[str, list[float]] = {row: [] for row in TURNS}
    changed = replicas.change_bytes()
    with as_in_a_worker():
        for pair in pairs:
            replicas.send(_call(pair.child.user_id, userId=pair.parent.user_id, anonymousId=pair.child.anonymous_id))
            for row, taken in _turns(replicas):
                seconds[row].append(taken)
    left = replicas.store.notes(1 << 62, merges).get()
    if replicas.merged() != merges or left:
        raise RuntimeError(f"{replicas.merged()} of {merges} merges were told, {len(left)} are not over")
    return Turns(
        merges=merges,
        seconds=seconds,
        state_bytes=pairs[0].child.state_bytes,
        change_bytes=(replicas.change_bytes() - changed) / merges,
    )


def _turns(replicas: Replicas) -> Iterator[tuple[str, float]]:
    parents, childs = replicas.owners[0], replicas.owners[1]
    turning = (replicas.router, parents, childs, parents, childs)
    yield from [(row, replica.timed()) for row, replica in zip(TURNS, turning, strict=True)]


def _call(message_id: str, **ids: str) -> dict[str, object]:
    return {"type": "track", "messageId": message_id, "event": "Cart Viewed", **ids}
