"""Who is in which audience at any instant, and every computed trait, worked out from scratch.

Slow, and meant to be seen to be right. Nothing is shared with the engine but the parsed query. No accumulators,
timers or incremental steps: an evaluation reads the whole log of one profile, filters it, and computes the
formula. Changes are what differs between one evaluation and the next, and the instants that are evaluated are
*all* at which anything could differ: every record, and every time in the log moved by every duration in the
definitions, a millisecond before and after it as well.

The language is covered but for accounts (ANY, ALL) and entities. Merges are ``audience_oracle_merges``'s matter;
no definitions come, change or go.

Source: Segment, "Query Language Reference"; docs/decisions.md.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Any, Literal, NamedTuple

from tests.property.audience_oracle_moment import Moment, current_segments
from tests.property.audience_oracle_records import Definitions, Record
from tests.property.audience_oracle_values import as_json, moment_of
from worker.audiences.language import tree

Reason = Literal["event", "time", "passthrough", "merge"]


class AmbiguousError(Exception):
    """Two records of one instant, at which time alone changes something too: either may be seen to bring it.

    A record that touches nothing is not evaluated, and what it touches is the engine's to say.
    """


class Transition(NamedTuple):
    """``reason``: the kind of record that brought it, ``time`` when the clock did.

    None: either is right. It came at the very moment of a record that changed nothing itself, or it is of
    another audience than the one that the record is about.
    ``merged_into``: the profile that has this one taken in, by name, when it leaves for that.
    """

    key: str
    at_ms: int
    entered: bool
    reason: Reason | None
    merged_into: int | None = None


class TraitChange(NamedTuple):
    """``value`` None: the trait is removed."""

    key: str
    at_ms: int
    value: Any


Change = Transition | TraitChange


class State(NamedTuple):
    """``members``: of which audiences; ``traits``: computed values; ``shown``: those that are told to others.

    A trait that is absent is in neither.
    """

    members: frozenset[str]
    traits: Mapping[str, Any]
    shown: Mapping[str, Any]


NOTHING = State(frozenset(), {}, {})


@dataclass
class Course:
    """How one profile fares. ``log``: what is its own so far, in the order of arrival; ``found``: its changes so far.

    ``before``: what the last evaluation came to; ``reached_ms``: up to when all is evaluated.
    """

    definitions: Definitions
    order: Sequence[str]
    log: list[Record] = field(default_factory=list)
    before: State = NOTHING
    reached_ms: int = -1
    found: list[Change] = field(default_factory=list)

    def pass_time(self, until_ms: int) -> None:
        """Up to and including that moment nothing comes."""
        for now_ms in instants(self.definitions, self.log):
            if self.reached_ms < now_ms <= until_ms:
                self._change(now_ms, state_at(self.definitions, self.log, now_ms=now_ms, before=self.before.traits))
        self.reached_ms = max(self.reached_ms, until_ms)

    def take(self, record: Record, *, is_last: bool) -> None:
        """A record comes; ``is_last``: none other comes at the same instant.

        An instant at which a record comes is the record's: time alone is looked at strictly between records.

        Raises:
            AmbiguousError: two orders of events are right.
        """
        now_ms = record.at_ms
        self.pass_time(now_ms - 1)
        without = state_at(self.definitions, self.log, now_ms=now_ms, before=self.before.traits)
        self.log.append(record)
        now = state_at(self.definitions, self.log, now_ms=now_ms, before=self.before.traits)
        if self.before not in (now, without) and not is_last:
            raise AmbiguousError
        self.reached_ms = now_ms
        if now == without:
            self._change(now_ms, now, reason=None)
        elif record.segment is None:
            self._change(now_ms, now, reason="event")
        else:
            self._change(now_ms, now, reason=None, own={record.segment: "passthrough"})

    def unite(self, log: list[Record], others: Sequence[State]) -> None:
        """The log is this one from now on, to the moment of its last record; ``others``: what its other parts came to.

        A counter that any of them had goes on counting.
        """
        now_ms = log[-1].at_ms
        self.pass_time(now_ms - 1)
        self.log, self.reached_ms = log, now_ms
        counted = {key: value for state in (*others, self.before) for key, value in state.traits.items()}
        self._change(now_ms, state_at(self.definitions, log, now_ms=now_ms, before=counted), reason="merge")

    def _change(
        self, now_ms: int, now: State, *, reason: Reason | None = "time", own: Mapping[str, Reason] | None = None
    ) -> None:
        """``own``: reasons of single audiences."""
        own = own or {}
        for key in self.order:
            entered = key in now.members
            if entered != (key in self.before.members):
                self.found.append(Transition(key, now_ms, entered, own.get(key, reason)))
        for key in self.order:
            value = now.shown.get(key)
            if as_json(value) != as_json(self.before.shown.get(key)):
                self.found.append(TraitChange(key, now_ms, value))
        self.before = now


def changes(definitions: Definitions, records: Sequence[Record], *, until_ms: int) -> list[Change]:
    """Every change of the profile up to and including ``until_ms``, in order.

    ``records``: in the order of their arrival, ``at_ms`` non-decreasing. Of one evaluation audiences come before
    traits; what is depended on comes first, then the smaller key.

    Raises:
        AmbiguousError: two orders of events are right.
    """
    course = Course(definitions, output_order(definitions, segments_of(records)))
    for index, record in enumerate(records):
        course.take(record, is_last=all(later.at_ms > record.at_ms for later in records[index + 1 :]))
    course.pass_time(until_ms)
    return course.found


def segments_of(records: Iterable[Record]) -> set[str]:
    """The external audiences that somebody speaks of."""
    return {record.segment for record in records if record.segment is not None}


def state_at(
    definitions: Definitions, records: Sequence[Record], *, now_ms: int, before: Mapping[str, Any] | None = None
) -> State:
    """The profile of these records at ``now_ms``; ``before``: the computed traits at the evaluation before."""
    moment = Moment(definitions, records, now_ms=now_ms, before=before or {})
    keys = {*definitions.audiences, *definitions.segments, *current_segments(records)}
    values = {key: moment.value_of(key) for key in definitions.traits}
    traits = {key: value for key, value in values.items() if value is not None}
    return State(
        members=frozenset(key for key in keys if moment.value_of(key)),
        traits=traits,
        shown={key: value for key, value in traits.items() if moment.is_eligible(definitions.traits[key])},
    )


# --- When something is evaluated --------------------------------------------------------------------------------


def instants(definitions: Definitions, records: Sequence[Record]) -> list[int]:
    """Every time at which something could change by itself, and its neighbours, ascending.

    An event enters and leaves a window, ends a session or decides what waited for its children a duration after
    it happened; a date is looked at from a duration before it to a duration after it.
    """
    queries = [computation.query for computation in definitions.computations.values()]
    spans_ms = {ms for query in queries for ms in _spans(query, windows=True)}
    moving_ms = {ms for query in queries for ms in _spans(query, windows=False)}
    due = {record.ts_ms + ms for record in records for ms in spans_ms}
    if moving_ms:
        dates = {date for record in records for part in _fields(record) for date in _dates(part)}
        due |= {date + sign * ms for date in dates for ms in {0, *moving_ms} for sign in (-1, 1)}
    return sorted({time + near for time in due for near in (-1, 0, 1)})


def _spans(node: object, *, windows: bool) -> Iterator[int]:
    """The lengths of the windows in a query, or those that its date comparators look ahead or back."""
    match node:
        case tree.Within(ms=ms) | tree.ExpiresAfter(ms=ms) if windows:
            yield ms
        case tree.Between(near_ms=near_ms, far_ms=far_ms) if windows:
            yield from (near_ms, far_ms)
        case tree.Duration(ms=ms) if not windows:
            yield ms
        case tuple():
            for item in node:
                yield from _spans(item, windows=windows)
        case _ if dataclasses.is_dataclass(node):
            for part in dataclasses.fields(node):
                yield from _spans(getattr(node, part.name), windows=windows)


def _fields(record: Record) -> Iterable[Mapping[str, Any]]:
    return (record.traits, record.properties, record.context)


def _dates(value: Any) -> Iterator[int]:
    """Every date inside a value. Newest or first of several events, one may come up that was there before."""
    match value:
        case dict():
            for item in value.values():
                yield from _dates(item)
        case list():
            for item in value:
                yield from _dates(item)
        case str():
            date = moment_of(value)
            if date is not None:
                yield date


# --- In which order it is told ----------------------------------------------------------------------------------


def output_order(definitions: Definitions, segments: Iterable[str] = ()) -> list[str]:
    """The keys of audiences, then of traits: what is depended on first, and of what may come next the smallest key.

    ``segments``: external audiences; those that nobody has defined come before all others.
    """
    needs = {key: set(_references(one.query)) for key, one in definitions.computations.items()}
    audiences = {*definitions.audiences, *definitions.segments}
    undefined = sorted(set(segments) - audiences)
    return [*undefined, *_by_dependence(audiences, needs), *_by_dependence(set(definitions.traits), needs)]


def _by_dependence(keys: set[str], needs: Mapping[str, set[str]]) -> list[str]:
    waiting = {key: _reached(key, needs) & keys for key in keys}
    ready = [key for key in keys if not waiting[key]]
    heapify(ready)
    order: list[str] = []
    while ready:
        key = heappop(ready)
        order.append(key)
        for other in keys:
            if key in waiting[other]:
                waiting[other].remove(key)
                if not waiting[other]:
                    heappush(ready, other)
    return order


def _reached(key: str, needs: Mapping[str, set[str]]) -> set[str]:
    """Everything that a definition depends on, directly or not."""
    reached: set[str] = set()
    ahead = set(needs.get(key, ()))
    while ahead:
        one = ahead.pop()
        reached.add(one)
        ahead |= needs.get(one, set()) - reached
    return reached


def _references(node: object) -> Iterator[str]:
    match node:
        case tree.Trait(path=path):
            yield path[0]
        case tuple():
            for item in node:
                yield from _references(item)
        case _ if dataclasses.is_dataclass(node):
            for part in dataclasses.fields(node):
                yield from _references(getattr(node, part.name))
