"""From the tree of a query to what is evaluated: a condition or a value, and the leaves that it stands on.

What the language has and this version does not evaluate is refused here, with the place in the query, by ``lint`` and
at ``definitions apply`` alike: a definition is never accepted and then silently wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Never

from worker.audiences.building import Beginning, Leaves, place_of
from worker.audiences.comparisons import Comparison, Foreseen, Moving, RowsCount
from worker.audiences.conditions import (
    AllOf,
    AnyOf,
    Condition,
    CountBetween,
    CountEver,
    CountWithin,
    Negation,
    TraitTest,
    current_value,
    membership,
)
from worker.audiences.language import tree
from worker.audiences.language.errors import QueryError
from worker.audiences.leaves import Leaf, capacity_for, largest_capacity
from worker.audiences.populations import FromParent, Gap, Population, Window
from worker.audiences.reducers import total_of
from worker.audiences.relations import is_each
from worker.audiences.rows import FUNNEL_ROWS_MAX, ROWS_MAX, Row
from worker.audiences.scalars import (
    Constant,
    CountValue,
    Field,
    Lookup,
    RowsValue,
    Scalar,
    SessionValue,
    TotalValue,
    TraitValue,
)
from worker.audiences.selections import MOVING, FieldNode, entries_of, fields_of, selected, split
from worker.audiences.values import number, path_test, test_of
from worker.audiences.windows import Rolling


@dataclass(frozen=True, slots=True)
class Compiled:
    """A condition and what it stands on.

    ``traits``: first segments of the trait paths it reads. ``audiences``: keys of the audiences it refers to.
    """

    condition: Condition
    leaves: dict[bytes, Leaf] = field(default_factory=dict)
    traits: frozenset[str] = frozenset()
    audiences: frozenset[str] = frozenset()


FROM_THE_START = Beginning()


def compile_audience(
    query: tree.Query, *, audience_keys: frozenset[str], beginning: Beginning = FROM_THE_START
) -> Compiled:
    """Compile a type-checked query of an audience.

    ``audience_keys``: every defined audience; ``trait('key')`` of one of them is its membership, never a trait.
    ``beginning``: leaves are shared only within one beginning.

    Raises:
        QueryError: the query is valid, but this version does not evaluate a part of it.
    """
    compiler = _Compiler(audience_keys, beginning)
    condition = compiler.condition(query, None)
    return Compiled(condition, compiler.leaves.found, frozenset(compiler.traits), frozenset(compiler.audiences))


def _refuse(node: tree.Query, what: str) -> Never:
    raise QueryError(f"{what} not evaluated yet", line=node.position.line, column=node.position.column)


@dataclass(frozen=True, slots=True)
class _Scope:
    """The event around a condition inside ``where``. ``fields``: its values that rows have, in their order.

    ``reach_ms``: how old the event can be at most (None: there is no end).
    """

    fields: tuple[FieldNode, ...]
    reach_ms: int | None
    parent: "_Scope | None"


class _Compiler:
    def __init__(self, audience_keys: frozenset[str], beginning: Beginning) -> None:
        self.audience_keys = audience_keys
        self.leaves = Leaves(beginning)
        self.traits: set[str] = set()
        self.audiences: set[str] = set()

    # --- Conditions ----------------------------------------------------------------------------------------
    def condition(self, node: tree.Query, scope: _Scope | None) -> Condition:
        match node:
            case tree.And():
                return AllOf([self.condition(item, scope) for item in node.items])
            case tree.Or():
                return AnyOf([self.condition(item, scope) for item in node.items])
            case tree.Not():
                return Negation(self.condition(node.item, scope))
            case tree.Compare():
                return self.comparison(node, scope)
            case tree.AnyUser() | tree.AllUsers():
                _refuse(node, "account audiences (ANY, ALL) are")
        _refuse(node, "a value without a comparison is")

    def comparison(self, node: tree.Compare, scope: _Scope | None) -> Condition:
        left, constants = node.left, literals(node)
        if node.comparator in MOVING:
            (duration,) = (one for one in node.arguments if isinstance(one, tree.Duration))
            return Moving(self.scalar(left, scope), node.comparator, duration.ms, each=is_each(left))
        if len(constants) == len(node.arguments):
            if isinstance(left, tree.Trait):
                return TraitTest(left.path[0], self.lookup(left), path_test(left.path, node.comparator, constants))
            if isinstance(left, tree.Reduce):
                return self.of_events(node, left, scope)
        others = [one for one in node.arguments if not isinstance(one, tree.Literal | tree.Duration)]
        return Comparison(node, self.scalar(left, scope), [self.scalar(one, scope) for one in others])

    def of_events(self, node: tree.Compare, left: tree.Reduce, scope: _Scope | None) -> Condition:
        """Reduced events beside constants."""
        if not _is_plain(left, scope):
            if left.reducer == "count" and not isinstance(left.events.window, tree.ExpiresAfter):
                population = self.population(left, scope)
                return RowsCount(population, _truth(node, _threshold(node, rows_max=_rows_max(left, scope))))
            return Comparison(node, self.scalar(left, scope), [])
        window = _window(left.events)
        if left.reducer != "count" or isinstance(window, Gap):
            return Foreseen(self.scalar(left, scope), node)
        if not isinstance(window, Rolling):
            return CountEver(self.leaves.count(left.events), test_of(node.comparator, literals(node)))
        capacity = _capacity(node, window)
        leaf_id = self.leaves.times(left.events, window, capacity)
        truth = _truth(node, capacity)
        return CountBetween(leaf_id, window, truth) if window.near_ms else CountWithin(leaf_id, window.far_ms, truth)

    # --- Values --------------------------------------------------------------------------------------------
    def scalar(self, node: tree.Scalar, scope: _Scope | None) -> Scalar:
        match node:
            case tree.Literal():
                return Constant(node.value)
            case tree.Trait():
                return TraitValue(node.path, self.lookup(node))
            case tree.Property(parent=True) if scope is not None and scope.parent is not None:
                return Field(place_of(scope.parent.fields, tree.Property(node.path)), outwards=1)
            case tree.Property(parent=False) | tree.Context() if scope is not None:
                return Field(place_of(scope.fields, node), outwards=0)
            case tree.Reduce():
                return self.reduced(node, scope)
        _refuse(node, "'entity' (linked audiences need a warehouse) is")

    def lookup(self, node: tree.Trait) -> Lookup:
        """What a trait is: a membership, or what the profile has."""
        key = node.path[0]
        if key in self.audience_keys:
            self.audiences.add(key)
            return membership
        self.traits.add(key)
        return current_value

    def reduced(self, node: tree.Reduce, scope: _Scope | None) -> Scalar:
        total = total_of(node)
        if not _is_plain(node, scope):
            return RowsValue(self.population(node, scope), total, self.entries(node))
        match window := _window(node.events):
            case Gap():
                return SessionValue(self.leaves.session(node, window.ms), total, window.ms)
            case Rolling() if node.reducer == "count":
                capacity = _largest_capacity(node, window)
                return CountValue(self.leaves.times(node.events, window, capacity), window, capacity)
            case Rolling():
                population = Population(self.leaves.values(node, window), window, None, nested=False)
                return RowsValue(population, total, lambda row: row[1:2])
        if node.reducer == "count":
            return CountValue(self.leaves.count(node.events), None, 0)
        return TotalValue(self.leaves.total(node), total)

    def population(self, node: tree.Reduce, scope: _Scope | None) -> Population:
        """The rows of a selection with whatever has to be looked up for it."""
        events, window = node.events, _window(node.events)
        parts = split(events.where)
        fields = fields_of(parts.dynamic, node.of)
        reach_ms = _reach(window, scope)
        where = None
        if parts.dynamic is not None:
            where = self.condition(parts.dynamic, _Scope(fields, reach_ms, scope))
        leaf_id = self.leaves.rows(
            selected(events, parts.static),
            fields,
            reach_ms=reach_ms,
            rows_max=_rows_max(node, scope),
            ordered=total_of(node).ordered,
        )
        return Population(leaf_id, window, where, nested=scope is not None)

    def entries(self, node: tree.Reduce) -> Callable[[Row], list[object]]:
        """What the total takes of one row."""
        if node.of is None:
            return lambda _: [1]
        place = place_of(fields_of(split(node.events.where).dynamic, node.of), node.of)
        taken = entries_of(node, total_of(node))
        return lambda row: taken(row[place])


def literals(node: tree.Compare) -> tuple[tree.Literal, ...]:
    """The arguments of a comparison that are constants."""
    return tuple(argument for argument in node.arguments if isinstance(argument, tree.Literal))


def _is_plain(node: tree.Reduce, scope: _Scope | None) -> bool:
    """Whether events are counted by themselves: no event is around them, and nothing has to be looked up."""
    return scope is None and split(node.events.where).dynamic is None


def _window(events: tree.Events) -> Window:
    match events.window:
        case tree.Within(ms=ms, parent=parent):
            return FromParent(ms) if parent else Rolling(0, ms)
        case tree.Between(near_ms=near_ms, far_ms=far_ms):
            return Rolling(near_ms, far_ms)
        case tree.ExpiresAfter(ms=ms):
            return Gap(ms)
    return None


def _reach(window: Window, scope: _Scope | None) -> int | None:
    """How far back rows matter: no further than the event around them, which they come after."""
    ends = [window.far_ms if isinstance(window, Rolling) else None, None if scope is None else scope.reach_ms]
    return min((end for end in ends if end is not None), default=None)


def _rows_max(node: tree.Reduce, scope: _Scope | None) -> int:
    return FUNNEL_ROWS_MAX if scope is not None or _has_events(node.events.where) else ROWS_MAX


def _has_events(node: object) -> bool:
    match node:
        case tree.And() | tree.Or():
            return any(_has_events(item) for item in node.items)
        case tree.Not():
            return _has_events(node.item)
        case tree.Compare():
            return any(isinstance(part, tree.Reduce) for part in (node.left, *node.arguments))
    return False


# --- How far a count has to be told ------------------------------------------------------------------------------
_TEXTUAL = frozenset({"contains", "omits", "starts_with", "ends_with"})
"""Comparators for which no count is like all larger ones."""


def _truth(node: tree.Compare, most: int) -> list[bool]:
    """The outcome of a test of a count for 0 … ``most``; the last stands for "or more"."""
    test = test_of(node.comparator, literals(node))
    return [test(count) for count in range(most + 1)]


def _capacity(node: tree.Compare, window: Rolling) -> int:
    largest = _largest_capacity(node, window)
    threshold = _threshold(node, rows_max=largest)
    return capacity_for(threshold, window) or largest


def _largest_capacity(node: tree.Compare | tree.Reduce, window: Rolling) -> int:
    largest = largest_capacity(window)
    if largest is None:
        message = "the ends of 'between' are too close together for times so long ago"
        raise QueryError(message, line=node.position.line, column=node.position.column)
    return largest


def _threshold(node: tree.Compare, *, rows_max: int) -> int:
    """A count from which on all counts are alike."""
    if node.comparator in _TEXTUAL:
        return rows_max
    numbers = [number(literal.value) for literal in literals(node)]
    threshold = max((int(abs(value)) + 1 for value in numbers if value is not None), default=0)
    if threshold > rows_max:
        message = f"a count of these events can be compared with at most {rows_max - 1:,}"
        raise QueryError(message, line=node.position.line, column=node.position.column)
    return threshold
