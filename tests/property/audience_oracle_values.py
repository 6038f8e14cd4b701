"""Values of traits and properties as the query language sees them: paths, kinds, comparators.

The part of the audience oracle that knows no log. Slow, and meant to be seen to be right.

Source: Segment, "Query Language Reference"; docs/decisions.md, "Comparing values".
"""

import json
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from worker.audiences.language import tree

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


class Each(list[Any]):
    """The elements that ``$`` in a path stands for: a comparison holds when it does for any."""


def at_path(value: Any, path: tree.Path) -> Any:
    """What is at a path: None when nothing is, or when it is null."""
    for index, segment in enumerate(path):
        if segment == "$":
            rest = path[index + 1 :]
            return Each(_flat(at_path(one, rest) for one in value)) if isinstance(value, list) else None
        value = value.get(segment) if isinstance(value, dict) else None
    return value


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    """The elements of arrays inside arrays are elements like any other."""
    for value in values:
        if isinstance(value, Each):
            yield from value
        else:
            yield value


def as_number(value: Any) -> float | int | None:
    """The number that a number, or a text that reads as one, is."""
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    return value if is_number(value) else None


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_text(value: Any) -> str:
    """A text as it is, anything else as its compact JSON."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def as_json(value: Any) -> str:
    """By which two values are told apart: 3 and 3.0 are one number, true and 1 are two values."""
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)


def moment_of(value: Any) -> int | None:
    """Milliseconds of an ISO 8601 time with zone; None for anything else, a time without zone included."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return None if moment.tzinfo is None else (moment - EPOCH) // MILLISECOND


def _moment_of_constant(text: str) -> int:
    """A date in a query is its midnight; without a zone it is UTC."""
    moment = datetime.fromisoformat(text)
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH) // MILLISECOND


# --- Comparators ------------------------------------------------------------------------------------------------

NEGATED = {"absent": "exists", "omits": "contains"}
"""Comparators that are the opposite of another one, whatever the value."""


def holds(comparator: str, left: Any, arguments: Sequence[Any], now_ms: int) -> bool:
    """Whether ``left.comparator(arguments…)`` holds at ``now_ms``.

    A value that is absent is None. Of several elements, on whichever side, any will do. A duration is its
    milliseconds.

    Source: docs/query-language.md, "Comparisons".
    """
    if comparator in NEGATED:
        return not holds(NEGATED[comparator], left, arguments, now_ms)
    sides = (side if isinstance(side, Each) else [side] for side in (left, *arguments))
    return any(_holds_on_one(comparator, one, others, now_ms) for one, *others in product(*sides))


def _holds_on_one(comparator: str, left: Any, arguments: Sequence[Any], now_ms: int) -> bool:
    """Nothing can be said of what is not there, nor by comparing with it."""
    if left is None or None in arguments:
        return False
    if comparator in MOVING:
        date = moment_of(left)
        return date is not None and MOVING[comparator](date, now_ms, arguments[0])
    return COMPARATORS[comparator](left, *arguments)


def _equal(left: Any, right: Any) -> bool:
    """As numbers when one side is a number and both read as one, else as texts."""
    numbers = as_number(left), as_number(right)
    if (is_number(left) or is_number(right)) and None not in numbers:
        return numbers[0] == numbers[1]
    return as_text(left) == as_text(right)


def _ordered(order: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """An ordering: of numbers when one side is a number, of characters when both are texts, else false."""

    def test(left: Any, right: Any) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return order(left, right)
        numbers = as_number(left), as_number(right)
        return (is_number(left) or is_number(right)) and None not in numbers and order(*numbers)

    return test


def _of_dates(order: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(left: Any, right: Any) -> bool:
        moment = moment_of(left)
        return moment is not None and order(moment, _moment_of_constant(right))

    return test


def _of_texts(relation: Callable[[str, str], bool]) -> Callable[..., bool]:
    """Of several arguments any will do."""

    def test(left: Any, *rights: Any) -> bool:
        return any(relation(as_text(left), as_text(right)) for right in rights)

    return test


MOVING: dict[str, Callable[[int, int, int], bool]] = {
    "within_last": lambda date, now, duration: now - duration <= date <= now,
    "within_next": lambda date, now, duration: now <= date <= now + duration,
    "before_last": lambda date, now, duration: date <= now - duration,
    "after_next": lambda date, now, duration: date >= now + duration,
}
"""Comparators of today: they hold at both edges."""

COMPARATORS: dict[str, Callable[..., bool]] = {
    "equals": _equal,
    "differs": lambda left, right: not _equal(left, right),
    "exists": lambda _: True,
    "greater_than": _ordered(operator.gt),
    "at_least": _ordered(operator.ge),
    "less_than": _ordered(operator.lt),
    "at_most": _ordered(operator.le),
    "contains": _of_texts(lambda left, right: right in left),
    "starts_with": _of_texts(str.startswith),
    "ends_with": _of_texts(str.endswith),
    "one_of": lambda left, *rights: any(_equal(left, right) for right in rights),
    "none_of": lambda left, *rights: not any(_equal(left, right) for right in rights),
    "before_date": _of_dates(operator.lt),
    "after_date": _of_dates(operator.gt),
}
