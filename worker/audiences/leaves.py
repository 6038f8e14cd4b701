"""Leaves: what computations remember of events.

A leaf is a selection of events, by name and filters, and what is kept of each of them, in canonical form; the hash of
that form names the accumulator in every profile's state. Computations that mean the same share one leaf: one predicate
evaluated, one accumulator stored.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

from worker.audiences.kept import Accumulator, Accumulators, Kept, content_of, opened
from worker.audiences.totals import Order, Total
from worker.audiences.windows import Rolling, add_time, join_times, times_max, times_of

CAPACITIES = (8, 32, 128, 512, 2048, 8192)
"""How many events a counting leaf with a window tells apart. Few steps, so that editing ``>= 3`` into ``>= 5`` keeps
the leaf. Lower bounds: a smaller first step shares less. Upper: 8,192 times are 64 KB in one profile's state."""

TIMES_MAX = 32_768
"""Times of one leaf in one profile (256 KB). Lower: counts between two times long ago and close together are refused
or capped; higher: a single visitor's state holds up the batch that it is in."""


class Occurrence(Protocol):
    """An event as a leaf sees it. ``at_ms``: its corrected timestamp. ``sources``: the names of where it came from.

    ``arrival`` grows with every event of a profile.
    """

    @property
    def at_ms(self) -> int: ...
    @property
    def received_ms(self) -> int: ...
    @property
    def arrival(self) -> int: ...
    @property
    def sources(self) -> frozenset[str]: ...
    @property
    def properties(self) -> Mapping[str, Any]: ...
    @property
    def context(self) -> Mapping[str, Any]: ...


class Predicate(Protocol):
    def __call__(self, occurrence: Occurrence) -> bool: ...


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events a leaf takes: ``event`` by name, ``where`` by themselves (None: all).

    ``name``: the same for all that select alike. ``required``: a property and the text that it must be, if ``where``
    asks for one. ``history_ms``: how far before the leaf's own beginning events count (None: all the way).
    """

    name: str
    event: str
    where: Predicate | None
    required: tuple[tuple[str, ...], str] | None = None
    history_ms: int | None = None


class Leaf(Protocol):
    @property
    def leaf_id(self) -> bytes: ...
    @property
    def selection(self) -> Selection: ...

    def admits(self, at_ms: int, now_ms: int) -> bool:
        """Whether an event of that time can matter at ``now_ms`` or later."""

    def add(self, accumulators: Accumulators, occurrence: Occurrence, now_ms: int) -> None:
        """Take in an event that is selected and admitted."""

    def union(self, one: Accumulator, other: Accumulator, now_ms: int) -> Accumulator:
        """What would be kept had the events of two profiles been one's. Changes neither."""


def selects(leaf: Leaf, occurrence: Occurrence, now_ms: int) -> bool:
    """Whether an event counts for a leaf; ``now_ms``: the time of the evaluation."""
    where = leaf.selection.where
    return leaf.admits(occurrence.at_ms, now_ms) and (where is None or where(occurrence))


@dataclass(frozen=True, slots=True)
class CountLeaf:
    """How many events there were: a number."""

    leaf_id: bytes
    selection: Selection

    def admits(self, at_ms: int, now_ms: int) -> bool:  # noqa: ARG002 - no window
        return True

    def add(self, accumulators: Accumulators, occurrence: Occurrence, now_ms: int) -> None:  # noqa: ARG002
        accumulators[self.leaf_id] = accumulators.get(self.leaf_id, 0) + 1  # type: ignore[operator]

    def union(self, one: Accumulator, other: Accumulator, now_ms: int) -> Accumulator:  # noqa: ARG002
        return one + other  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class TimesLeaf:
    """When events inside a window, or on the way into it, were: times."""

    leaf_id: bytes
    selection: Selection
    window: Rolling
    capacity: int

    def admits(self, at_ms: int, now_ms: int) -> bool:
        return at_ms > now_ms - self.window.far_ms

    def add(self, accumulators: Accumulators, occurrence: Occurrence, now_ms: int) -> None:
        times = times_of(accumulators.get(self.leaf_id))
        add_time(times, occurrence.at_ms, now_ms=now_ms, window=self.window, capacity=self.capacity)
        accumulators[self.leaf_id] = times

    def union(self, one: Accumulator, other: Accumulator, now_ms: int) -> Accumulator:
        return join_times(times_of(one), times_of(other), now_ms=now_ms, window=self.window, capacity=self.capacity)


@dataclass(frozen=True, slots=True)
class TotalLeaf:
    """What a reducer makes of all events so far. ``entries``: what the total takes of one event."""

    leaf_id: bytes
    selection: Selection
    total: Total
    entries: Callable[[Occurrence], Sequence[Any]]

    def admits(self, at_ms: int, now_ms: int) -> bool:  # noqa: ARG002 - no window
        return True

    def add(self, accumulators: Accumulators, occurrence: Occurrence, now_ms: int) -> None:  # noqa: ARG002
        entries = self.entries(occurrence)
        if not entries:
            return
        order = Order(occurrence.at_ms, occurrence.received_ms, occurrence.arrival)
        before = opened(accumulators, self.leaf_id)
        content = None if before is None else before.content
        for entry in entries:
            content = self.total.add(content, entry, order)
        accumulators[self.leaf_id] = Kept(content)

    def union(self, one: Accumulator, other: Accumulator, now_ms: int) -> Accumulator:  # noqa: ARG002
        return Kept(self.total.union(content_of(one), content_of(other)))


def leaf_id_of(canonical: str) -> bytes:
    """Eight bytes that name a leaf in stored states; frozen: changing it forgets every accumulator."""
    return blake2b(canonical.encode(), digest_size=8).digest()


def capacity_for(threshold: int, window: Rolling) -> int | None:
    """The smallest capacity that tells a count of ``threshold`` from more; None when there is none."""
    enough = next((capacity for capacity in CAPACITIES if capacity > threshold), None)
    return enough if enough is not None and times_max(window, enough) <= TIMES_MAX else None


def largest_capacity(window: Rolling) -> int | None:
    """The largest capacity that the window allows."""
    return next((one for one in reversed(CAPACITIES) if times_max(window, one) <= TIMES_MAX), None)
