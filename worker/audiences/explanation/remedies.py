"""What would give a comparison another value: by the next event, trait or word that it waits for."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from worker.audiences.comparisons import Foreseen, Moving, RowsCount
from worker.audiences.conditions import Around, Condition, CountBetween, CountEver, CountWithin
from worker.audiences.explanation.moments import named
from worker.audiences.explanation.parts import Person
from worker.audiences.language import tree
from worker.audiences.language.render import duration, render
from worker.audiences.populations import FromParent
from worker.audiences.rows import AT
from worker.audiences.scalars import RowsValue, SessionValue, TotalValue
from worker.audiences.thresholds import literals
from worker.audiences.values import number, plain
from worker.audiences.windows import NEVER, Rolling, inside_at, times_of


def remedies(node: tree.Compare, compiled: Condition, person: Person, around: Around) -> tuple[str, ...]:
    """Sentences; none when no record can change it."""
    match compiled:
        case CountEver():
            return _ever(node, compiled, person)
        case CountWithin():
            return _windowed(node, compiled.leaf_id, Rolling(0, compiled.window_ms), compiled.truth, person)
        case CountBetween():
            return _windowed(node, compiled.leaf_id, compiled.window, compiled.truth, person)
        case RowsCount():
            return _rows(node, compiled, person, around)
        case Moving():
            return (f"another date in {render(node.left)}",) if isinstance(node.left, tree.Trait) else ()
        case Foreseen(scalar=TotalValue() | RowsValue() | SessionValue()):
            return _reduced(node, compiled.scalar.read(person).value)
    sides = [one for one in (node.left, *node.arguments) if isinstance(one, tree.Trait | tree.Reduce)]
    return tuple(_trait(node, one) if isinstance(one, tree.Trait) else _by_event(one) for one in sides)


def _trait(node: tree.Compare, trait: tree.Trait) -> str:
    if node.comparator == "equals" and trait is node.left and isinstance(node.arguments[0], tree.Literal):
        return f"{render(trait)} that is {render(node.arguments[0])}, or is so no more"
    return f"another value of {render(trait)}"


def _by_event(node: tree.Reduce) -> str:
    return event_text(node) if node.of is None else f"{event_text(node)}, by its {render(node.of)}"


def _reduced(node: tree.Compare, now: Any) -> tuple[str, ...]:
    """Of a sum that is too small it is known how much is missing."""
    reduced = node.left
    if not isinstance(reduced, tree.Reduce):
        return ()
    wanted = [number(one.value) for one in literals(node)]
    if reduced.reducer == "sum" and node.comparator in ("at_least", "greater_than") and wanted[0] is not None:
        missing = wanted[0] - (now or 0)
        if missing > 0 or (missing == 0 and node.comparator == "greater_than"):
            more = "at least" if node.comparator == "at_least" else "more than"
            return (f"{event_text(reduced)}, if its {render(reduced.of or reduced)} adds {more} {plain(missing)}",)
    return (_by_event(reduced),)


def event_text(node: tree.Reduce) -> str:
    """The events of a selection, as a query writes them, without their window."""
    events = replace(node.events, window=None)
    return render(tree.Reduce(events, "count")).removesuffix(".count()")


def _more(node: tree.Scalar, count: int) -> str:
    return f"{count} more {event_text(node)}" if isinstance(node, tree.Reduce) else ""


def _ever(node: tree.Compare, compiled: CountEver, person: Person) -> tuple[str, ...]:
    count = int(person.accumulators.get(compiled.leaf_id, 0))  # type: ignore[arg-type]  # a counting leaf's
    numbers = [int(found) for one in literals(node) if (found := number(one.value)) is not None]
    ahead = sorted({max(one + step, count + 1) for one in [*numbers, count] for step in (0, 1)})
    needed = _first(ahead, lambda many: compiled.test(many) != compiled.test(count))
    return () if needed is None else (_more(node.left, needed - count),)


def _first(counts: Sequence[int], holds: Callable[[int], bool]) -> int | None:
    return next((one for one in counts if holds(one)), None)


def _windowed(
    node: tree.Compare, leaf_id: bytes, window: Rolling, truth: Sequence[bool], person: Person
) -> tuple[str, ...]:
    count, due_ms = inside_at(times_of(person.accumulators.get(leaf_id)), window, person.time_ms)
    needed = _needed(truth, count)
    if needed is None:
        return ()
    more = _more(node.left, needed)
    if window.near_ms:
        return (f"{more}, {duration(window.near_ms)} to {duration(window.far_ms)} old",)
    if due_ms != NEVER:
        return (f"{more} before {named(due_ms)}",)
    return (f"{more} within {duration(window.far_ms)}" if needed > 1 else more,)


def _needed(truth: Sequence[bool], count: int) -> int | None:
    """How many more give another value."""
    last = len(truth) - 1
    now = truth[min(count, last)]
    found = _first(range(min(count, last) + 1, last + 1), lambda many: truth[many] != now)
    return None if found is None else found - count


def _rows(node: tree.Compare, compiled: RowsCount, person: Person, around: Around) -> tuple[str, ...]:
    look = compiled.population.look(person, around)
    if look.judged:
        return ()  # some have yet to be decided, and that is what is waited for
    needed = _needed(compiled.truth, len(look.rows))
    if needed is None:
        return ()
    more, window = _more(node.left, needed), compiled.population.window
    if isinstance(window, FromParent):
        return (f"{more} before {named(around[-1][AT] + window.ms)}",) if look.is_open else ()
    return (more,)
