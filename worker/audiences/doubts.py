"""What is valid and still cannot be meant: conditions that can never hold, windows in which no event can be, keys that
look like a defined one.

For ``lint``, not for the control plane: such a definition does what it says, which is nothing.
Source: docs/query-language.md, "What lint finds".
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise
from typing import Any, NamedTuple

from worker.audiences.compile import Keys
from worker.audiences.language import tree
from worker.audiences.language.errors import QueryError
from worker.audiences.language.render import render
from worker.audiences.language.walking import comparisons_in, traits_in
from worker.audiences.outcomes import BEYOND, values_around
from worker.audiences.relations import is_each
from worker.audiences.selections import MOVING
from worker.audiences.thresholds import literals
from worker.audiences.values import Test, is_number, iso, literal_date_ms, test_of, text
from worker.audiences.windows import NEVER, Rolling

_OF_EQUALS: frozenset[tree.Comparator] = frozenset({"equals", "one_of"})
_OF_TEXT: frozenset[tree.Comparator] = frozenset({"contains", "omits", "starts_with", "ends_with"})


class _Claim(NamedTuple):
    """One comparison with constants that has to hold, or not to."""

    node: tree.Compare
    holds: bool


def doubts(query: tree.Query, keys: Keys) -> list[QueryError]:
    """Everything in a type-checked query that can never hold, in the order of the text."""
    finder = _Finder(keys)
    finder.visit(query, reach_ms=None)
    return sorted(finder.found, key=lambda fault: (fault.line or 0, fault.column or 0))


def hints(query: tree.Query, keys: Keys) -> list[QueryError]:
    """What may be a slip, in the order of the text: names like a defined one, counts that no number can fail."""
    found = [*lookalikes(query, keys), *_always(query, keys)]
    return sorted(found, key=lambda fault: (fault.line or 0, fault.column or 0))


def lookalikes(query: tree.Query, keys: Keys) -> list[QueryError]:
    """Traits that nobody defines, but for the nearest name: a custom trait, or a slip.

    One that is compared with true or false is likely to be meant as an audience.
    """
    defined = sorted(keys.audiences | keys.traits)
    flags = {id(one.left) for one in comparisons_in(query) if any(arg.kind == "boolean" for arg in literals(one))}
    found = []
    for trait in traits_in(query):
        name, alike = trait.path[0], 0.6 if id(trait) in flags else 0.85
        close = [] if name in defined else get_close_matches(name, defined, n=1, cutoff=alike)
        if close:
            message = f"no audience or computed trait is called {name!r}; did you mean {close[0]!r}?"
            found.append(QueryError(message, line=trait.position.line, column=trait.position.column))
    return found


def _always(query: tree.Query, keys: Keys) -> Iterator[QueryError]:
    for node in comparisons_in(query):
        constant = node.arguments and len(literals(node)) == len(node.arguments)
        if constant and _is_count(node) and node.comparator not in _OF_TEXT:
            claim = [_Claim(node, holds=True)]
            if len(_candidates(claim, keys, passing=True)) == len(_candidates(claim, keys, passing=False)):
                message = f"{render(node)} always holds"
                yield QueryError(message, line=node.position.line, column=node.position.column)


class _Finder:
    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.found: list[QueryError] = []

    def visit(self, node: object, *, reach_ms: int | None, holds: bool = True) -> None:
        """Look at a condition that has to hold (or not to). ``reach_ms``: how old the event around it can be."""
        match node:
            case tree.Not():
                self.visit(node.item, reach_ms=reach_ms, holds=not holds)
            case tree.And() | tree.Or() if isinstance(node, tree.And) == holds:
                self.claims(list(_claims(node, holds=holds)))
                for item in node.items:
                    self.visit(item, reach_ms=reach_ms, holds=holds)
            case tree.And() | tree.Or():
                for item in node.items:
                    self.visit(item, reach_ms=reach_ms, holds=holds)
            case tree.Compare():
                self.claims([_Claim(node, holds)])
                for part in (node.left, *node.arguments):
                    self.visit(part, reach_ms=reach_ms)
            case tree.Reduce():
                self.events(node, reach_ms=reach_ms)

    def events(self, node: tree.Reduce, *, reach_ms: int | None) -> None:
        window = node.events.window
        if reach_ms is not None and isinstance(window, tree.Between) and window.near_ms >= reach_ms:
            self.doubt(window, "no event can be in this window and after the event around it")
        own_ms = window.ms if isinstance(window, tree.Within) and not window.parent else None
        own_ms = window.far_ms if isinstance(window, tree.Between) else own_ms
        ends = [end for end in (own_ms, reach_ms) if end is not None]
        if node.events.where is not None:
            self.visit(node.events.where, reach_ms=min(ends, default=None))

    def claims(self, claims: Sequence[_Claim]) -> None:
        """Claims that have to be met together."""
        for group in _by_value(claims).values():
            if not _can_be_met(group, self.keys):
                self.doubt(group[-1].node, f"{_shown(group)} can never hold")
                return
        self.windows(claims)

    def windows(self, claims: Sequence[_Claim]) -> None:
        """Counts of the same events in one window inside another: the inner one is never more than the outer one."""
        counts = [group for group in _by_value(claims).values() if _is_count(group[0].node)]
        for inner in counts:
            for outer in counts:
                if inner is not outer and _is_inside(inner[0].node, outer[0].node):
                    least = min(_candidates(inner, self.keys, passing=True), default=0)
                    most = max(_candidates(outer, self.keys, passing=True), default=BEYOND)
                    if least > most:
                        why = "what is in the first window is in the second too"
                        self.doubt(outer[-1].node, f"{_shown([inner[-1], outer[-1]])} can never hold: {why}")
                        return

    def doubt(self, node: tree.Compare | tree.Window, message: str) -> None:
        fault = QueryError(message, line=node.position.line, column=node.position.column)
        if fault not in self.found:
            self.found.append(fault)


def _shown(claims: Sequence[_Claim]) -> str:
    return " AND ".join(f"{'' if one.holds else 'NOT '}{render(one.node)}" for one in claims)


def _claims(node: tree.Condition, *, holds: bool) -> Iterator[_Claim]:
    """What has to be met together for a condition to hold, or not to."""
    match node:
        case tree.Compare():
            yield _Claim(node, holds)
        case tree.Not():
            yield from _claims(node.item, holds=not holds)
        case tree.And() | tree.Or() if isinstance(node, tree.And) == holds:
            for item in node.items:
                yield from _claims(item, holds=holds)


def _by_value(claims: Sequence[_Claim]) -> Mapping[str, list[_Claim]]:
    """Claims about one value with constants; those that move with the clock by themselves."""
    groups: dict[str, list[_Claim]] = {}
    for claim in claims:
        node = claim.node
        moves = node.comparator in MOVING
        if is_each(node.left) or (not moves and len(literals(node)) < len(node.arguments)):
            continue
        groups.setdefault(f"{render(node.left)}{' now' if moves else ''}", []).append(claim)
    return groups


def _can_be_met(group: Sequence[_Claim], keys: Keys) -> bool:
    if group[0].node.comparator in MOVING:
        return _moving_can_be_met(group)
    if any(one.node.comparator in _OF_TEXT for one in group) and not _leaves_a_choice(group):
        return True
    alone = len(group) > 1 and any(not _can_be_met([one], keys) for one in group)  # it is told by itself
    return alone or bool(_candidates(group, keys, passing=True))


def _leaves_a_choice(group: Sequence[_Claim]) -> bool:
    """Whether the value is one of some constants."""
    return any(claim.holds and claim.node.comparator in _OF_EQUALS for claim in group)


def _candidates(group: Sequence[_Claim], keys: Keys, *, passing: bool) -> list[Any]:
    """Values of every kind that these claims tell apart, as far as the left side can have them."""
    constants = [value for claim in group for value in _constants(claim.node)]
    values = [*values_around(constants), *constants, 0, True, False, None]
    numbers = sorted(value for value in values if is_number(value))
    values += [(one + other) / 2 for one, other in pairwise(numbers)]
    values += [text(value) for value in numbers]
    fitting = [value for value in values if _can_be(group[0].node.left, value, keys)]
    tests: list[tuple[Test, bool]] = [(test_of(node.comparator, literals(node)), holds) for node, holds in group]
    return [value for value in fitting if not passing or all(test(value) == holds for test, holds in tests)]


def _constants(node: tree.Compare) -> list[Any]:
    found: list[Any] = []
    for literal in literals(node):
        moment = literal_date_ms(literal)
        dated = node.comparator in ("before_date", "after_date") or literal.kind in ("date", "timestamp")
        found.append(iso(moment) if dated and moment is not None else literal.value)
    return found


def _can_be(left: tree.Scalar, value: Any, keys: Keys) -> bool:
    """Whether the left side of a comparison may have a value."""
    if isinstance(left, tree.Trait) and left.path[0] in keys.audiences and len(left.path) == 1:
        return isinstance(value, bool)
    if not isinstance(left, tree.Reduce):
        return True
    if left.reducer in ("count", "unique_count"):
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if left.reducer in ("sum", "avg") or (left.reducer in ("min", "max") and left.as_type != "string"):
        return value is None or is_number(value)
    return True


def _moving_can_be_met(group: Sequence[_Claim]) -> bool:
    """Whether a date can be that far from now."""
    edges = [argument.ms for claim in group for argument in claim.node.arguments if isinstance(argument, tree.Duration)]
    offsets = [None, 0, *(sign * edge + step for edge in edges for sign in (-1, 1) for step in (-1, 0, 1))]
    return any(all(_is_that_far(claim.node, offset) == claim.holds for claim in group) for offset in offsets)


_FAR: Mapping[str, Callable[[int, int], bool]] = {
    "within_last": lambda offset, ms: -ms <= offset <= 0,
    "within_next": lambda offset, ms: 0 <= offset <= ms,
    "before_last": lambda offset, ms: offset <= -ms,
    "after_next": lambda offset, ms: offset >= ms,
}


def _is_that_far(node: tree.Compare, offset_ms: int | None) -> bool:
    (duration,) = (one for one in node.arguments if isinstance(one, tree.Duration))
    return offset_ms is not None and _FAR[node.comparator](offset_ms, duration.ms)


def _is_count(node: tree.Compare) -> bool:
    return isinstance(node.left, tree.Reduce) and node.left.reducer == "count"


def _is_inside(inner: tree.Compare, outer: tree.Compare) -> bool:
    """Whether two counts are of the same events, and the window of one lies inside the window of the other."""
    if not isinstance(inner.left, tree.Reduce) or not isinstance(outer.left, tree.Reduce):
        return False
    one, other = inner.left.events, outer.left.events
    if (one.name, one.where, one.excluded_sources) != (other.name, other.where, other.excluded_sources):
        return False
    first, second = _rolling(one.window), _rolling(other.window)
    return (
        first is not None and second is not None and second.near_ms <= first.near_ms and first.far_ms <= second.far_ms
    )


def _rolling(window: tree.Window | None) -> Rolling | None:
    match window:
        case None:
            return Rolling(0, NEVER)
        case tree.Within(ms=ms, parent=False):
            return Rolling(0, ms)
        case tree.Between(near_ms=near_ms, far_ms=far_ms, parent=False):
            return Rolling(near_ms, far_ms)
    return None
