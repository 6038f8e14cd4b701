"""One profile, worked out anew from its mailbox: slow, and meant to be seen to be right.

Shares nothing with the engine, not even the queries: they are written down again, in Python. Everything is counted anew
at every evaluation, and nothing ever fails.
"""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.simulation.audiences import HOT_MS, LATELY_MS, NOISE, ORDERED, SEGMENT, UNDEFINED_SEGMENT, VIEWED

Waiting = frozenset[tuple[str, str | None]]
"""Merged profiles whose history is on its way, each with the token of the answer that brings it."""


class Move(NamedTuple):
    """One transition. ``caused_by``: the message id of the record that brought it, None when the clock did."""

    at_ms: int
    entered: bool
    reason: str
    caused_by: str | None


class Window:
    """Times of events that a window may still hold, ascending. What has left it is gone for good."""

    def __init__(self, window_ms: int) -> None:
        self.window_ms = window_ms
        self.times: list[int] = []
        self._used = False

    def add(self, at_ms: int, now_ms: int) -> None:
        if at_ms > now_ms - self.window_ms:
            self._used = True
            insort(self.times, at_ms)
            self._forget(now_ms)

    def unite(self, other: "Window", now_ms: int) -> None:
        """What has left the window by now is gone, as with an event; but not of a window that only one has used."""
        self.times = sorted(self.times + other.times)
        if self._used and other._used:
            self._forget(now_ms)
        self._used |= other._used

    def _forget(self, now_ms: int) -> None:
        del self.times[: bisect_right(self.times, now_ms - self.window_ms)]

    def count(self, now_ms: int) -> int:
        """How many lie in ``now - window < t``."""
        return len(self.times) - bisect_right(self.times, now_ms - self.window_ms)


class Data:
    """All that a profile is, but for its memberships. ``messages``: ids of all that was folded, in order."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.identifiers: set[tuple[str, str]] = set()
        self.views = self.orders = 0
        self.plan: tuple[int, int, str] = (0, 0, "")
        self.segments: dict[str, tuple[float, int, bool]] = {}
        self.windows = {
            (VIEWED, HOT_MS): Window(HOT_MS),
            (VIEWED, LATELY_MS): Window(LATELY_MS),
            (ORDERED, LATELY_MS): Window(LATELY_MS),
        }

    def remember(self, event: Mapping[str, Any], at_ms: int, now_ms: int) -> None:
        happened_ms = min(event["timestamp_ms"], at_ms)
        if event["type"] == "passthrough":
            said = event["data"]
            if said["ts"] >= self.segments.get(said["audience_id"], (-1.0, 0, False))[0]:
                self.segments[said["audience_id"]] = (said["ts"], at_ms, event["action"] == "qualify")
        elif event["type"] == "identify":
            if (happened_ms, event["at"]) >= self.plan[:2]:
                self.plan = (happened_ms, event["at"], event["traits"]["plan"])
        else:
            self.views += event["event"] == VIEWED
            self.orders += event["event"] == ORDERED
            for (name, _), window in self.windows.items():
                if name == event["event"]:
                    window.add(happened_ms, now_ms)

    def unite(self, other: "Data", now_ms: int) -> None:
        """As if all had been one profile's; of two words that are equally new the own one stays."""
        self.messages += other.messages
        self.identifiers |= other.identifiers
        self.views += other.views
        self.orders += other.orders
        self.plan = other.plan if other.plan[:2] > self.plan[:2] else self.plan
        for segment, said in other.segments.items():
            if segment not in self.segments or said[:2] > self.segments[segment][:2]:
                self.segments[segment] = said
        for name, window in self.windows.items():
            window.unite(other.windows[name], now_ms)

    def audiences(self, now_ms: int) -> set[str]:
        """Those that the profile belongs to at a time."""
        hot = self.windows[VIEWED, HOT_MS].count(now_ms) >= 2
        viewed = self.windows[VIEWED, LATELY_MS].count(now_ms) >= 1
        ordered = self.windows[ORDERED, LATELY_MS].count(now_ms) >= 1
        known = any(kind == "user_id" for kind, _ in self.identifiers)
        anybody = known or any(kind == "anonymous_id" for kind, _ in self.identifiers)
        gold = known and self.plan[2] == "gold"
        holds = {
            "odd": anybody and self.views % 2 == 1 and self.views < 12,
            "buyers": known and self.orders >= 2,
            "hot": anybody and hot,
            "viewed": anybody and viewed,
            "ordered": anybody and ordered,
            "hesitant": anybody and viewed and not ordered,
            "gold": gold,
            "hot_gold": known and hot and gold,
            "vip": self.segments.get(SEGMENT, (0, 0, False))[2],
            UNDEFINED_SEGMENT: self.segments.get(UNDEFINED_SEGMENT, (0, 0, False))[2],
        }
        return {key for key, yes in holds.items() if yes}

    def ends(self, after_ms: int) -> list[int]:
        """The moments at which an event leaves a window."""
        ends = {at_ms + window.window_ms for window in self.windows.values() for at_ms in window.times}
        return sorted(end for end in ends if end > after_ms)


class Profile:
    """``moves``: by audience key, in order. ``judged``: what had been folded at each evaluation."""

    def __init__(self) -> None:
        self.moves: defaultdict[str, list[Move]] = defaultdict(list)
        self.judged: list[frozenset[str]] = []
        self.data = Data()
        self.now_ms = 0
        self.awaiting: Waiting = frozenset()
        self.sealed = False
        self._met = False

    def take(self, event: Mapping[str, Any], at_ms: int) -> None:
        """An event counts at its time, but never before what has been evaluated already."""
        if self.sealed:
            return  # it is passed on, and comes again in the mailbox of the parent
        identifiers = {(one["type"], one["id"]) for one in event["external_ids"]} - self.data.identifiers
        self.data.messages.append(event["messageId"])
        if self._met and not identifiers and event.get("event") == NOISE:
            return  # it touches nothing and so changes nothing, not even the time
        self._let_pass(at_ms)
        self.now_ms = max(self.now_ms, at_ms)
        self.data.identifiers |= identifiers
        self.data.remember(event, at_ms, self.now_ms)
        self._evaluate("passthrough" if event["type"] == "passthrough" else "event", event["messageId"])

    def expect(self, child: str, token: str, at_ms: int) -> None:
        """Nothing is evaluated before the child's history is here."""
        if not self.sealed:
            self.now_ms = self.now_ms if self._met else at_ms
            self.awaiting |= {(child, token)}
            self._met = True

    def seal(self, at_ms: int, caused_by: str) -> Data | None:
        """It leaves every audience; all that it was, or None when it has been sealed before."""
        if self.sealed:
            return None
        if not self.awaiting:
            self.let_time_pass(before_ms=at_ms + 1)
        self.now_ms = max(self.now_ms, at_ms)
        self._move(set(), "merge", caused_by)
        data, self.data = self.data, Data()
        self.sealed, self.awaiting = True, frozenset()
        return data

    def absorb(self, data: Data | None, answered: tuple[str, str | None], awaiting: Waiting, at_ms: int) -> bool:
        """A child's history comes. Whether it is taken in, and not passed on to a parent."""
        if self.sealed:
            return False
        self._let_pass(at_ms)
        self.awaiting = (self.awaiting - {answered}) | awaiting
        self.now_ms = max(self.now_ms, at_ms)
        if data is not None:
            self.data.unite(data, self.now_ms)
        return True

    def judge_merge(self, caused_by: str) -> None:
        self._evaluate("merge", caused_by)

    def tick(self, at_ms: int) -> None:
        """Fire what is due, each at its own time."""
        if not self.awaiting:
            self.let_time_pass(before_ms=at_ms + 1)

    def _let_pass(self, before_ms: int) -> None:
        if self._met and not self.awaiting:
            self.let_time_pass(before_ms=before_ms)
        self._met = True

    def let_time_pass(self, *, before_ms: float) -> None:
        """Evaluate at every moment before a time at which an event leaves a window."""
        for end in self.data.ends(self.now_ms):
            if end < before_ms and self.data.audiences(end) != self._members():
                self.now_ms = end
                self._evaluate("time", None)

    def _members(self) -> set[str]:
        return {key for key, moves in self.moves.items() if moves[-1].entered}

    def _evaluate(self, reason: str, caused_by: str | None) -> None:
        if not self.awaiting:
            self._move(self.data.audiences(self.now_ms), reason, caused_by)
            self.judged.append(frozenset(self.data.messages))

    def _move(self, into: set[str], reason: str, caused_by: str | None) -> None:
        for key in self._members() ^ into:
            self.moves[key].append(Move(self.now_ms, key in into, reason, caused_by))
