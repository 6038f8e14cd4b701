"""One evaluation: the definitions, a log, an instant, and the formulas.

Conditions are true, false or undecided, and AND, OR and NOT are Kleene's. A comparison is undecided when it
is so for one outcome of its sides and not for another.

Source: Segment, "Query Language Reference"; docs/decisions.md.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any, NamedTuple

from tests.property.audience_oracle_events import Selected, Truth, decided, may_become, reduced, select, ways
from tests.property.audience_oracle_records import Computation, Definitions, Record
from tests.property.audience_oracle_values import as_json, at_path, holds
from worker.audiences.language import tree

COUNTERS = ("count", "unique_count")
Scope = tuple[Record, ...]
"""The events around a node, the enclosing ones first."""


class NotCoveredError(Exception):
    """The query uses a part of the language that this oracle does not know."""


class Outcomes(NamedTuple):
    """``values``: one for each way to decide what is undecided. ``more``: which others may still come, of those
    that matter beside given ones.
    """

    values: list[Any]
    more: Callable[[Sequence[Any]], list[Any]] = lambda _: []


class Moment:
    """``before``: the values of the computed traits at the evaluation before; a counter that once was one stays one.

    Not covered: quantifiers of accounts, entities.
    """

    def __init__(
        self, definitions: Definitions, log: Sequence[Record], *, now_ms: int, before: Mapping[str, Any]
    ) -> None:
        self._definitions = definitions
        self._log = log
        self._now_ms = now_ms
        self._before = before
        self._custom_traits = current_traits(log)
        self._segments = current_segments(log)
        self._known: dict[str, Any] = {}
        self._selections: dict[tuple[int, int], Selected] = {}

    def is_eligible(self, computation: Computation) -> bool:
        return any(record.user or (computation.include_anonymous and record.anonymous) for record in self._log)

    def value_of(self, key: str) -> Any:
        """A membership or a computed trait by its key."""
        if key not in self._known:
            self._known[key] = self._compute(key)
        return self._known[key]

    def _compute(self, key: str) -> Any:
        audience = self._definitions.audiences.get(key)
        if audience is not None:  # what is undecided is no member
            return self.is_eligible(audience) and self.truth(audience.query, ()) is True
        if key in self._definitions.traits:
            return self._trait_value(key, self._definitions.traits[key].query)
        return self._segments.get(key, False if key in self._definitions.segments else None)

    def _trait_value(self, key: str, query: tree.Query) -> Any:
        """Of events those that count for sure; a counter is absent until it counts the first one."""
        if not isinstance(query, tree.Reduce):
            (value,) = self._outcomes(query, ()).values
            return value
        events = decided(self._selected(query.events, ()), query.events.window, self._now_ms)
        value = reduced(query, events)
        never = value == 0 and self._before.get(key) is None
        return None if query.reducer in COUNTERS and never else value

    # --- Conditions -----------------------------------------------------------------------------------------
    def truth(self, query: tree.Query, scope: Scope) -> Truth:
        match query:
            case tree.And(items=items):
                return _all(self.truth(item, scope) for item in items)
            case tree.Or(items=items):
                return _not(_all(_not(self.truth(item, scope)) for item in items))
            case tree.Not(item=item):
                return _not(self.truth(item, scope))
            case tree.Compare():
                return self._compared(query, scope)
        raise NotCoveredError(query)

    def _compared(self, compare: tree.Compare, scope: Scope) -> Truth:
        sides = [self._outcomes(side, scope) for side in (compare.left, *compare.arguments)]
        near = [value for side in sides for value in side.values]
        every = ([*side.values, *side.more(near)] for side in sides)
        answers = {holds(compare.comparator, left, rights, self._now_ms) for left, *rights in product(*every)}
        return answers.pop() if len(answers) == 1 else None

    # --- Values -----------------------------------------------------------------------------------------------
    def _outcomes(self, side: tree.Query | tree.Duration, scope: Scope) -> Outcomes:
        match side:
            case tree.Literal(value=value):
                return Outcomes([value])
            case tree.Duration(ms=ms):
                return Outcomes([ms])
            case tree.Trait(path=path):
                return Outcomes([self._trait(path)])
            case tree.Property(path=path, parent=parent):
                return Outcomes([at_path(scope[-2 if parent else -1].properties, path)])
            case tree.Context(path=path):
                return Outcomes([at_path(scope[-1].context, path)])
            case tree.Reduce():
                return self._reductions(side, scope)
        raise NotCoveredError(side)

    def _trait(self, path: tree.Path) -> Any:
        """Keys of what is defined, and of external audiences that were spoken of, hide traits of that name."""
        key, *rest = path
        defined = key in self._definitions.computations or key in self._definitions.segments
        if defined or key in self._segments:
            return at_path(self.value_of(key), tuple(rest))
        return at_path(self._custom_traits, path)

    def _reductions(self, reduce: tree.Reduce, scope: Scope) -> Outcomes:
        selected = self._selected(reduce.events, scope)
        values = _distinct(reduced(reduce, way) for way in ways(selected, reduce.events.window, self._now_ms))
        return (
            Outcomes(values, partial(may_become, reduce, values, self._now_ms))
            if selected.is_open
            else Outcomes(values)
        )

    def _selected(self, events: tree.Events, scope: Scope) -> Selected:
        """The same for every enclosing event of the enclosing event: worked out once for each pair."""
        parent = scope[-1] if scope else None
        place = (id(events), id(parent))
        if place not in self._selections:
            condition = events.where
            self._selections[place] = select(
                events,
                self._log,
                now_ms=self._now_ms,
                parent=parent,
                where=lambda record: condition is None or self.truth(condition, (*scope, record)),
            )
        return self._selections[place]


def _not(truth: Truth) -> Truth:
    return None if truth is None else not truth


def _all(truths: Any) -> Truth:
    found = set(truths)
    if False in found:
        return False
    return None if None in found else True


def _distinct(values: Any) -> list[Any]:
    return list({as_json(value): value for value in values}.values())


def current_traits(log: Sequence[Record]) -> dict[str, Any]:
    """The newest of each name; null is a value, and removes."""
    return {name: value for record in sorted(log, key=lambda one: one.age) for name, value in record.traits.items()}


def current_segments(log: Sequence[Record]) -> dict[str, bool]:
    """What was said last of each external audience, by the time that it was said for; then by arrival."""
    said = sorted((record for record in log if record.segment is not None), key=lambda record: record.ts_ms)
    return {record.segment: record.qualified for record in said if record.segment is not None}
