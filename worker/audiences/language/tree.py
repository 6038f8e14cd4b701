"""The tree of a query: what the parser returns, the type checker checks and the compiler compiles.

Times are integer milliseconds. ``position`` is where the node starts in the query text (1-based line and
column); it takes no part in comparison, so that two ways to write one query are equal.
Source of the language: Segment, "Query Language Reference" (Public API), as decided in docs/query-language.md.
"""

from dataclasses import dataclass, field
from typing import Literal as OneOf


@dataclass(frozen=True, slots=True)
class Position:
    line: int
    column: int


NOWHERE = Position(1, 1)


def _position() -> Position:
    return field(default=NOWHERE, compare=False, repr=False)


Path = tuple[str, ...]
"""A dotted path, split; an escaped dot is part of its segment; ``$`` (each element of an array) is its own segment."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant. ``kind`` tells a bare date or timestamp from a quoted string; ``value`` of both is the text."""

    value: str | int | float | bool
    kind: OneOf["string", "number", "boolean", "date", "timestamp"]
    position: Position = _position()


@dataclass(frozen=True, slots=True)
class Duration:
    """``7 days``: an argument of windows and of the date comparators."""

    ms: int
    position: Position = _position()


@dataclass(frozen=True, slots=True)
class Trait:
    """``trait('address.city')``: a trait of the profile, or a membership or computed trait by its key."""

    path: Path
    position: Position = _position()


@dataclass(frozen=True, slots=True)
class Property:
    """``property('price')`` of the event at hand; ``parent=True``: of the enclosing event (funnels)."""

    path: Path
    parent: bool = False
    position: Position = _position()


@dataclass(frozen=True, slots=True)
class Context:
    """``context('page.url')`` of the event at hand."""

    path: Path
    position: Position = _position()


@dataclass(frozen=True, slots=True)
class Entity:
    """``entity('slug')``: parsed, never evaluated (linked audiences need a warehouse)."""

    slug: str
    position: Position = _position()


@dataclass(frozen=True, slots=True)
class Within:
    """``within(7 days)``; ``parent``: counted from the enclosing event instead of back from now."""

    ms: int
    parent: bool = False
    position: Position = _position()


@dataclass(frozen=True, slots=True)
class Between:
    """``between(30 days, 90 days)``: from ``near_ms`` ago back to ``far_ms`` ago."""

    near_ms: int
    far_ms: int
    parent: bool = False
    position: Position = _position()


@dataclass(frozen=True, slots=True)
class ExpiresAfter:
    """``expires_after(30 minutes)``: the current session, which ends after that long without an event."""

    ms: int
    position: Position = _position()


Window = Within | Between | ExpiresAfter


@dataclass(frozen=True, slots=True)
class Events:
    """``event('X')`` with its filters, in any order. Several ``where`` are one ``And``."""

    name: str
    where: "Condition | None" = None
    window: Window | None = None
    excluded_sources: tuple[str, ...] = ()
    position: Position = _position()


Reducer = OneOf["count", "sum", "avg", "min", "max", "mode", "first", "last", "unique", "unique_count"]


@dataclass(frozen=True, slots=True)
class Reduce:
    """``….count()``, ``….sum(property('x'))``, ``….unique(p).count()`` (as ``unique_count``) and the like.

    ``of``: the reduced property; None for ``count``. ``as_type``: of ``min``/``max``/``mode``, None when not given.
    ``minimum``: the least frequency of ``mode``, None when not given.
    """

    events: Events
    reducer: Reducer
    of: Property | Context | None = None
    as_type: OneOf["number", "string", "array"] | None = None
    minimum: int | None = None
    position: Position = _position()


Scalar = Literal | Trait | Property | Context | Entity | Reduce

Comparator = OneOf[
    "equals",
    "differs",
    "absent",
    "exists",
    "greater_than",
    "at_least",
    "less_than",
    "at_most",
    "contains",
    "omits",
    "starts_with",
    "ends_with",
    "one_of",
    "none_of",
    "before_date",
    "after_date",
    "within_last",
    "within_next",
    "before_last",
    "after_next",
]


@dataclass(frozen=True, slots=True)
class Compare:
    """``left.comparator(arguments…)``; the operators ``= == != > >= < <=`` are these comparators too."""

    left: Scalar
    comparator: Comparator
    arguments: tuple[Scalar | Duration, ...] = ()
    position: Position = _position()


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more; nested ``And`` is flattened."""

    items: tuple["Condition", ...]
    position: Position = _position()


@dataclass(frozen=True, slots=True)
class Or:
    """Any of two or more; nested ``Or`` is flattened."""

    items: tuple["Condition", ...]
    position: Position = _position()


@dataclass(frozen=True, slots=True)
class Not:
    item: "Condition"
    position: Position = _position()


@dataclass(frozen=True, slots=True)
class AnyUser:
    """``ANY …``: at least one linked user of the account."""

    item: "Condition"
    position: Position = _position()


@dataclass(frozen=True, slots=True)
class AllUsers:
    """``ALL …``: every linked user of the account."""

    item: "Condition"
    position: Position = _position()


Condition = Compare | And | Or | Not | AnyUser | AllUsers
Query = Condition | Scalar
