"""Totals: what reducers make of events; here ``count``, ``sum``, ``avg``, ``min``, ``max``, ``first`` and ``last``.

A total folds one entry after another into something small that a profile keeps (``kept``: plain values; None: nothing
yet), and reads its result from it. The result depends on the entries and their order in time only, never on the order
in which they came, and is the same when the entries are there all at once (``result``), as those of a window are.

Source: Segment, "Computed traits" and "Query Language Reference" (reducers); docs/query-language.md, "Reducers".
"""

from collections.abc import Sequence
from math import fsum
from typing import Any, NamedTuple, Protocol

from worker.audiences.values import is_number, plain, text

KEPT_CHARS_MAX = 1_000
"""Characters of a value that is kept; a longer one counts as absent. Lower: addresses of pages are lost; higher: the
states of those who send essays hold up everybody else's."""

SUMMED_MAX = 1e290
"""A number beyond it is not summed: no sum of as many events as there can be is more than a double holds."""


class Order(NamedTuple):
    """What comes before what: by timestamp, then receipt, then arrival."""

    at_ms: int
    received_ms: int
    arrival: int


class Total(Protocol):
    """``ordered``: the result depends on the order in time."""

    ordered: bool

    def entry(self, value: Any) -> Any:
        """A value as it is kept; None when the reducer does not take it."""

    def add(self, kept: Any, entry: Any, order: Order) -> Any:
        """With one more entry; may change what it is given."""

    def read(self, kept: Any) -> Any:
        """The result; None when there is none."""

    def union(self, one: Any, other: Any) -> Any:
        """The total of the entries of both. Changes neither."""

    def result(self, entries: Sequence[Any]) -> Any:
        """The result of entries in the order of time."""

    def may_reach(self, result: Any, value: Any) -> bool:
        """Whether more entries may turn a result into a value."""


class Count:
    """A number; every event is an entry."""

    ordered = False

    def entry(self, value: Any) -> Any:  # noqa: ARG002 - whatever it is, it is one
        return 1

    def add(self, kept: Any, entry: Any, order: Order) -> Any:  # noqa: ARG002
        return (kept or 0) + 1

    def read(self, kept: Any) -> Any:
        return kept or 0

    def union(self, one: Any, other: Any) -> Any:
        return (one or 0) + (other or 0)

    def result(self, entries: Sequence[Any]) -> Any:
        return len(entries)

    def may_reach(self, result: Any, value: Any) -> bool:
        return isinstance(value, int) and value >= result


class Sum:
    """Exact, as if all were added before rounding: ``[how many, partial sums …]``. Numbers only.

    Source: J. Shewchuk, "Adaptive Precision Floating-Point Arithmetic" (the method of ``math.fsum``).
    """

    ordered = False

    def entry(self, value: Any) -> Any:
        return float(value) if is_number(value) and abs(value) <= SUMMED_MAX else None

    def add(self, kept: Any, entry: Any, order: Order) -> Any:  # noqa: ARG002 - a sum has no order
        count, *partials = kept or (0,)
        return [count + 1, *_grown(partials, entry)]

    def read(self, kept: Any) -> Any:
        return self._of(kept[1:], kept[0]) if kept else None

    def union(self, one: Any, other: Any) -> Any:
        if not one or not other:
            return one or other
        partials = one[1:]
        for partial in other[1:]:
            partials = _grown(partials, partial)
        return [one[0] + other[0], *partials]

    def result(self, entries: Sequence[Any]) -> Any:
        return self._of(entries, len(entries)) if entries else None

    def may_reach(self, result: Any, value: Any) -> bool:  # noqa: ARG002 - whatever comes may be negative
        return is_number(value)

    def _of(self, numbers: Sequence[float], count: int) -> Any:  # noqa: ARG002
        return plain(fsum(numbers))


class Average(Sum):
    def _of(self, numbers: Sequence[float], count: int) -> Any:
        return plain(fsum(numbers) / count)


class Extreme:
    """The value itself. Numbers, or strings in the order of their characters where the query says so."""

    ordered = False

    def __init__(self, *, largest: bool, strings: bool) -> None:
        self._best = max if largest else min
        self._strings = strings

    def entry(self, value: Any) -> Any:
        if self._strings:
            return value if isinstance(value, str) and len(value) <= KEPT_CHARS_MAX else None
        return plain(value) if is_number(value) else None

    def add(self, kept: Any, entry: Any, order: Order) -> Any:  # noqa: ARG002
        return entry if kept is None else self._best(kept, entry)

    def read(self, kept: Any) -> Any:
        return kept

    def union(self, one: Any, other: Any) -> Any:
        if one is None or other is None:
            return other if one is None else one
        return self._best(one, other)

    def result(self, entries: Sequence[Any]) -> Any:
        return self._best(entries, default=None)

    def may_reach(self, result: Any, value: Any) -> bool:
        return isinstance(value, str) == self._strings and (result is None or self._best(result, value) == value)


class First:
    """The value of the earliest event that has one: ``[value, timestamp, receipt, arrival]``."""

    ordered = True

    def entry(self, value: Any) -> Any:
        return None if value is None or short(text(value)) is None else value

    def add(self, kept: Any, entry: Any, order: Order) -> Any:
        return [entry, *order] if kept is None or self._replaces(order, tuple(kept[1:])) else kept

    def read(self, kept: Any) -> Any:
        return kept[0] if kept else None

    def union(self, one: Any, other: Any) -> Any:
        return one if other is None else self.add(one, other[0], Order(*other[1:]))

    def result(self, entries: Sequence[Any]) -> Any:
        return entries[0] if entries else None

    def may_reach(self, result: Any, value: Any) -> bool:  # noqa: ARG002 - what comes may have happened earlier
        return value is not None

    def _replaces(self, order: tuple[int, ...], kept: tuple[int, ...]) -> bool:
        return order < kept


class Last(First):
    """The value of the latest event that has one."""

    def result(self, entries: Sequence[Any]) -> Any:
        return entries[-1] if entries else None

    def _replaces(self, order: tuple[int, ...], kept: tuple[int, ...]) -> bool:
        return order >= kept  # of one event with several values the last


def short(written: str) -> str | None:
    """A text that is not too long to be kept."""
    return written if len(written) <= KEPT_CHARS_MAX else None


def _grown(partials: Sequence[float], value: float) -> list[float]:
    """Partial sums that do not overlap, with one more value in them."""
    grown = []
    for partial in partials:
        larger, smaller = (value, partial) if abs(value) >= abs(partial) else (partial, value)
        high = larger + smaller
        low = smaller - (high - larger)
        if low:
            grown.append(low)
        value = high
    return [*grown, value]
