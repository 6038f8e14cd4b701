"""Rows: events that are kept one by one, because what they mean depends on what comes later.

Reducers inside windows, funnels, and filters that read traits or the clock need more of an event than that it was
there. A *row* is its time and what the query reads of it: ``[at_ms, value …]``, ascending by time; with reducers that
ask for the order of events at one time also their receipt and arrival, at the end.

Bounded three ways: by the window, by what can still matter (``Keep``), and by a number of rows, of which the newest
stay. Source: docs/query-language.md, "What is stored".
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from worker.audiences.kept import Accumulator, Accumulators, Kept, content_of, opened
from worker.audiences.leaves import Occurrence, Selection

Row = Sequence[Any]

ROWS_MAX = 1_000
"""Rows of one leaf in one profile. Lower: sums over visitors with many events are cut; higher: their states are read
and written for longer than everything else of an event takes."""

FUNNEL_ROWS_MAX = 250
"""The same for the events of a funnel, which are compared each with each. Lower: frequent visitors are cut; higher: one
of them takes seconds."""

AT, FIRST = 0, 1
"""Places in a row: its time, and the first of its values."""

at_of = itemgetter(AT)
_order_of = itemgetter(AT, -2, -1)

Keep = Callable[[Sequence[Row]], Sequence[Row]]
"""Of rows inside a window those that can still matter: the others leave it no later than one that makes them idle."""


@dataclass(frozen=True, slots=True)
class RowsLeaf:
    """``take``: the values of each row that an event makes. ``reach_ms``: how far back rows are needed (None: always).

    ``inside_ms``: how old a row is when the window takes it in, and ``keep`` with it. ``ordered``: rows have receipt
    and arrival.
    """

    leaf_id: bytes
    selection: Selection
    take: Callable[[Occurrence], Sequence[Sequence[Any]]]
    reach_ms: int | None
    rows_max: int
    ordered: bool = False
    keep: Keep | None = None
    inside_ms: int = 0

    def admits(self, at_ms: int, now_ms: int) -> bool:
        return self.reach_ms is None or at_ms > now_ms - self.reach_ms

    def add(self, accumulators: Accumulators, occurrence: Occurrence, now_ms: int) -> None:
        at_ms = occurrence.at_ms
        order = (occurrence.received_ms, occurrence.arrival) if self.ordered else ()
        made = [[at_ms, *values, *order] for values in self.take(occurrence)]
        if not made:
            return
        kept = opened(accumulators, self.leaf_id)
        if kept is None:
            kept = accumulators[self.leaf_id] = Kept([])
        key = _order_of if self.ordered else at_of
        rows: list[Row] = kept.content
        index = bisect_right(rows, key(made[0]), key=key)
        rows[index:index] = made
        kept.content = self._trimmed(rows, now_ms)
        kept.changed()

    def union(self, one: Accumulator, other: Accumulator, now_ms: int) -> Accumulator:
        key = _order_of if self.ordered else at_of
        return Kept(self._trimmed(sorted([*content_of(one), *content_of(other)], key=key), now_ms))

    def _trimmed(self, rows: list[Row], now_ms: int) -> list[Row]:
        if self.reach_ms is not None and rows and rows[0][AT] <= now_ms - self.reach_ms:
            rows = rows[bisect_right(rows, now_ms - self.reach_ms, key=at_of) :]
        if self.keep is not None:
            inside = bisect_right(rows, now_ms - self.inside_ms, key=at_of)
            rows = [*self.keep(rows[:inside]), *rows[inside:]]
        return rows[-self.rows_max :] if len(rows) > self.rows_max else rows


def newest(rows: Sequence[Row]) -> Sequence[Row]:
    """For ``last``."""
    return rows[-1:]


def peaks(rows: Sequence[Row]) -> Sequence[Row]:
    """For ``max``: a row matters until a newer one is as large."""
    return _unsurpassed(rows, lambda value, best: value > best)


def troughs(rows: Sequence[Row]) -> Sequence[Row]:
    """For ``min``."""
    return _unsurpassed(rows, lambda value, best: value < best)


def newest_of_each(rows: Sequence[Row]) -> Sequence[Row]:
    """For ``unique``: a value is there as long as its newest row is."""
    seen: set[str] = set()
    found = []
    for row in reversed(rows):
        if row[FIRST] not in seen:
            seen.add(row[FIRST])
            found.append(row)
    return found[::-1]


def _unsurpassed(rows: Sequence[Row], surpasses: Callable[[Any, Any], bool]) -> Sequence[Row]:
    found: list[Row] = []
    for row in reversed(rows):
        if not found or surpasses(row[FIRST], found[-1][FIRST]):
            found.append(row)
    return found[::-1]
