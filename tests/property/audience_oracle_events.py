"""Which events a chain selects, and to which value a reducer brings them.

An event may be selected for sure, or perhaps: when its ``where`` is undecided. And more may come, as long as a
window that counts from an enclosing event has not elapsed. So a reduced value may have several outcomes.

Source: Segment, "Query Language Reference" (filters, reducers); docs/decisions.md, "Windows"; docs/query-language.md.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from math import ceil, floor
from typing import Any, NamedTuple

from tests.acceptance.moments import iso
from tests.property.audience_oracle_records import Record
from tests.property.audience_oracle_values import Each, as_number, as_text, at_path, is_number
from worker.audiences.language import tree

Truth = bool | None
"""None: undecided."""

HUGE = 10**12
UNLIKE = "\uffff"
LONG_AGO, ONE_DAY = "1970-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z"
"""A number and a text that stand for all that are larger than, or unlike, what is compared with."""


class Selected(NamedTuple):
    """``found``: events and whether their ``where`` holds, in the order of arrival; those of which it does not
    are left out. ``is_open``: more may come.
    """

    found: list[tuple[Record, Truth]]
    is_open: bool


def select(
    events: tree.Events,
    log: Sequence[Record],
    *,
    now_ms: int,
    parent: Record | None,
    where: Callable[[Record], Truth],
) -> Selected:
    """The events of a chain at ``now_ms``; a session is cut out later, when it is decided which events there are.

    ``parent``: the enclosing event, after which a nested one must come; None outside any ``where``.
    """
    candidates = (
        record
        for record in log
        if record.event == events.name
        and record.source not in events.excluded_sources
        and (parent is None or record.ts_ms > parent.ts_ms)
        and _is_inside(events.window, record.ts_ms, now_ms=now_ms, parent=parent)
    )
    judged = ((record, where(record)) for record in candidates)
    return Selected(
        found=[(record, truth) for record, truth in judged if truth is not False],
        is_open=_is_open(events.window, now_ms=now_ms, parent=parent),
    )


def _is_inside(window: tree.Window | None, ts_ms: int, *, now_ms: int, parent: Record | None) -> bool:
    match window:
        case tree.Within(ms=ms, parent=True) if parent is not None:
            return ts_ms < parent.ts_ms + ms
        case tree.Within(ms=ms):
            return now_ms - ms < ts_ms <= now_ms
        case tree.Between(near_ms=near_ms, far_ms=far_ms):
            return now_ms - far_ms < ts_ms <= now_ms - near_ms
    return True


def _is_open(window: tree.Window | None, *, now_ms: int, parent: Record | None) -> bool:
    """Only a window that counts from the enclosing event waits for what may come."""
    if isinstance(window, tree.Within) and window.parent and parent is not None:
        return now_ms < parent.ts_ms + window.ms
    return False


def decided(selected: Selected, window: tree.Window | None, now_ms: int) -> list[Record]:
    """The events that count for sure."""
    return _session([record for record, truth in selected.found if truth], window, now_ms)


def ways(selected: Selected, window: tree.Window | None, now_ms: int) -> Iterator[list[Record]]:
    """Every list of events that it may turn out to be, of those that have come."""
    for choice in product(*((True,) if truth else (True, False) for _, truth in selected.found)):
        taken = [record for (record, _), is_taken in zip(selected.found, choice, strict=True) if is_taken]
        yield _session(taken, window, now_ms)


def _session(records: list[Record], window: tree.Window | None, now_ms: int) -> list[Record]:
    """The events of the session of now: each less than the gap after the one before, the last less than it ago."""
    if not isinstance(window, tree.ExpiresAfter):
        return records
    start_ms = now_ms
    for ts_ms in sorted((record.ts_ms for record in records), reverse=True):
        if start_ms - ts_ms >= window.ms:
            break
        start_ms = ts_ms
    return [record for record in records if record.ts_ms >= start_ms]


# --- Reducers ---------------------------------------------------------------------------------------------------


def reduced(reduce: tree.Reduce, records: Iterable[Record]) -> Any:
    """The value of a reducer over these events; None when there is none. A count is always a number."""
    in_order = sorted(records, key=lambda record: record.age)
    if reduce.of is None:
        return len(in_order)
    return REDUCERS[reduce.reducer](reduce, [value for record in in_order for value in _values(reduce, record)])


def _values(reduce: tree.Reduce, record: Record) -> list[Any]:
    """What an event has of the reduced property: with ``$`` each element counts, unless arrays are asked for."""
    fields = record.context if isinstance(reduce.of, tree.Context) else record.properties
    found = at_path(fields, reduce.of.path if reduce.of else ())
    if isinstance(found, Each) and reduce.as_type != "array":
        return [value for value in found if value is not None]
    return [] if found is None else [found]


def _extreme(choose: Callable[[list[Any]], Any]) -> Callable[[tree.Reduce, list[Any]], Any]:
    """The least or the greatest number, or text when that is asked for."""

    def value(reduce: tree.Reduce, values: list[Any]) -> Any:
        fitting = [one for one in values if isinstance(one, str)] if reduce.as_type == "string" else _numbers(values)
        return choose(fitting) if fitting else None

    return value


def _numbers(values: list[Any]) -> list[Any]:
    return [value for value in values if is_number(value)]


def _sum(_: tree.Reduce, values: list[Any]) -> Any:
    return sum(_numbers(values)) if _numbers(values) else None


def _average(_: tree.Reduce, values: list[Any]) -> Any:
    numbers = _numbers(values)
    return sum(numbers) / len(numbers) if numbers else None


MODE_MINIMUM = 2
"""How often, when the query does not say: Segment's computed trait needs a value twice."""


def _mode(reduce: tree.Reduce, values: list[Any]) -> Any:
    """The most frequent text; of several the first by its characters."""
    counts = Counter(map(as_text, values))
    most = max(counts.values(), default=0)
    if most < (MODE_MINIMUM if reduce.minimum is None else reduce.minimum):
        return None
    return min(text for text, count in counts.items() if count == most)


def _unique(_: tree.Reduce, values: list[Any]) -> Any:
    return sorted(set(map(as_text, values))) or None


REDUCERS: dict[str, Callable[[tree.Reduce, list[Any]], Any]] = {
    "sum": _sum,
    "avg": _average,
    "min": _extreme(min),
    "max": _extreme(max),
    "mode": _mode,
    "first": lambda _, values: values[0] if values else None,
    "last": lambda _, values: values[-1] if values else None,
    "unique": _unique,
    "unique_count": lambda _, values: len(set(map(as_text, values))),
}


# --- What may still come ----------------------------------------------------------------------------------------


def may_become(reduce: tree.Reduce, values: Sequence[Any], now_ms: int, near: Sequence[Any]) -> list[Any]:
    """Values that the reducer may reach when more events come: as many as it takes to decide a comparison.

    ``values``: the outcomes as things stand; ``near``: what it is compared with. Around those, far above and
    far below lies all that a comparison tells apart; of dates, now and long before and after it. A count only grows,
    a minimum only falls, what has a value keeps one.
    """
    possible = [*_neighbours(near), LONG_AGO, iso(now_ms), ONE_DAY]
    return [value for value in possible if any(_leads_to(reduce, now, value) for now in values)]


def _leads_to(reduce: tree.Reduce, now: Any, value: Any) -> bool:
    as_string = reduce.as_type == "string"
    match reduce.reducer:
        case "count" | "unique_count":
            return is_number(value) and value >= now
        case "min":
            return isinstance(value, str) == as_string and (now is None or value <= now)
        case "max":
            return isinstance(value, str) == as_string and (now is None or value >= now)
        case "sum" | "avg":
            return is_number(value)
        case "mode":
            return isinstance(value, str)
    return True


def _neighbours(near: Sequence[Any]) -> list[Any]:
    numbers = [number for number in map(as_number, near) if number is not None]
    around = {one + step for number in numbers for one in (floor(number), number, ceil(number)) for step in (-1, 0, 1)}
    texts = {as_text(value) for value in near}
    return [*around, HUGE, -HUGE, *texts, "", UNLIKE, *(text + UNLIKE for text in texts)]
