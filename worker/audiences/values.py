"""How values compare: coercion, absence, arrays, dates.

A value is what JSON gave: ``str``, ``int``, ``float``, ``bool``, ``list``, ``dict``, or ``None`` for absent (an
explicit null is the same as absence). A ``Test`` answers for one value.
Source: Segment, "Query Language Reference" and "Conditions on computed traits"; docs/decisions.md, "Comparing values".
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from worker.audiences.language import tree

Test = Callable[[Any], bool]

FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999
"""The calendar: the years 1 to 9999."""

EXACT_INTEGERS = 2**53
"""Beyond it a double does not hold every integer."""


def text(value: Any) -> str:
    """The string form in which a value compares with strings: arrays and objects are compact JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
        return str(int(value))
    if isinstance(value, (int, float)):
        return str(value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def plain(value: Any) -> Any:
    """A number without ``.0``."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT_INTEGERS else value


def number(value: Any) -> int | float | None:
    """A number or a numeric string as a number, else None."""
    if is_number(value):
        return value  # type: ignore[no-any-return]
    if not isinstance(value, str):
        return None
    try:
        return int(value)
    except ValueError:
        pass
    try:
        result = float(value)
    except ValueError:
        return None
    return result if result - result == 0 else None  # neither infinity nor NaN: JSON has none


def date_ms(value: Any) -> int | None:
    """An ISO 8601 timestamp with a time zone, in milliseconds since 1970; None for anything else."""
    if not isinstance(value, str) or len(value) < len("2025-01-01T00Z"):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return None if parsed.tzinfo is None else milliseconds(parsed)


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime, rounded half up, without a float's error."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + (delta.microseconds + 500) // 1000


def iso(moment_ms: int) -> str:
    """A moment as ISO 8601 text, which ``date_ms`` reads back; the nearest one that there is."""
    within = min(max(moment_ms, FIRST_MS), LAST_MS)
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=within)).isoformat()


def literal_date_ms(literal: tree.Literal) -> int | None:
    """The moment that a literal means: a bare date is its midnight in UTC."""
    if not isinstance(literal.value, str):
        return None
    moment = date_ms(literal.value)
    if moment is not None:
        return moment
    try:
        return milliseconds(datetime.fromisoformat(literal.value).replace(tzinfo=UTC))
    except ValueError:
        return None


def equal(left: Any, right: Any) -> bool:
    """Equality of two present values: as numbers when one side is a number, else as strings."""
    if is_number(left) or is_number(right):
        a, b = number(left), number(right)
        return a is not None and b is not None and a == b
    return text(left) == text(right)


def ordering(left: Any, right: Any) -> int | None:
    """-1, 0, 1 for two present values; None when they have no order (a number and a non-number, for one)."""
    if is_number(left) or is_number(right):
        a, b = number(left), number(right)
        if a is None or b is None:
            return None
        return (a > b) - (a < b)
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    return None


def _dated(literal: tree.Literal, value: Any) -> tuple[Any, Any]:
    """Value and literal as they are compared: with a bare date or timestamp both sides are moments."""
    if literal.kind in ("date", "timestamp"):
        return date_ms(value), literal_date_ms(literal)
    return value, literal.value


def _compares(literal: tree.Literal, holds: Callable[[int], bool]) -> Test:
    def test(value: Any) -> bool:
        left, right = _dated(literal, value)
        if left is None or right is None:
            return False
        order = ordering(left, right)
        return order is not None and holds(order)

    return test


def _equals(literal: tree.Literal) -> Test:
    wanted = literal.value
    if literal.kind == "string":
        # The commonest test of all, without the detour: strings compare as they are.
        return lambda value: value == wanted if isinstance(value, str) else value is not None and equal(value, wanted)

    def test(value: Any) -> bool:
        left, right = _dated(literal, value)
        return left is not None and right is not None and equal(left, right)

    return test


def _any_of(tests: list[Test]) -> Test:
    return lambda value: any(test(value) for test in tests)


def _contains(parts: list[str]) -> Test:
    return lambda value: value is not None and any(part in text(value) for part in parts)


def _before(moment: int) -> Test:
    return lambda value: (at := date_ms(value)) is not None and at < moment


def _after(moment: int) -> Test:
    return lambda value: (at := date_ms(value)) is not None and at > moment


def _never(_: Any) -> bool:
    return False


def _date_test(literal: tree.Literal, test: Callable[[int], Test]) -> Test:
    moment = literal_date_ms(literal)
    return _never if moment is None else test(moment)


def _differs(literals: Sequence[tree.Literal]) -> Test:
    same = _any_of([_equals(literal) for literal in literals])
    return lambda value: value is not None and not same(value)


def _omits(parts: list[str]) -> Test:
    contains = _contains(parts)
    return lambda value: not contains(value)


def _strings(literals: Sequence[tree.Literal]) -> list[str]:
    return [text(literal.value) for literal in literals]


def _starts_with(prefixes: list[str]) -> Test:
    return lambda value: value is not None and text(value).startswith(tuple(prefixes))


def _ends_with(suffixes: list[str]) -> Test:
    return lambda value: value is not None and text(value).endswith(tuple(suffixes))


_TESTS: dict[str, Callable[[Sequence[tree.Literal]], Test]] = {
    "exists": lambda _: lambda value: value is not None,
    "absent": lambda _: lambda value: value is None,
    "equals": lambda literals: _equals(literals[0]),
    "differs": _differs,
    "one_of": lambda literals: _any_of([_equals(literal) for literal in literals]),
    "none_of": _differs,
    "contains": lambda literals: _contains(_strings(literals)),
    "omits": lambda literals: _omits(_strings(literals)),
    "starts_with": lambda literals: _starts_with(_strings(literals)),
    "ends_with": lambda literals: _ends_with(_strings(literals)),
    "greater_than": lambda literals: _compares(literals[0], lambda order: order > 0),
    "at_least": lambda literals: _compares(literals[0], lambda order: order >= 0),
    "less_than": lambda literals: _compares(literals[0], lambda order: order < 0),
    "at_most": lambda literals: _compares(literals[0], lambda order: order <= 0),
    "before_date": lambda literals: _date_test(literals[0], _before),
    "after_date": lambda literals: _date_test(literals[0], _after),
}


def test_of(comparator: tree.Comparator, literals: Sequence[tree.Literal]) -> Test:
    """The test of a comparator that does not depend on the time. Literals have been type-checked."""
    return _TESTS[comparator](literals)


NEGATIONS: dict[tree.Comparator, tree.Comparator] = {"omits": "contains", "absent": "exists"}
"""Comparators that are NOT of another one, also over the elements of an array (``$``)."""


def find(document: Any, path: tree.Path) -> Any:
    """The value at a path of keys; None when there is none."""
    for key in path:
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def find_each(document: Any, path: tree.Path) -> list[Any]:
    """Every value at a path in which ``$`` stands for each element of an array."""
    found = [document]
    for key in path:
        if key == "$":
            found = [item for value in found if isinstance(value, list) for item in value]
        else:
            found = [value.get(key) if isinstance(value, dict) else None for value in found]
    return found


def path_test(path: tree.Path, comparator: tree.Comparator, literals: tuple[tree.Literal, ...]) -> Test:
    """A test of the value at a path of a document: of any element where the path has a ``$``."""
    if "$" in path:
        if comparator in NEGATIONS:
            inner = path_test(path, NEGATIONS[comparator], literals)
            return lambda document: not inner(document)
        each = test_of(comparator, literals)
        return lambda document: any(each(value) for value in find_each(document, path))
    test = test_of(comparator, literals)
    if len(path) == 1:
        key = path[0]
        return lambda document: test(document.get(key))
    return lambda document: test(find(document, path))
