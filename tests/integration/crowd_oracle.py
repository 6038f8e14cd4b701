"""Who moves in and out of the crowd's audiences, worked out from the archive: slow, and meant to be seen to be right.

Nothing is shared with the engine, not even the queries: they are written down again, in Python. An evaluation counts
everything anew; every event is one, and so is every moment at which one leaves a window.
"""

import heapq
from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from tests.acceptance.moments import HOUR, MINUTE
from tests.integration.crowd import BIG, ORDERED, VIEWED

WINDOWS_MS = (30 * MINUTE, HOUR, 2 * HOUR)


class Transition(NamedTuple):
    """``caused_by``: the message id of the event that brought it, None when the clock did."""

    at_ms: int
    entered: bool
    reason: Literal["event", "time"]
    caused_by: str | None


Moves = Mapping[tuple[str, str], list[Transition]]
"""Transitions by (profile id, audience key), in order."""


def moves(archive: Iterable[Mapping[str, Any]]) -> Moves:
    """Every transition that there will ever be. ``archive``: values of accepted events, each partition's in order."""
    profiles: defaultdict[str, _Profile] = defaultdict(_Profile)
    for event in archive:
        profiles[event["profile_id"]].take(event)
    found: dict[tuple[str, str], list[Transition]] = {}
    for profile_id, profile in profiles.items():
        profile.let_time_pass()
        found.update({(profile_id, key): transitions for key, transitions in profile.transitions.items()})
    return found


class _Profile:
    def __init__(self) -> None:
        self.transitions: defaultdict[str, list[Transition]] = defaultdict(list)
        self._now_ms = 0
        self._instants: list[int] = []  # a heap of the moments at which something leaves a window
        self._views: list[int] = []  # times, ascending
        self._orders: list[int] = []
        self._big_orders: list[int] = []
        self._plan: tuple[int, int, str] = (0, 0, "")
        self._has_user = False
        self._members: frozenset[str] = frozenset()

    def take(self, event: Mapping[str, Any]) -> None:
        """An event is evaluated when it was received, but never before the last evaluation."""
        self.let_time_pass(before_ms=event["at"])
        self._now_ms = max(self._now_ms, event["at"])
        self._remember(event)
        self._evaluate("event", event["messageId"])

    def let_time_pass(self, *, before_ms: float = float("inf")) -> None:
        while self._instants and self._instants[0] < before_ms:
            instant = heapq.heappop(self._instants)
            if instant > self._now_ms:
                self._now_ms = instant
                self._evaluate("time", None)

    def _remember(self, event: Mapping[str, Any]) -> None:
        self._has_user |= "userId" in event
        happened_ms = event["timestamp_ms"]
        for window_ms in WINDOWS_MS:
            heapq.heappush(self._instants, happened_ms + window_ms)
        match event.get("event"):
            case name if name == VIEWED:
                insort(self._views, happened_ms)
            case name if name == ORDERED:
                insort(self._orders, happened_ms)
                if event["properties"]["total"] >= BIG:
                    insort(self._big_orders, happened_ms)
            case _:
                newest = happened_ms, event["at"]
                if newest >= self._plan[:2]:
                    self._plan = (*newest, event["traits"]["plan"])

    def _evaluate(self, reason: Literal["event", "time"], caused_by: str | None) -> None:
        now = self._present()
        for key in self._members ^ now:
            self.transitions[key].append(Transition(self._now_ms, key in now, reason, caused_by))
        self._members = now

    def _present(self) -> frozenset[str]:
        hot = self._count(self._views, 30 * MINUTE) >= 3
        gold = self._plan[2] == "gold"
        for_everyone = {"browsers": len(self._views) >= 5, "hot": hot}
        for_users = {
            "buyers": len(self._orders) >= 2,
            "big": self._count(self._big_orders, 2 * HOUR) >= 1,
            "hesitant": self._count(self._views, HOUR) >= 2 and not self._count(self._orders, HOUR),
            "gold": gold,
            "hot_gold": hot and gold,
        }
        return frozenset(
            [key for key, holds in for_everyone.items() if holds]
            + [key for key, holds in for_users.items() if holds and self._has_user]
        )

    def _count(self, times: list[int], window_ms: int) -> int:
        """Those after ``now - window``; none lies in the future."""
        return len(times) - bisect_right(times, self._now_ms - window_ms)
