"""Leaves: the event selections on which audiences and traits stand.

A leaf is an event name with its filters, its window and its capacity, in canonical form; the hash of that form names
the accumulator in every profile's state. Computations that mean the same selection share one leaf: one predicate
evaluated, one accumulator stored.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

from worker.audiences.windows import Accumulator, add_time, times_of

CAPACITIES = (8, 32, 128, 512, 2048, 8192)
"""How many event times a windowed leaf may keep. Few steps, so that editing ``>= 3`` into ``>= 5`` keeps the leaf.
Lower bounds: a smaller first step shares less. Upper: 8,192 times are 64 KB in one profile's state; an audience that
compares a windowed count with more than that is refused."""


class Occurrence(Protocol):
    """An event as a leaf sees it. ``at_ms``: its corrected timestamp."""

    @property
    def at_ms(self) -> int: ...
    @property
    def properties(self) -> Mapping[str, Any]: ...
    @property
    def context(self) -> Mapping[str, Any]: ...


class Predicate(Protocol):
    def __call__(self, occurrence: Occurrence) -> bool: ...


@dataclass(frozen=True, slots=True)
class Leaf:
    """``window_ms`` and ``capacity`` are None for a leaf without a window, ``where`` is None without filters.

    ``history_ms``: how far before the leaf's own beginning events count (None: all the way).
    """

    leaf_id: bytes
    event: str
    where: Predicate | None
    window_ms: int | None
    capacity: int | None
    history_ms: int | None = None

    def selects(self, occurrence: Occurrence, now_ms: int) -> bool:
        """Whether the event counts: by its filters, and by its time (``now_ms``: of the evaluation)."""
        if self.window_ms is not None and occurrence.at_ms <= now_ms - self.window_ms:
            return False
        return self.where is None or self.where(occurrence)

    def add(self, accumulators: dict[bytes, Accumulator], at_ms: int, now_ms: int) -> None:
        """Count one selected event."""
        if self.window_ms is None:
            accumulators[self.leaf_id] = accumulators.get(self.leaf_id, 0) + 1  # type: ignore[operator]
            return
        times = times_of(accumulators.get(self.leaf_id))
        add_time(times, at_ms, now_ms=now_ms, window_ms=self.window_ms, capacity=self.capacity or CAPACITIES[0])
        accumulators[self.leaf_id] = times

    def union(self, one: Accumulator, other: Accumulator, now_ms: int) -> Accumulator:
        """What would be kept had the events of both been one profile's from the start."""
        if self.window_ms is None or self.capacity is None:
            return one + other  # type: ignore[operator]
        horizon_ms = now_ms - self.window_ms
        both = sorted([at_ms for times in (one, other) for at_ms in times_of(times) if at_ms > horizon_ms])
        return array("q", both[-self.capacity :])


def leaf_id_of(canonical: str) -> bytes:
    """Eight bytes that name a leaf in stored states; frozen: changing it forgets every accumulator."""
    return blake2b(canonical.encode(), digest_size=8).digest()


def capacity_for(threshold: int) -> int | None:
    """The smallest capacity that tells a count of ``threshold`` from more; None when there is none."""
    return next((capacity for capacity in CAPACITIES if capacity > threshold), None)
