"""Which leaves take an event: each filter is decided once, however many leaves and audiences stand on it.

Filters that ask for a property to be a certain text are found by that text, so that a thousand audiences of one event
that differ in such a value cost an event as much as the few that it is about.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from worker.audiences.language import tree
from worker.audiences.leaves import Leaf, Occurrence, Predicate
from worker.audiences.values import find


class _Filtered(NamedTuple):
    """Leaves behind one filter; None: they take every event."""

    where: Predicate | None
    leaves: Sequence[Leaf]


class Selector:
    """The leaves of the events of one name."""

    __slots__ = ("_by_text", "_filtered")

    def __init__(self, leaves: Iterable[Leaf]) -> None:
        together: dict[str, list[Leaf]] = {}
        for leaf in leaves:
            together.setdefault(leaf.selection.name, []).append(leaf)
        filtered: list[_Filtered] = []
        by_text: dict[tree.Path, dict[str, list[_Filtered]]] = {}
        for one in together.values():
            selection = one[0].selection
            behind = _Filtered(selection.where, tuple(one))
            if selection.required is None:
                filtered.append(behind)
            else:
                path, text = selection.required
                by_text.setdefault(path, {}).setdefault(text, []).append(behind)
        self._filtered = tuple(filtered)
        self._by_text = tuple(by_text.items())

    def select(self, occurrence: Occurrence, now_ms: int) -> list[Leaf]:
        """The leaves that take an event; ``now_ms``: the time of the evaluation."""
        at_ms = occurrence.at_ms
        found = _passing(self._filtered, occurrence, at_ms, now_ms)
        for path, by_text in self._by_text:
            value = find(occurrence.properties, path)
            if isinstance(value, str):
                found += _passing(by_text.get(value, ()), occurrence, at_ms, now_ms)
            elif value is not None:  # a number or a boolean may be equal to a text
                found += _passing([one for many in by_text.values() for one in many], occurrence, at_ms, now_ms)
        return found


def _passing(filtered: Sequence[_Filtered], occurrence: Occurrence, at_ms: int, now_ms: int) -> list[Leaf]:
    return [
        leaf
        for where, leaves in filtered
        if where is None or where(occurrence)
        for leaf in leaves
        if leaf.admits(at_ms, now_ms)
    ]


def selectors(leaves: Iterable[Leaf]) -> Mapping[str, Selector]:
    """By the name of the event."""
    by_event: dict[str, list[Leaf]] = {}
    for leaf in leaves:
        by_event.setdefault(leaf.selection.event, []).append(leaf)
    return {event: Selector(some) for event, some in by_event.items()}


def required_of(where: tree.Condition | None) -> tuple[tree.Path, str] | None:
    """A property and the text that it must be for a filter to let an event pass; None when there is no such thing."""
    items: Sequence[Any] = where.items if isinstance(where, tree.And) else (where,)
    for item in items:
        match item:
            case tree.Compare(
                left=tree.Property(path=path, parent=False),
                comparator="equals",
                arguments=(tree.Literal(kind="string") as literal,),
            ) if "$" not in path:
                return path, str(literal.value)
    return None
