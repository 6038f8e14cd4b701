"""A consumer group: static members, generations, cooperative assignment, committed offsets.

A member gets a partition only after its former owner has let go of it at a poll of its own, or is gone. One that
closes keeps its partitions until its session ends, as a static member does.
Source: Apache Kafka, KIP-345 (static membership), KIP-429 (cooperative rebalancing), KIP-447 (generations in
transactional offset commits).
"""

from collections.abc import Iterable
from typing import NamedTuple

from worker.ports import Partition


class Membership(NamedTuple):
    """What a poll captures of its consumer's place in the group; the ``metadata`` of ``Poll``."""

    group: str
    instance: str
    member: int | None
    generation: int


class Group:
    """State of one group at the coordinator. ``instance``: the static name of a member."""

    def __init__(self) -> None:
        self.generation = 0
        self.committed: dict[Partition, int] = {}
        self._members: dict[str, int] = {}
        self._closed_ms: dict[str, int] = {}
        self._joined = 0
        self._partitions: list[Partition] = []
        self._target: dict[Partition, str] = {}
        self._owners: dict[Partition, str] = {}

    def join(self, instance: str, partitions: Iterable[Partition]) -> int:
        """Take a place, and the place of an earlier member of the same name; the number of the new member.

        Whatever that one held is free: it is fenced, and the new member holds nothing yet.
        """
        self._joined += 1
        self._release(instance)
        self._closed_ms.pop(instance, None)
        wanted = sorted({*self._partitions, *partitions})
        known = instance in self._members
        self._members[instance] = self._joined
        if not known or wanted != self._partitions:
            self._partitions = wanted
            self._rebalance()
        return self._joined

    def close(self, instance: str, member: int, now_ms: int) -> None:
        """A member stops; its place is kept until its session ends."""
        if self._members.get(instance) == member:
            self._closed_ms[instance] = now_ms

    def expire(self, before_ms: int) -> None:
        """Remove the members that stopped at or before a time."""
        for instance in [name for name, closed_ms in self._closed_ms.items() if closed_ms <= before_ms]:
            self.remove(instance)

    def remove(self, instance: str) -> None:
        """Throw a member out, whatever it thinks: its partitions are free at once."""
        self._members.pop(instance, None)
        self._closed_ms.pop(instance, None)
        self._release(instance)
        self._rebalance()

    def _release(self, instance: str) -> None:
        self._owners = {partition: name for partition, name in self._owners.items() if name != instance}

    def member(self, instance: str) -> int | None:
        """The number of the member that has a name now."""
        return self._members.get(instance)

    def is_current(self, membership: Membership) -> bool:
        return self._members.get(membership.instance) == membership.member and membership.generation == self.generation

    def is_succeeded(self, membership: Membership) -> bool:
        """Whether its name is another member's now; not of one that was thrown out, whose name is free."""
        return self._members.get(membership.instance, membership.member) != membership.member

    def exchange(self, instance: str, held: Iterable[Partition]) -> tuple[list[Partition], list[Partition]]:
        """(revoked, assigned): what a member that holds some partitions lets go, and what it gets."""
        held = set(held)
        revoked = sorted(partition for partition in held if self._target.get(partition) != instance)
        for partition in revoked:
            if self._owners.get(partition) == instance:
                del self._owners[partition]
        assigned = [
            partition
            for partition in self._partitions
            if self._target.get(partition) == instance
            and partition not in held
            and self._owners.get(partition, instance) == instance
        ]
        self._owners.update(dict.fromkeys(assigned, instance))
        return revoked, assigned

    def _rebalance(self) -> None:
        """Share the partitions as evenly as possible, moving as few as possible."""
        self.generation += 1
        counts = dict.fromkeys(sorted(self._members), 0)
        if not counts:
            self._target = {}
            return
        most, unlucky = divmod(len(self._partitions), len(counts))
        target: dict[Partition, str] = {}
        for partition in self._partitions:
            name = self._target.get(partition)
            if name in counts and counts[name] < most + (1 if unlucky else 0):
                target[partition] = name
                counts[name] += 1
        for partition in self._partitions:
            if partition not in target:
                target[partition] = min(counts, key=lambda name: (counts[name], name))
                counts[target[partition]] += 1
        self._target = _levelled(target, counts)


def _levelled(target: dict[Partition, str], counts: dict[str, int]) -> dict[Partition, str]:
    """Move partitions from the fullest member to the emptiest until they differ by one at most."""
    while True:
        fullest = max(counts, key=lambda name: (counts[name], name))
        emptiest = min(counts, key=lambda name: (counts[name], name))
        if counts[fullest] - counts[emptiest] <= 1:
            return target
        moved = max(partition for partition, name in target.items() if name == fullest)
        target[moved] = emptiest
        counts[fullest] -= 1
        counts[emptiest] += 1
