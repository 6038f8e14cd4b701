"""The events behind a value, as far as a profile's state keeps them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from worker.audiences.conditions import Around
from worker.audiences.explanation.moments import named
from worker.audiences.explanation.parts import Part, Person, Seen, Side
from worker.audiences.kept import opened
from worker.audiences.language import tree
from worker.audiences.language.render import render
from worker.audiences.outcomes import Undecided
from worker.audiences.populations import FromParent, Look, Population, Window
from worker.audiences.rows import AT, FIRST, Row
from worker.audiences.scalars import RowsValue, SessionValue, TotalValue
from worker.audiences.selections import FieldNode
from worker.audiences.sessions import END, START
from worker.audiences.totals import First
from worker.audiences.values import plain
from worker.audiences.windows import NEVER, Rolling, inside_at, times_of

SHOWN = 10
"""Events of one value that are shown. Fewer: one does not see which; more: one does not see the rest."""

SHOWN_INSIDE = 3
"""The same for events inside the filter of another event, which are shown once for each of those."""


def counted(node: tree.Scalar, leaf_id: bytes, window: Rolling | None, person: Person) -> Side:
    """A count of events by themselves."""
    if window is None:
        count = int(person.accumulators.get(leaf_id, 0))  # type: ignore[arg-type]  # a counting leaf's
        return Side(render(node), count, "of all time; single events are not kept")
    times, now_ms = times_of(person.accumulators.get(leaf_id)), person.time_ms
    count, _ = inside_at(times, window, now_ms)
    seen = [_seen(at_ms, window, now_ms) for at_ms in times if at_ms > now_ms - window.far_ms]
    return Side(render(node), count, _moving([], seen), events=tuple(seen[-SHOWN:]), unseen=max(len(seen) - SHOWN, 0))


def total_side(node: tree.Reduce, scalar: TotalValue, person: Person) -> Side:
    """What a reducer makes of all events."""
    kept = opened(person.accumulators, scalar.leaf_id)
    value = scalar.read(person).value
    if kept is None or not kept.content:
        return Side(render(node), value, "no such event so far")
    if isinstance(scalar.total, First):
        event = Seen(kept.content[1], {} if node.of is None else {render(node.of): value})
        return Side(render(node), value, f"of the event at {named(event.at_ms)}", events=(event,))
    return Side(render(node), value, "of all time; single events are not kept")


def session_side(node: tree.Reduce, scalar: SessionValue, person: Person) -> Side:
    """What a reducer makes of the current session."""
    kept = opened(person.accumulators, scalar.leaf_id)
    value = scalar.read(person).value
    if kept is None or not kept.content:
        return Side(render(node), value, "no session so far")
    start_ms, end_ms = kept.content[-1][START], kept.content[-1][END]
    over_ms = end_ms + scalar.gap_ms
    last = f"from {named(start_ms)} to {named(end_ms)}"
    if person.time_ms < over_ms:
        return Side(render(node), value, f"the session {last}, over at {named(over_ms)}")
    return Side(render(node), value, f"no session now; the last one was {last}")


class Rows(NamedTuple):
    """A population beside the query that it is of. ``fields``: what its rows have; ``judged``: what is asked of one."""

    node: tree.Reduce
    population: Population
    fields: Sequence[FieldNode]
    judged: Callable[[Row], Part | None]


def rows_side(rows: Rows, scalar: RowsValue | None, person: Person, around: Around) -> Side:
    """What a reducer makes of events that are kept one by one; how many they are when ``scalar`` is None."""
    window = rows.population.window
    look = rows.population.look(person, around)
    value: Any = len(look.rows)
    undecided = not look.is_decided
    if scalar is not None:
        value = scalar.read(person, around).value
        undecided = isinstance(value, Undecided)
        value = value.value if isinstance(value, Undecided) else value
    in_reach = rows.population.in_reach(person, around)
    shown = SHOWN_INSIDE if around else SHOWN
    events = tuple(_explained(rows, row, look, window, person) for row in in_reach[-shown:])
    told = _told(look, len(in_reach))
    if look.is_open and isinstance(window, FromParent):
        told.append(f"more may come until {named(around[-1][AT] + window.ms)}")
    counting = look.rows if rows.population.where is not None else in_reach
    times = [_seen(row[AT], window, person.time_ms) for row in counting] if isinstance(window, Rolling) else []
    return Side(render(rows.node), value, _moving(told, times), undecided, None, events, max(len(in_reach) - shown, 0))


def _told(look: Look, in_reach: int) -> list[str]:
    sure = len(look.rows)
    maybe = len(look.judged) - sure if look.judged else 0
    told = f"{sure} of {in_reach} events count" if in_reach else "no such event"
    return [f"{told}, {maybe} may yet" if maybe > 0 else told]


def _explained(rows: Rows, row: Row, look: Look, window: Window, person: Person) -> Seen:
    values = {render(field): plain(row[FIRST + place]) for place, field in enumerate(rows.fields)}
    rolling = window if isinstance(window, Rolling) else None
    seen = _seen(row[AT], rolling, person.time_ms)
    counts: bool | None = any(one is row for one in look.rows)
    if not counts and any(one is row for one, _ in look.judged):
        counts = None
    return Seen(seen.at_ms, values, counts and not seen.waits, seen.waits, seen.until_ms, rows.judged(row))


def _seen(at_ms: int, window: Rolling | None, now_ms: int) -> Seen:
    if window is None:
        return Seen(at_ms, {})
    waits = at_ms > now_ms - window.near_ms
    return Seen(at_ms, {}, not waits, waits, at_ms + (window.near_ms if waits else window.far_ms))


def _moving(told: Sequence[str], events: Sequence[Seen]) -> str:
    """With what the clock does next."""
    leaves_ms = min((one.until_ms for one in events if not one.waits), default=NEVER)
    enters_ms = min((one.until_ms for one in events if one.waits), default=NEVER)
    enters = [] if enters_ms == NEVER else [f"the next comes in at {named(enters_ms)}"]
    leaves = [] if leaves_ms == NEVER else [f"the next drops out at {named(leaves_ms)}"]
    return "; ".join([*told, *enters, *leaves])
