"""What each comparator takes, and which types a reducer may be given: the tables behind the type checker.

Source: Segment, "Query Language Reference" (comparisons, reducers) and "Linked audiences" (which comparators
take another value in place of a constant); docs/query-language.md.
"""

from dataclasses import dataclass

from worker.audiences.language import tree

MANY = 10_000
"""More arguments than a query has characters for."""


@dataclass(frozen=True, slots=True)
class Signature:
    """``takes``: in words. ``kinds``: of constants; ``constant``: nothing but those. ``dates``, ``text``:
    what it reads.

    ``compares_values``: beside a number only numbers make sense, unlike for the comparators of text.
    """

    takes: str
    kinds: frozenset[str] = frozenset()
    constant: bool = False
    duration: bool = False
    dates: bool = False
    text: bool = False
    compares_values: bool = False
    least: int = 1
    most: int = 1


_ANY_KIND = frozenset({"string", "number", "boolean", "date", "timestamp"})
_ORDERED = _ANY_KIND - {"boolean"}
_PRESENCE = Signature("no arguments", least=0, most=0)
_EQUALITY = Signature("a value", _ANY_KIND, compares_values=True)
_ORDER = Signature("a number, a string or a date", _ORDERED, compares_values=True)
_CHOICE = Signature("values", _ANY_KIND, constant=True, compares_values=True, most=MANY)
_TEXT = Signature("a string in quotes", frozenset({"string"}), text=True)
_TEXTS = Signature("strings in quotes", frozenset({"string"}), text=True, most=MANY)
_DATE = Signature("a date or an ISO 8601 timestamp", _ORDERED - {"number"}, constant=True, dates=True)
_SPAN = Signature("a duration such as 7 days", constant=True, duration=True, dates=True)

SIGNATURES: dict[tree.Comparator, Signature] = {
    "absent": _PRESENCE,
    "exists": _PRESENCE,
    "equals": _EQUALITY,
    "differs": _EQUALITY,
    "greater_than": _ORDER,
    "at_least": _ORDER,
    "less_than": _ORDER,
    "at_most": _ORDER,
    "contains": _TEXTS,
    "omits": _TEXT,
    "starts_with": _TEXT,
    "ends_with": _TEXT,
    "one_of": _CHOICE,
    "none_of": _CHOICE,
    "before_date": _DATE,
    "after_date": _DATE,
    "within_last": _SPAN,
    "within_next": _SPAN,
    "before_last": _SPAN,
    "after_next": _SPAN,
}

TYPES_OF_REDUCERS: dict[tree.Reducer, tuple[str, ...]] = {
    "min": ("number", "string"),
    "max": ("number", "string"),
    "mode": ("number", "string", "array"),
}

_NUMERIC = frozenset({"count", "sum", "avg", "unique_count"})


def is_numeric(node: tree.Scalar) -> bool:
    """Whether the value can be nothing but a number (or absent)."""
    if not isinstance(node, tree.Reduce):
        return False
    return node.reducer in _NUMERIC or (node.reducer in {"min", "max"} and node.as_type != "string")
