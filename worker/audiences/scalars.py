"""Scalars: values that a condition compares, or that a computed trait has, looked up when they are asked for.

``read`` gives the value *and* the earliest time at which it could be another one by itself.
Source: Segment, "Query Language Reference" (extractors, reducers); docs/query-language.md.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from worker.audiences.conditions import Around, Facts
from worker.audiences.kept import opened
from worker.audiences.language import tree
from worker.audiences.outcomes import Undecided, anything, outcomes_of
from worker.audiences.populations import Gap, Look, Population, once
from worker.audiences.rows import Row
from worker.audiences.sessions import END, TOTAL
from worker.audiences.totals import Total
from worker.audiences.values import find, find_each
from worker.audiences.windows import NEVER, Rolling, inside_at, times_of


class Reading(NamedTuple):
    """``value`` may be ``Undecided``; where a path has a ``$`` it is the list of the elements."""

    value: Any
    due_ms: int


class Scalar(Protocol):
    def read(self, facts: Facts, around: Around = ()) -> Reading:
        """The value now."""

    def course(self, facts: Facts, around: Around = ()) -> Iterator[Reading]:
        """The value now, and as it will be, if no record comes, at each time that it says it may change."""


class Constant:
    """A literal."""

    def __init__(self, value: Any) -> None:
        self._reading = Reading(value, NEVER)

    def read(self, facts: Facts, around: Around = ()) -> Reading:  # noqa: ARG002
        return self._reading

    def course(self, facts: Facts, around: Around = ()) -> Iterator[Reading]:  # noqa: ARG002
        yield self._reading


class Field:
    """A value of an event around: ``outwards`` 0 is the innermost, 1 its parent."""

    def __init__(self, place: int, *, outwards: int) -> None:
        self._place, self._event = place, -1 - outwards

    def read(self, facts: Facts, around: Around = ()) -> Reading:  # noqa: ARG002
        return Reading(around[self._event][self._place], NEVER)

    def course(self, facts: Facts, around: Around = ()) -> Iterator[Reading]:
        yield self.read(facts, around)


Lookup = Callable[[Facts, str], Any]
"""What ``trait(key)`` is: a membership, a computed trait, or what ``conditions.current_value`` says."""


class TraitValue:
    """``trait('path')``, as it is now."""

    def __init__(self, path: tree.Path, lookup: Lookup) -> None:
        self.path, self.lookup = path, lookup
        self._find: Callable[[Any, tree.Path], Any] = find_each if "$" in path else find

    def read(self, facts: Facts, around: Around = ()) -> Reading:  # noqa: ARG002
        key = self.path[0]
        return Reading(self._find({key: self.lookup(facts, key)}, self.path), NEVER)

    def course(self, facts: Facts, around: Around = ()) -> Iterator[Reading]:
        yield self.read(facts, around)


class CountValue:
    """The number of events of a counting leaf, with a window or without; at most the leaf's capacity."""

    def __init__(self, leaf_id: bytes, window: Rolling | None, capacity: int) -> None:
        self.leaf_id, self.window, self.capacity = leaf_id, window, capacity

    def read(self, facts: Facts, around: Around = ()) -> Reading:  # noqa: ARG002
        return next(self.course(facts))

    def course(self, facts: Facts, around: Around = ()) -> Iterator[Reading]:  # noqa: ARG002
        accumulator = facts.accumulators.get(self.leaf_id)
        if self.window is None:
            yield Reading(accumulator or 0, NEVER)
            return
        times = times_of(accumulator)
        now_ms = facts.time_ms
        while now_ms != NEVER:
            inside, due_ms = inside_at(times, self.window, now_ms)
            yield Reading(min(inside, self.capacity), due_ms)
            now_ms = due_ms


@dataclass(frozen=True, slots=True)
class TotalValue:
    """What a reducer makes of all events so far."""

    leaf_id: bytes
    total: Total

    def read(self, facts: Facts, around: Around = ()) -> Reading:  # noqa: ARG002
        kept = opened(facts.accumulators, self.leaf_id)
        return Reading(self.total.read(None if kept is None else kept.content), NEVER)

    def course(self, facts: Facts, around: Around = ()) -> Iterator[Reading]:
        yield self.read(facts, around)


@dataclass(frozen=True, slots=True)
class SessionValue:
    """What a reducer makes of the events of the current session; of no events once that is over."""

    leaf_id: bytes
    total: Total
    gap_ms: int

    def read(self, facts: Facts, around: Around = ()) -> Reading:
        return next(self.course(facts, around))

    def course(self, facts: Facts, around: Around = ()) -> Iterator[Reading]:  # noqa: ARG002
        kept = opened(facts.accumulators, self.leaf_id)
        if kept is not None:
            session = kept.content[-1]
            over_ms = session[END] + self.gap_ms
            if facts.time_ms < over_ms:
                yield Reading(self.total.read(session[TOTAL]), over_ms)
        yield Reading(self.total.read(None), NEVER)


@dataclass(frozen=True, slots=True)
class RowsValue:
    """What a reducer makes of rows. ``entries``: what the total takes of one row."""

    population: Population
    total: Total
    entries: Callable[[Row], Sequence[Any]]

    def read(self, facts: Facts, around: Around = ()) -> Reading:
        return once(around, self, lambda: self._reading(self.population.look(facts, around), facts.time_ms))

    def course(self, facts: Facts, around: Around = ()) -> Iterator[Reading]:
        now_ms = facts.time_ms
        while now_ms != NEVER:
            reading = self._reading(self.population.look(facts, around, at_ms=now_ms), now_ms)
            yield reading
            # What passes a condition is known for the present only.
            now_ms = reading.due_ms if self.population.where is None else NEVER

    def _reading(self, look: Look, now_ms: int) -> Reading:
        value = self._of(look.rows)
        if look.is_decided:
            return Reading(value, look.due_ms)
        outcomes: Sequence[Any] | None = [value]
        if look.judged:
            window = self.population.window
            session = (window.ms, now_ms) if isinstance(window, Gap) else None
            outcomes = outcomes_of(self.total, look.judged, self.entries, session)
        if outcomes is None:
            return Reading(anything(value), look.due_ms)
        return Reading(Undecided(value, outcomes, self.total.may_reach if look.is_open else None), look.due_ms)

    def _of(self, rows: Sequence[Row]) -> Any:
        return self.total.result([entry for row in rows for entry in self.entries(row)])
