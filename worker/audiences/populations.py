"""Populations: the rows of a leaf that count now, for a computation that looks at them one by one.

A population is a leaf's rows inside a window, after the event around them when there is one (funnels), that pass a
condition. Whether a row passes may be undecided, and the window may still be open; the look says so.

Source: Segment, "Query Language Reference" and "Engage FAQs" (funnels); docs/decisions.md, "Funnels".
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from worker.audiences.conditions import Around, Condition, Facts
from worker.audiences.kept import opened
from worker.audiences.rows import AT, Row, at_of
from worker.audiences.windows import NEVER, Rolling

V = TypeVar("V")

FIRST_NESTED = 2
"""Length of ``Around`` in a ``where`` outside any other: there, every event comes up once."""


class FromParent(NamedTuple):
    """``within(parent: W)``: after the event around and before W has passed since."""

    ms: int


class Gap(NamedTuple):
    """``expires_after(N)``: the current session."""

    ms: int


Window = Rolling | FromParent | Gap | None


class Look(NamedTuple):
    """``rows``: those that count, ascending. ``is_open``: more may come in time.

    ``judged``: where it is not decided of some whether they count, those that do and those that may, and whether they
    do; ascending, and in any session. ``due_ms``: before which nothing of this changes by itself.
    """

    rows: Sequence[Row]
    is_open: bool
    due_ms: int
    judged: Sequence[tuple[Row, bool]] = ()

    @property
    def is_decided(self) -> bool:
        return not self.is_open and not self.judged


def once(around: Around, owner: object, work: Callable[[], V]) -> V:
    """What a nested computation gives: it depends on the innermost event around, and is worked out once for each.

    Otherwise a funnel of three steps would look at every triple of events, and not at every pair.
    """
    if len(around) <= FIRST_NESTED:
        return work()
    memory: dict[tuple[int, int], V] = around[0]
    place = (id(owner), id(around[-1]))
    if place not in memory:
        memory[place] = work()
    return memory[place]


class Part(NamedTuple):
    """Which rows are in the window: from ``first`` to before ``last``, none when that is no later.

    ``is_open``, ``due_ms``: as in ``Look``.
    """

    first: int
    last: int
    is_open: bool
    due_ms: int


@dataclass(frozen=True, slots=True)
class Population:
    """``nested``: the rows come strictly after the innermost event around."""

    leaf_id: bytes
    window: Window
    where: Condition | None
    nested: bool

    def look(self, facts: Facts, around: Around, *, at_ms: int | None = None, enough: int = NEVER) -> Look:
        """The rows that count at ``at_ms`` (now). After ``enough`` rows, the newest first, no others are looked for."""
        rows = self._rows(facts)
        now_ms = facts.time_ms if at_ms is None else at_ms
        part = self._part(rows, around, now_ms)
        if self.where is None:
            look = Look(rows[part.first : part.last], part.is_open, part.due_ms)
        else:
            look = self._passing(self.where, facts, around, rows[part.first : part.last], part, enough)
        return _session(look, self.window.ms, now_ms) if isinstance(self.window, Gap) else look

    def in_reach(self, facts: Facts, around: Around) -> Sequence[Row]:
        """The rows in the window now, whether they pass or not, and those that are on their way into it."""
        rows = self._rows(facts)
        part = self._part(rows, around, facts.time_ms)
        return rows[part.first : part.last if isinstance(self.window, FromParent) else None]

    def part(self, facts: Facts, around: Around) -> Part:
        """As ``look`` without a condition and without sessions, for who only counts."""
        return self._part(self._rows(facts), around, facts.time_ms)

    def _rows(self, facts: Facts) -> Sequence[Row]:
        kept = opened(facts.accumulators, self.leaf_id)
        return () if kept is None else kept.content

    def _part(self, rows: Sequence[Row], around: Around, now_ms: int) -> Part:
        first = bisect_right(rows, around[-1][AT], key=at_of) if self.nested else 0
        match self.window:
            case Rolling(near_ms, far_ms):
                first = max(first, bisect_right(rows, now_ms - far_ms, key=at_of))
                last = bisect_right(rows, now_ms - near_ms, key=at_of) if near_ms else len(rows)
                leaves_ms = rows[first][AT] + far_ms if first < last else NEVER
                waiting = max(first, last)
                enters_ms = rows[waiting][AT] + near_ms if waiting < len(rows) else NEVER
                return Part(first, last, is_open=False, due_ms=min(leaves_ms, enters_ms))
            case FromParent(ms):
                end_ms = around[-1][AT] + ms
                is_open = now_ms < end_ms
                return Part(first, bisect_left(rows, end_ms, key=at_of), is_open, end_ms if is_open else NEVER)
        return Part(first, len(rows), is_open=False, due_ms=NEVER)

    def _passing(
        self, where: Condition, facts: Facts, around: Around, rows: Sequence[Row], part: Part, enough: int
    ) -> Look:
        within = around or ({},)
        passing: list[Row] = []
        judged: list[tuple[Row, bool]] = []
        while_passing = otherwise = NEVER
        for row in reversed(rows):
            verdict, due_ms = where.evaluate(facts, (*within, row))
            if verdict is not False:
                judged.append((row, verdict is True))
            if verdict:
                passing.append(row)
                while_passing = min(while_passing, due_ms)
                if len(passing) >= enough:
                    # Those found are enough as long as they are there: whatever becomes of the others.
                    leaves_ms = row[AT] + self.window.far_ms if isinstance(self.window, Rolling) else NEVER
                    return Look(passing[::-1], part.is_open, min(while_passing, leaves_ms))
            else:
                otherwise = min(otherwise, due_ms)
        due_ms = min(part.due_ms, while_passing, otherwise)
        return Look(passing[::-1], part.is_open, due_ms, judged[::-1] if len(judged) > len(passing) else ())


def _session(look: Look, gap_ms: int, now_ms: int) -> Look:
    """The rows of the session that lasts until now. It is over, or another one is, a gap after one of the rows."""
    rows = look.rows
    ends = (row[AT] + gap_ms for row in ([row for row, _ in look.judged] or rows[-1:]))
    due_ms = min((end for end in ends if end > now_ms), default=NEVER)
    look = look._replace(due_ms=min(look.due_ms, due_ms))
    if not rows or now_ms >= rows[-1][AT] + gap_ms:
        return look._replace(rows=())
    first = len(rows) - 1
    while first and rows[first][AT] - rows[first - 1][AT] < gap_ms:
        first -= 1
    return look._replace(rows=rows[first:])
