"""Sessions: ``expires_after(N)``, the events since the last pause of N or longer.

A profile keeps its newest sessions as ``[start, end, total]``, ascending. Sessions between which late events leave no
pause of N become one, so that what is kept does not depend on the order in which events came. Nothing has to be taken
out of a total again: a session that is over stays as it was, and its successor begins with nothing.

Source: Segment, "Computed traits" (session windows); docs/decisions.md, "Windows".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from worker.audiences.kept import Accumulator, Accumulators, Kept, content_of, opened
from worker.audiences.leaves import Occurrence, Selection
from worker.audiences.totals import Order, Total

SESSIONS_MAX = 16
"""Sessions of one leaf in one profile. Only the newest is ever read; the others are there for late events to join
them. Lower: events that come late in large numbers make two sessions of one; higher: every state carries them."""

START, END, TOTAL = 0, 1, 2
Session = list[Any]


@dataclass(frozen=True, slots=True)
class SessionLeaf:
    """``entries``: what the total takes of one event."""

    leaf_id: bytes
    selection: Selection
    gap_ms: int
    total: Total
    entries: Callable[[Occurrence], Sequence[Any]]

    def admits(self, at_ms: int, now_ms: int) -> bool:  # noqa: ARG002 - a late event may bridge what came since
        return True

    def add(self, accumulators: Accumulators, occurrence: Occurrence, now_ms: int) -> None:  # noqa: ARG002
        order = Order(occurrence.at_ms, occurrence.received_ms, occurrence.arrival)
        kept: Any = None
        for entry in self.entries(occurrence):
            kept = self.total.add(kept, entry, order)
        before = opened(accumulators, self.leaf_id)
        sessions = [] if before is None else before.content
        accumulators[self.leaf_id] = Kept(self._joined([*sessions, [order.at_ms, order.at_ms, kept]]))

    def union(self, one: Accumulator, other: Accumulator, now_ms: int) -> Accumulator:  # noqa: ARG002
        return Kept(self._joined([*content_of(one), *content_of(other)]))

    def _joined(self, sessions: list[Session]) -> list[Session]:
        """Sessions in order, those without a pause between them as one."""
        joined: list[Session] = []
        for start, end, total in sorted(sessions, key=lambda session: session[START]):
            if joined and start - joined[-1][END] < self.gap_ms:
                last = joined[-1]
                joined[-1] = [last[START], max(last[END], end), self.total.union(last[TOTAL], total)]
            else:
                joined.append([start, end, total])
        return joined[-SESSIONS_MAX:]
