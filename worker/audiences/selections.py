"""Selections: what of a ``where`` an event decides by itself, and what is read of an event.

The part of a filter that reads nothing but the event and constants is decided once, when the event comes. What is left
reads traits, the clock or other events; for that the event's own values are kept.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

from worker.audiences.language import tree
from worker.audiences.language.render import render
from worker.audiences.leaves import Occurrence, Predicate
from worker.audiences.relations import judge_of
from worker.audiences.totals import KEPT_CHARS_MAX, Total
from worker.audiences.values import find, find_each, path_test, text

MOVING: frozenset[tree.Comparator] = frozenset({"within_last", "within_next", "before_last", "after_next"})
"""Comparators of today."""

FieldNode: TypeAlias = tree.Property | tree.Context
"""What stands for a value of an event."""


class Split(NamedTuple):
    """The two parts of a filter, of which an event must pass both."""

    static: tree.Condition | None
    dynamic: tree.Condition | None


def split(where: tree.Condition | None) -> Split:
    """Part a filter into what an event decides by itself and the rest."""
    if where is None:
        return Split(None, None)
    items = where.items if isinstance(where, tree.And) else (where,)
    static = [one for one in items if _is_static(one)]
    return Split(_together(static), _together([one for one in items if one not in static]))


def _together(items: Sequence[tree.Condition]) -> tree.Condition | None:
    return None if not items else items[0] if len(items) == 1 else tree.And(tuple(items), items[0].position)


def _is_static(node: tree.Condition) -> bool:
    match node:
        case tree.And() | tree.Or():
            return all(_is_static(item) for item in node.items)
        case tree.Not():
            return _is_static(node.item)
        case tree.Compare():
            return node.comparator not in MOVING and all(
                isinstance(one, tree.Literal) or _is_own(one) for one in (node.left, *node.arguments)
            )
    return False


def _is_own(node: object) -> bool:
    """Whether a node is a value of the event at hand."""
    return isinstance(node, tree.Context) or (isinstance(node, tree.Property) and not node.parent)


def selected(events: tree.Events, static: tree.Condition | None) -> tree.Events:
    """The selection by itself: what it has of filters, without its window."""
    return replace(events, where=static, window=None)


def canonical(events: tree.Events) -> str:
    """The text that names a selection."""
    return render(tree.Reduce(events, "count"))


# --- Predicates --------------------------------------------------------------------------------------------------
def predicate_of(events: tree.Events) -> Predicate | None:
    """Whether an event is selected, by its sources and a static filter; None: it always is."""
    where = None if events.where is None else _predicate(events.where)
    if not events.excluded_sources:
        return where
    excluded = frozenset(events.excluded_sources)
    if where is None:
        return lambda occurrence: excluded.isdisjoint(occurrence.sources)
    return lambda occurrence: excluded.isdisjoint(occurrence.sources) and where(occurrence)


def _predicate(node: tree.Condition) -> Predicate:
    match node:
        case tree.And():
            parts = [_predicate(item) for item in node.items]
            return lambda occurrence: all(part(occurrence) for part in parts)
        case tree.Or():
            parts = [_predicate(item) for item in node.items]
            return lambda occurrence: any(part(occurrence) for part in parts)
        case tree.Not():
            inner = _predicate(node.item)
            return lambda occurrence: not inner(occurrence)
        case tree.Compare():
            return _comparison(node)
    raise TypeError(node)  # the type checker has let no quantifier into a ``where``


def _comparison(node: tree.Compare) -> Predicate:
    literals = tuple(one for one in node.arguments if isinstance(one, tree.Literal))
    match node.left:
        case tree.Property() if len(literals) == len(node.arguments):
            test = path_test(node.left.path, node.comparator, literals)
            return lambda occurrence: test(occurrence.properties)
        case tree.Context() if len(literals) == len(node.arguments):
            test = path_test(node.left.path, node.comparator, literals)
            return lambda occurrence: test(occurrence.context)
        case tree.Property() | tree.Context():
            judge, left = judge_of(node), reader_of(node.left)
            others = [reader_of(one) for one in node.arguments if isinstance(one, tree.Property | tree.Context)]
            return lambda occurrence: judge(left(occurrence), [read(occurrence) for read in others])
    raise TypeError(node)


# --- Values ------------------------------------------------------------------------------------------------------
def reader_of(field: FieldNode) -> Callable[[Occurrence], Any]:
    """Reads a value of an event; where the path has a ``$``, the list of the elements, None without an array."""
    path = field.path
    read: Callable[[Any, tree.Path], Any] = _elements if "$" in path else find
    if isinstance(field, tree.Property):
        return lambda occurrence: read(occurrence.properties, path)
    return lambda occurrence: read(occurrence.context, path)


def _elements(document: Any, path: tree.Path) -> list[Any] | None:
    first = path.index("$")
    array = find(document, path[:first])
    return find_each(array, path[first:]) if isinstance(array, list) else None


def projection_of(field: FieldNode) -> Callable[[Occurrence], Any]:
    """As ``reader_of``, for keeping: what is too long counts as absent."""
    read = reader_of(field)
    if "$" not in field.path:
        return lambda occurrence: _kept(read(occurrence))

    def elements(occurrence: Occurrence) -> Any:
        values = read(occurrence)
        return None if values is None else [_kept(value) for value in values]

    return elements


def _kept(value: Any) -> Any:
    return None if value is None or len(text(value)) > KEPT_CHARS_MAX else value


def entries_of(node: tree.Reduce, total: Total) -> Callable[[Any], list[Any]]:
    """What a total takes of the value of an event's reduced field, as ``reader_of`` reads it."""
    if node.of is not None and "$" in node.of.path and node.as_type != "array":
        return lambda values: [entry for value in values or () if (entry := total.entry(value)) is not None]

    def single(value: Any) -> list[Any]:
        entry = total.entry(value)
        return [] if entry is None else [entry]

    return single


def fields_of(dynamic: tree.Condition | None, of: FieldNode | None) -> tuple[FieldNode, ...]:
    """The values of an event that a dynamic filter and a reducer read, in one order whoever reads them."""
    found = set() if dynamic is None else set(_fields(dynamic, inner=False))
    return tuple(sorted(found | ({of} if of is not None else set()), key=render))


def _fields(node: object, *, inner: bool) -> Iterator[FieldNode]:
    """Fields of the event around a filter; ``inner``: seen from inside a nested event's own filter."""
    match node:
        case tree.And() | tree.Or():
            for item in node.items:
                yield from _fields(item, inner=inner)
        case tree.Not():
            yield from _fields(node.item, inner=inner)
        case tree.Compare():
            for part in (node.left, *node.arguments):
                yield from _fields(part, inner=inner)
        case tree.Reduce() if not inner and node.events.where is not None:
            yield from _fields(node.events.where, inner=True)
        case tree.Property() if node.parent == inner:
            yield tree.Property(node.path)
        case tree.Context() if not inner:
            yield node
