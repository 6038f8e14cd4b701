"""Values of traits and properties as the query language sees them: paths, kinds, comparators.

The part of the audience oracle that knows no time and no log. Slow, and meant to be seen to be right.

Source: Segment, "Query Language Reference"; docs/decisions.md, "Comparison", "Arrays".
"""

import json
import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from worker.audiences.language import tree

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class Each(list[Any]):
    """The elements that ``$`` in a path stands for: a comparison holds when it does for any."""


def holds_on(left: Any, test: Callable[[Any], bool]) -> bool:
    return any(test(one) for one in left) if isinstance(left, Each) else test(left)


def at_path(value: Any, path: tree.Path) -> Any:
    """What is at a path: None when nothing is, or when it is null."""
    for index, segment in enumerate(path):
        if segment == "$":
            rest = path[index + 1 :]
            return Each(at_path(one, rest) for one in value) if isinstance(value, list) else None
        value = value.get(segment) if isinstance(value, dict) else None
    return value


def _as_number(value: Any) -> float | int | None:
    """The number that a number, or a text that reads as one, is."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _equal(left: Any, right: Any) -> bool:
    if left is None or right is None:
        return False
    numbers = _as_number(left), _as_number(right)
    if (_is_number(left) or _is_number(right)) and None not in numbers:
        return numbers[0] == numbers[1]
    return _as_text(left) == _as_text(right)


def _ordered(order: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """An ordering: of numbers when one side is a number, of characters when both are texts, else false."""

    def holds(left: Any, right: Any) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return order(left, right)
        numbers = _as_number(left), _as_number(right)
        return (_is_number(left) or _is_number(right)) and None not in numbers and order(*numbers)

    return holds


def _of_dates(order: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def holds(left: Any, right: Any) -> bool:
        moment = moment_of(left)
        return moment is not None and order(moment, _moment_of_literal(right))

    return holds


def _of_texts(test: Callable[[str, str], bool]) -> Callable[..., bool]:
    """True when it holds for any of the arguments; of what is absent it never does."""

    def holds(left: Any, *rights: Any) -> bool:
        return left is not None and any(test(_as_text(left), _as_text(right)) for right in rights)

    return holds


def moment_of(value: Any) -> int | None:
    """Milliseconds of an ISO 8601 time with zone; None for anything else, a time without zone included."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return None if moment.tzinfo is None else (moment - EPOCH) // MILLISECOND


def _moment_of_literal(text: str) -> int:
    """A date in a query is its midnight in UTC."""
    moment = moment_of(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
    if moment is None:
        raise ValueError(text)
    return moment


MOVING: dict[str, Callable[[int, int, int], bool]] = {
    "within_last": lambda date, now, duration: now - duration <= date <= now,
    "within_next": lambda date, now, duration: now <= date <= now + duration,
    "before_last": lambda date, now, duration: date <= now - duration,
    "after_next": lambda date, now, duration: date >= now + duration,
}

COMPARATORS: dict[str, Callable[..., bool]] = {
    "equals": _equal,
    "differs": lambda left, right: None not in (left, right) and not _equal(left, right),
    "absent": lambda left: left is None,
    "exists": lambda left: left is not None,
    "greater_than": _ordered(operator.gt),
    "at_least": _ordered(operator.ge),
    "less_than": _ordered(operator.lt),
    "at_most": _ordered(operator.le),
    "contains": _of_texts(lambda left, right: right in left),
    "starts_with": _of_texts(str.startswith),
    "ends_with": _of_texts(str.endswith),
    "one_of": lambda left, *rights: any(_equal(left, right) for right in rights),
    "none_of": lambda left, *rights: left is not None and not any(_equal(left, right) for right in rights),
    "before_date": _of_dates(operator.lt),
    "after_date": _of_dates(operator.gt),
}
