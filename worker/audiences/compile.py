"""From the tree of a query to conditions and leaves.

What the language has and this version does not evaluate yet is refused here, with the place in the query, by
``lint`` and at ``definitions apply`` alike: a definition is never accepted and then silently wrong.
"""

from dataclasses import dataclass, field
from typing import NamedTuple, Never

from worker.audiences.conditions import (
    AllOf,
    AnyOf,
    Condition,
    CountEver,
    CountWithin,
    DateTest,
    MembershipTest,
    Negation,
    TraitTest,
)
from worker.audiences.language import tree
from worker.audiences.language.errors import QueryError
from worker.audiences.language.render import render
from worker.audiences.leaves import CAPACITIES, Leaf, Predicate, capacity_for, leaf_id_of
from worker.audiences.values import Test, number, path_test, test_of

MOVING = ("within_last", "within_next", "before_last", "after_next")


@dataclass(frozen=True, slots=True)
class Compiled:
    """A condition and what it stands on.

    ``traits``: first segments of the trait paths it reads. ``audiences``: keys of the audiences it refers to.
    """

    condition: Condition
    leaves: dict[bytes, Leaf] = field(default_factory=dict)
    traits: frozenset[str] = frozenset()
    audiences: frozenset[str] = frozenset()


class Beginning(NamedTuple):
    """From when on events count.

    ``since`` names a beginning of its own (None: the beginning of all data). ``history_ms``: how far before it
    events count as well (None: all the way).
    """

    since: str | None = None
    history_ms: int | None = None


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
    condition = compiler.condition(query)
    return Compiled(condition, compiler.leaves, frozenset(compiler.traits), frozenset(compiler.audiences))


def _refuse(node: tree.Query | tree.Events | tree.Window | tree.Duration, what: str) -> Never:
    raise QueryError(f"{what} not evaluated yet", line=node.position.line, column=node.position.column)


class _Compiler:
    def __init__(self, audience_keys: frozenset[str], beginning: Beginning) -> None:
        self.audience_keys = audience_keys
        self.beginning = f" since {beginning.since}" if beginning.since else ""
        self.history_ms = beginning.history_ms
        self.leaves: dict[bytes, Leaf] = {}
        self.traits: set[str] = set()
        self.audiences: set[str] = set()

    def condition(self, node: tree.Query) -> Condition:
        match node:
            case tree.And():
                return AllOf([self.condition(item) for item in node.items])
            case tree.Or():
                return AnyOf([self.condition(item) for item in node.items])
            case tree.Not():
                return Negation(self.condition(node.item))
            case tree.Compare():
                return self.comparison(node)
            case tree.AnyUser() | tree.AllUsers():
                _refuse(node, "account audiences (ANY, ALL) are")
        _refuse(node, "a value without a comparison is")

    def comparison(self, node: tree.Compare) -> Condition:
        match node.left:
            case tree.Reduce() as reduce:
                return self.count(node, reduce)
            case tree.Trait() as trait:
                return self.trait(node, trait)
        _refuse(node, "a comparison of anything but an event count or a trait is")

    def trait(self, node: tree.Compare, trait: tree.Trait) -> Condition:
        key = trait.path[0]
        if key in self.audience_keys and len(trait.path) == 1:
            self.audiences.add(key)
            return MembershipTest(key, path_test(trait.path, node.comparator, literals(node)))
        self.traits.add(key)
        if node.comparator in MOVING:
            duration = node.arguments[0]
            if not isinstance(duration, tree.Duration) or "$" in trait.path:
                _refuse(node, "a moving date over the elements of an array is")
            return DateTest(trait.path, node.comparator, duration.ms)
        return TraitTest(key, path_test(trait.path, node.comparator, literals(node)))

    def count(self, node: tree.Compare, reduce: tree.Reduce) -> Condition:
        if reduce.reducer != "count":
            _refuse(reduce, f"'{reduce.reducer.removesuffix('_count')}' is")
        events = reduce.events
        if events.excluded_sources:
            _refuse(events, "'sources' is")
        where = None if events.where is None else predicate(events.where)
        test = test_of(node.comparator, literals(node))
        if events.window is None:
            leaf = self.leaf(
                Leaf(
                    leaf_id_of(render(_selection(events)) + self.beginning),
                    events.name,
                    where,
                    None,
                    None,
                    self.history_ms,
                )
            )
            return CountEver(leaf.leaf_id, test)
        if not isinstance(events.window, tree.Within) or events.window.parent:
            _refuse(events.window, f"'{_window_name(events.window)}' is")
        return self.count_within(node, events, events.window.ms, where, test)

    def count_within(
        self, node: tree.Compare, events: tree.Events, window_ms: int, where: Predicate | None, test: Test
    ) -> Condition:
        capacity = capacity_for(max(_thresholds(node), default=0))
        if capacity is None:
            raise QueryError(
                f"a count inside a window can be compared with at most {CAPACITIES[-1] - 1}",
                line=node.position.line,
                column=node.position.column,
            )
        canonical = f"{render(_selection(events))} keep {capacity}{self.beginning}"
        leaf = self.leaf(Leaf(leaf_id_of(canonical), events.name, where, window_ms, capacity, self.history_ms))
        return CountWithin(leaf.leaf_id, window_ms, [test(count) for count in range(capacity + 1)])

    def leaf(self, leaf: Leaf) -> Leaf:
        return self.leaves.setdefault(leaf.leaf_id, leaf)


def _selection(events: tree.Events) -> tree.Query:
    """What a leaf selects, as something that has a canonical text."""
    return tree.Reduce(events, "count")


def _window_name(window: tree.Window) -> str:
    match window:
        case tree.Within():
            return "within(parent: …)"
        case tree.Between():
            return "between"
        case tree.ExpiresAfter():
            return "expires_after"


def _thresholds(node: tree.Compare) -> list[int]:
    numbers = [number(literal.value) for literal in literals(node)]
    return [int(abs(value)) + 1 for value in numbers if value is not None]


def literals(node: tree.Compare) -> tuple[tree.Literal, ...]:
    """The arguments of a comparison, all of them constants."""
    for argument in node.arguments:
        if not isinstance(argument, tree.Literal):
            _refuse(argument, "a comparison with anything but a constant is")
    return tuple(argument for argument in node.arguments if isinstance(argument, tree.Literal))


def predicate(node: tree.Query) -> Predicate:
    """The filter of a ``where``, as a function of one event."""
    match node:
        case tree.And():
            parts = [predicate(item) for item in node.items]
            return lambda occurrence: all(part(occurrence) for part in parts)
        case tree.Or():
            parts = [predicate(item) for item in node.items]
            return lambda occurrence: any(part(occurrence) for part in parts)
        case tree.Not():
            inner = predicate(node.item)
            return lambda occurrence: not inner(occurrence)
        case tree.Compare():
            return _comparison_predicate(node)
    _refuse(node, "this condition inside 'where' is")


def _comparison_predicate(node: tree.Compare) -> Predicate:
    if node.comparator in MOVING:
        _refuse(node, f"'{node.comparator}' inside 'where' is")
    match node.left:
        case tree.Property(parent=False):
            test = path_test(node.left.path, node.comparator, literals(node))
            return lambda occurrence: test(occurrence.properties)
        case tree.Context():
            test = path_test(node.left.path, node.comparator, literals(node))
            return lambda occurrence: test(occurrence.context)
        case tree.Reduce():
            _refuse(node, "a funnel (an event inside 'where') is")
        case tree.Trait():
            _refuse(node, "a trait inside 'where' is")
    _refuse(node, "this comparison inside 'where' is")


def find_cycle(references: dict[str, frozenset[str]]) -> list[str] | None:
    """A loop in who refers to whom, as keys from one back to itself; None when there is none."""
    done: set[str] = set()
    for start in sorted(references):
        trail: list[str] = []
        stack = [(start, iter(sorted(references[start])))]
        trail.append(start)
        while stack:
            following = next((other for other in stack[-1][1] if other in references and other not in done), None)
            if following is None:
                stack.pop()
                done.add(trail.pop())
            elif following in trail:
                return [*trail[trail.index(following) :], following]
            else:
                trail.append(following)
                stack.append((following, iter(sorted(references[following]))))
    return None


def in_order(references: dict[str, frozenset[str]]) -> list[str]:
    """Keys so that each comes after what it refers to, and otherwise by name. There is no cycle."""
    ordered: list[str] = []
    waiting = {key: {other for other in others if other in references} for key, others in references.items()}
    while waiting:
        ready = min(key for key, others in waiting.items() if not others)
        ordered.append(ready)
        del waiting[ready]
        for others in waiting.values():
            others.discard(ready)
    return ordered
