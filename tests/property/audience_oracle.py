"""Who is in which audience at any instant, worked out from scratch: slow, and meant to be seen to be right.

Nothing is shared with the engine but the parsed query. No accumulators, timers or incremental steps:
an evaluation reads the whole log of one profile, filters it, and computes the formula. Transitions are what
differs between one evaluation and the next, and the instants that are evaluated are *all* at which anything
could differ: every record, and every time in the log moved by every duration in the queries, a millisecond
before and after it as well.

Covered: counts of events with ``where``, ``within``, ``between``; traits, properties, the profile's traits in
``where``; every comparator; AND, OR, NOT; memberships as traits; who is eligible. Not covered: reducers other
than ``count``, funnels, sessions, accounts, contexts; they raise ``NotCoveredError``.

Source: Segment, "Query Language Reference"; docs/decisions.md, "Windows", "Comparison", "Eligibility".
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from tests.property.audience_oracle_values import COMPARATORS, MOVING, at_path, holds_on, moment_of
from worker.audiences.language import tree


class NotCoveredError(Exception):
    """The query uses a part of the language that this oracle does not know."""


@dataclass(frozen=True)
class Record:
    """An accepted record of the profile: an event when it has a name, and perhaps new traits.

    ``at_ms``: when it was received and evaluated. ``ts_ms``: when it happened, never after ``at_ms``.
    ``user``, ``anonymous``: whether it names a user id, an anonymous id.
    """

    at_ms: int
    ts_ms: int
    event: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    traits: Mapping[str, Any] = field(default_factory=dict)
    user: bool = True
    anonymous: bool = False


@dataclass(frozen=True)
class Audience:
    query: tree.Query
    include_anonymous: bool = False


class Transition(NamedTuple):
    """``reason``: ``event`` when a record brought it, ``time`` when the clock did.

    None: it came at the very moment of a record that changed nothing itself, so that either word is right.
    """

    key: str
    at_ms: int
    entered: bool
    reason: Literal["event", "time"] | None


def transitions(audiences: Mapping[str, Audience], records: Sequence[Record], *, until_ms: int) -> list[Transition]:
    """Every transition of the profile up to and including ``until_ms``, by time, then key.

    ``records``: in the order of their arrival, ``at_ms`` non-decreasing.
    """
    found: list[Transition] = []
    before: frozenset[str] = frozenset()
    for now_ms, seen, occasion in _evaluations(audiences, records, until_ms):
        now = members(audiences, seen, now_ms=now_ms)
        by_time_alone = occasion == "event" and now == members(audiences, seen[:-1], now_ms=now_ms)
        reason = None if by_time_alone else occasion
        found += [Transition(key, now_ms, key in now, reason) for key in sorted(before ^ now)]
        before = now
    return found


def members(audiences: Mapping[str, Audience], records: Sequence[Record], *, now_ms: int) -> frozenset[str]:
    """The keys of the audiences that the profile of these records is in at ``now_ms``."""
    moment = _Moment(audiences, records, now_ms)
    return frozenset(key for key in audiences if moment.is_member(key))


def _evaluations(
    audiences: Mapping[str, Audience], records: Sequence[Record], until_ms: int
) -> Iterator[tuple[int, Sequence[Record], Literal["event", "time"]]]:
    """Time, log so far and occasion of every evaluation.

    An instant at which a record comes is the record's: time alone is looked at strictly between records.
    """
    instants = _instants(audiences, records)
    for index, record in enumerate(records):
        seen = records[: index + 1]
        yield record.at_ms, seen, "event"
        next_ms = records[index + 1].at_ms if index + 1 < len(records) else until_ms + 1
        for instant in instants:
            if record.at_ms < instant < next_ms:
                yield instant, seen, "time"


def _instants(audiences: Mapping[str, Audience], records: Sequence[Record]) -> list[int]:
    """Every time at which a condition could change by itself, and its neighbours, ascending."""
    durations = {0, *(ms for audience in audiences.values() for ms in _durations(audience.query))}
    times = {record.ts_ms for record in records}
    dates = (moment_of(value) for record in records for value in record.traits.values())
    times |= {date for date in dates if date is not None}
    return sorted(
        {
            time + sign * duration + near
            for time in times
            for duration in durations
            for sign in (-1, 1)
            for near in (-1, 0, 1)
        }
    )


def _durations(node: object) -> Iterator[int]:
    """Every length of time in a query, whatever it is for."""
    match node:
        case tree.Within(ms=ms) | tree.Duration(ms=ms):
            yield ms
        case tree.Between(near_ms=near_ms, far_ms=far_ms):
            yield from (near_ms, far_ms)
        case tuple():
            for item in node:
                yield from _durations(item)
        case _ if dataclasses.is_dataclass(node):
            for part in dataclasses.fields(node):
                yield from _durations(getattr(node, part.name))


class _Moment:
    """One evaluation: a log, an instant, and the formulas."""

    def __init__(self, audiences: Mapping[str, Audience], log: Sequence[Record], now_ms: int) -> None:
        self._audiences = audiences
        self._log = log
        self._now_ms = now_ms
        self._traits = _current_traits(log)

    def is_member(self, key: str) -> bool:
        audience = self._audiences[key]
        eligible = any(record.user or (audience.include_anonymous and record.anonymous) for record in self._log)
        return eligible and self._holds(audience.query, None)

    def _holds(self, query: tree.Query, event: Record | None) -> bool:
        match query:
            case tree.And(items=items):
                return all(self._holds(item, event) for item in items)
            case tree.Or(items=items):
                return any(self._holds(item, event) for item in items)
            case tree.Not(item=item):
                return not self._holds(item, event)
            case tree.Compare():
                return self._compares(query, event)
        raise NotCoveredError(query)

    def _compares(self, compare: tree.Compare, event: Record | None) -> bool:
        left = self._value(compare.left, event)
        arguments = [self._value(argument, event) for argument in compare.arguments]
        if compare.comparator in MOVING:
            return holds_on(left, lambda value: self._moving(compare.comparator, value, arguments[0]))
        if compare.comparator == "omits":
            return not holds_on(left, lambda value: COMPARATORS["contains"](value, *arguments))
        return holds_on(left, lambda value: COMPARATORS[compare.comparator](value, *arguments))

    def _moving(self, comparator: str, value: Any, duration_ms: int) -> bool:
        """Comparators of today, edges included."""
        date = moment_of(value)
        if date is None:
            return False
        return MOVING[comparator](date, self._now_ms, duration_ms)

    def _value(self, scalar: tree.Scalar | tree.Duration, event: Record | None) -> Any:
        match scalar:
            case tree.Literal(value=value):
                return value
            case tree.Duration(ms=ms):
                return ms
            case tree.Trait(path=path):
                return self._trait(path)
            case tree.Property(path=path, parent=False) if event is not None:
                return at_path(event.properties, path)
            case tree.Reduce(events=events, reducer="count"):
                return self._count(events)
        raise NotCoveredError(scalar)

    def _trait(self, path: tree.Path) -> Any:
        """A membership before a trait of the same name; a defined audience is never absent."""
        if path[0] in self._audiences and len(path) == 1:
            return self.is_member(path[0])
        return at_path(self._traits, path)

    def _count(self, events: tree.Events) -> int:
        if events.excluded_sources:
            raise NotCoveredError(events)
        return sum(
            record.event == events.name
            and self._in_window(events.window, record.ts_ms)
            and (events.where is None or self._holds(events.where, record))
            for record in self._log
        )

    def _in_window(self, window: tree.Window | None, ts_ms: int) -> bool:
        match window:
            case None:
                return True
            case tree.Within(ms=ms, parent=False):
                return self._now_ms - ms < ts_ms <= self._now_ms
            case tree.Between(near_ms=near_ms, far_ms=far_ms, parent=False):
                return self._now_ms - far_ms < ts_ms <= self._now_ms - near_ms
        raise NotCoveredError(window)


def _current_traits(log: Iterable[Record]) -> dict[str, Any]:
    """Newest first by time of the event, then of its receipt, then arrival; null is a value that removes."""
    in_order = sorted(log, key=lambda record: (record.ts_ms, record.at_ms))  # stable: arrival decides last
    return {name: value for record in in_order for name, value in record.traits.items()}
