"""What the reference job must produce, worked out the slow way from the events themselves.

Nothing is shared with the worker. Per user the moments at which a count of the last seven days can change
are listed (an order happens, an order leaves the window), and at each of them all orders are counted anew.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tests.benchmarks.events import DAY_MS, Event

COUNTED_EVENT = "Order Completed"
WINDOW_MS = 7 * DAY_MS
DEDUP_WINDOW_MS = DAY_MS
COUNT_NEEDED = 3


class Transition(NamedTuple):
    """A user enters or leaves the audience at a time (ms)."""

    user: str
    entered: bool
    at_ms: int


class Verdict(NamedTuple):
    """What was read, beside what should have been.

    ``repeated``: transitions that came more than once. ``wrong``: transitions that nothing explains.
    """

    entries: int
    entries_expected: int
    exits: int
    exits_expected: int
    repeated: int
    wrong: int

    @property
    def flawless(self) -> bool:
        complete = self.entries == self.entries_expected and self.exits == self.exits_expected
        return complete and not self.repeated and not self.wrong


def transitions(events: Iterable[Event], *, until_ms: int) -> list[Transition]:
    """Every transition up to and including ``until_ms``, by user and time."""
    return [
        change
        for user, orders in sorted(_accepted_orders(events).items())
        for change in _of_user(user, orders)
        if change.at_ms <= until_ms
    ]


def judge(got: Iterable[Transition], events: Sequence[Event], *, observed_until_ms: int) -> Verdict:
    """Compare what came with the oracle.

    Owed is what is due by the last event of the stream. An exit due later, while the reader was still there,
    may have come or not; one that is due at no time is wrong.
    """
    possible = transitions(events, until_ms=observed_until_ms)
    end_ms = max(event.at_ms for event in events)
    owed = {change for change in possible if change.at_ms <= end_ms}
    counts = Counter(got)
    came = owed & counts.keys()
    entries, exits = _by_direction(came)
    entries_expected, exits_expected = _by_direction(owed)
    return Verdict(
        entries=entries,
        entries_expected=entries_expected,
        exits=exits,
        exits_expected=exits_expected,
        repeated=sum(count - 1 for count in counts.values()),
        wrong=len(counts.keys() - set(possible)),
    )


def _by_direction(changes: Iterable[Transition]) -> tuple[int, int]:
    directions = Counter(change.entered for change in changes)
    return directions[True], directions[False]


def _accepted_orders(events: Iterable[Event]) -> Mapping[str, list[int]]:
    first_seen: dict[str, int] = {}
    orders: dict[str, list[int]] = defaultdict(list)
    for event in events:
        seen_ms = first_seen.get(event.message_id)
        if seen_ms is not None and event.at_ms - seen_ms < DEDUP_WINDOW_MS:
            continue
        first_seen[event.message_id] = event.at_ms
        if event.name == COUNTED_EVENT:
            orders[event.user].append(event.at_ms)
    return orders


def _of_user(user: str, orders: Sequence[int]) -> list[Transition]:
    changes: list[Transition] = []
    inside = False
    for moment in sorted({*orders, *(order + WINDOW_MS for order in orders)}):
        counted = sum(moment - WINDOW_MS < order <= moment for order in orders)
        if (counted >= COUNT_NEEDED) is not inside:
            inside = not inside
            changes.append(Transition(user, inside, moment))
    return changes
