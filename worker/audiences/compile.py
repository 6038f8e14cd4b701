"""From the tree of a query to what is evaluated: a condition or a value, and the leaves that it stands on.

What the language has and this version does not evaluate is refused here, with the place in the query, by ``lint`` and
at ``definitions apply`` alike: a definition is never accepted and then silently wrong.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Never

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
    computed_value,
    current_value,
    membership,
)
from worker.audiences.language import tree
from worker.audiences.language.errors import QueryError
from worker.audiences.leaves import Leaf
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
from worker.audiences.thresholds import capacity_max, capacity_of, literals, threshold_of, truth_of
from worker.audiences.values import path_test, test_of
from worker.audiences.windows import Rolling


class Keys(NamedTuple):
    """What is defined: ``trait('key')`` of an audience is its membership, of a computed trait its value."""

    audiences: frozenset[str] = frozenset()
    traits: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Compiled:
    """The condition of an audience or the value of a trait, and what it stands on.

    ``counts``: the value is a number of events or values, which is 0 when there are none any more. ``traits``: first
    segments of the paths of traits that nobody defines. ``references``: keys of definitions.
    """

    condition: Condition | None = None
    value: Scalar | None = None
    counts: bool = False
    leaves: Mapping[bytes, Leaf] = field(default_factory=dict)
    traits: frozenset[str] = frozenset()
    references: frozenset[str] = frozenset()


FROM_THE_START = Beginning()


def compile_audience(query: tree.Query, keys: Keys, beginning: Beginning = FROM_THE_START) -> Compiled:
    """Compile a type-checked query of an audience.

    ``beginning``: leaves are shared only within one beginning.

    Raises:
        QueryError: the query is valid, but this version does not evaluate a part of it.
    """
    compiler = Compiler(keys, beginning)
    condition = compiler.condition(query, None)
    return replace(compiler.stands_on(), condition=condition)


def compile_trait(query: tree.Query, keys: Keys, beginning: Beginning = FROM_THE_START) -> Compiled:
    """Compile a type-checked query of a computed trait; as ``compile_audience``."""
    compiler = Compiler(keys, beginning)
    value = compiler.scalar(query, None)  # type: ignore[arg-type]  # a value, says the type checker
    counts = isinstance(query, tree.Reduce) and query.reducer in ("count", "unique_count")
    return replace(compiler.stands_on(), value=value, counts=counts)


def _refuse(node: tree.Query, what: str) -> Never:
    raise QueryError(f"{what} not evaluated yet", line=node.position.line, column=node.position.column)


@dataclass(frozen=True, slots=True)
class Scope:
    """The event around a condition inside ``where``. ``fields``: its values that rows have, in their order.

    ``reach_ms``: how old the event can be at most (None: there is no end).
    """

    fields: tuple[FieldNode, ...]
    reach_ms: int | None
    parent: "Scope | None"


class Compiler:
    """Compiles the parts of one definition. What it makes of a part is the same whichever parts it made before."""

    def __init__(self, keys: Keys, beginning: Beginning) -> None:
        self.keys = keys
        self.leaves = Leaves(beginning)
        self.traits: set[str] = set()
        self.references: set[str] = set()

    def stands_on(self) -> Compiled:
        """What has been compiled so far stands on these."""
        return Compiled(leaves=self.leaves.found, traits=frozenset(self.traits), references=frozenset(self.references))

    # --- Conditions ----------------------------------------------------------------------------------------
    def condition(self, node: tree.Query, scope: Scope | None) -> Condition:
        match node:
            case tree.And():
                return AllOf([self.condition(item, scope) for item in sorted(node.items, key=_has_events)])
            case tree.Or():
                return AnyOf([self.condition(item, scope) for item in sorted(node.items, key=_has_events)])
            case tree.Not():
                return Negation(self.condition(node.item, scope))
            case tree.Compare():
                return self.comparison(node, scope)
            case tree.AnyUser() | tree.AllUsers():
                _refuse(node, "account audiences (ANY, ALL) are")
        _refuse(node, "a value without a comparison is")

    def comparison(self, node: tree.Compare, scope: Scope | None) -> Condition:
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

    def of_events(self, node: tree.Compare, left: tree.Reduce, scope: Scope | None) -> Condition:
        """Reduced events beside constants."""
        if not _is_plain(left, scope):
            if left.reducer == "count" and not isinstance(left.events.window, tree.ExpiresAfter):
                population = self.population(left, scope)
                return RowsCount(population, truth_of(node, threshold_of(node, rows_max=_rows_max(left, scope))))
            return Comparison(node, self.scalar(left, scope), [])
        window = _window(left.events)
        if left.reducer != "count" or isinstance(window, Gap):
            return Foreseen(self.scalar(left, scope), node)
        if not isinstance(window, Rolling):
            return CountEver(self.leaves.count(left.events), test_of(node.comparator, literals(node)))
        capacity = capacity_of(node, window)
        leaf_id = self.leaves.times(left.events, window, capacity)
        truth = truth_of(node, capacity)
        return CountBetween(leaf_id, window, truth) if window.near_ms else CountWithin(leaf_id, window.far_ms, truth)

    # --- Values --------------------------------------------------------------------------------------------
    def scalar(self, node: tree.Scalar, scope: Scope | None) -> Scalar:
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
        """What a trait is: a membership, a computed value, or what the profile has."""
        key = node.path[0]
        if key in self.keys.audiences or key in self.keys.traits:
            self.references.add(key)
            return membership if key in self.keys.audiences else computed_value
        self.traits.add(key)
        return current_value

    def reduced(self, node: tree.Reduce, scope: Scope | None) -> Scalar:
        total = total_of(node)
        if not _is_plain(node, scope):
            return RowsValue(self.population(node, scope), total, self.entries(node))
        match window := _window(node.events):
            case Gap():
                return SessionValue(self.leaves.session(node, window.ms), total, window.ms)
            case Rolling() if node.reducer == "count":
                capacity = capacity_max(node, window)
                return CountValue(self.leaves.times(node.events, window, capacity), window, capacity)
            case Rolling():
                population = Population(self.leaves.values(node, window), window, None, nested=False)
                return RowsValue(population, total, lambda row: row[1:2])
        if node.reducer == "count":
            return CountValue(self.leaves.count(node.events), None, 0)
        return TotalValue(self.leaves.total(node), total)

    def population(self, node: tree.Reduce, scope: Scope | None) -> Population:
        """The rows of a selection with whatever has to be looked up for it."""
        events, window = node.events, _window(node.events)
        parts, inside = split(events.where), self.inside(node, scope)
        where = None if parts.dynamic is None else self.condition(parts.dynamic, inside)
        leaf_id = self.leaves.rows(
            selected(events, parts.static),
            inside.fields,
            reach_ms=inside.reach_ms,
            rows_max=_rows_max(node, scope),
            ordered=total_of(node).ordered,
        )
        return Population(leaf_id, window, where, nested=scope is not None)

    def inside(self, node: tree.Reduce, scope: Scope | None) -> Scope:
        """Where the filter of a selection stands."""
        fields = fields_of(split(node.events.where).dynamic, node.of)
        return Scope(fields, _reach(_window(node.events), scope), scope)

    def entries(self, node: tree.Reduce) -> Callable[[Row], list[object]]:
        """What the total takes of one row."""
        if node.of is None:
            return lambda _: [1]
        place = place_of(fields_of(split(node.events.where).dynamic, node.of), node.of)
        taken = entries_of(node, total_of(node))
        return lambda row: taken(row[place])


def _is_plain(node: tree.Reduce, scope: Scope | None) -> bool:
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


def _reach(window: Window, scope: Scope | None) -> int | None:
    """How far back rows matter: no further than the event around them, which they come after."""
    ends = [window.far_ms if isinstance(window, Rolling) else None, None if scope is None else scope.reach_ms]
    return min((end for end in ends if end is not None), default=None)


def _rows_max(node: tree.Reduce, scope: Scope | None) -> int:
    return FUNNEL_ROWS_MAX if scope is not None or _has_events(node.events.where) else ROWS_MAX


def _has_events(node: object) -> bool:
    """Whether events are looked for: what can be told without them is looked at first."""
    match node:
        case tree.And() | tree.Or():
            return any(_has_events(item) for item in node.items)
        case tree.Not():
            return _has_events(node.item)
        case tree.Compare():
            return any(isinstance(part, tree.Reduce) for part in (node.left, *node.arguments))
    return False
