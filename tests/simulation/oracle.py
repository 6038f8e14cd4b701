"""What the committed mailbox must have led to, worked out anew: slow, and meant to be seen to be right.

Shares nothing with the engine, not even the queries: they are written down again, in Python. Records are taken one by
one in the order of each partition, everything is counted anew at every evaluation, and nothing ever fails.
"""

import json
from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tests.simulation.audiences import HOT_MS, LATELY_MS, NOISE, ORDERED, SEGMENT, UNDEFINED_SEGMENT, VIEWED
from worker.ports import Record

FOR_EVER = float("inf")


class Move(NamedTuple):
    """One transition. ``caused_by``: the message id of the record that brought it, None when the clock did."""

    at_ms: int
    entered: bool
    reason: str
    caused_by: str | None


class Profile:
    """One profile. ``moves``: by audience key, in order."""

    def __init__(self) -> None:
        self.moves: defaultdict[str, list[Move]] = defaultdict(list)
        self.views: list[int] = []  # times of events, ascending
        self.orders: list[int] = []
        self.identifiers: set[tuple[str, str]] = set()
        self.now_ms = 0
        self._plan: tuple[int, int, str] = (0, 0, "")
        self._segments: dict[str, tuple[float, bool]] = {}
        self._ends: set[int] = set()  # moments at which an event leaves a window
        self._met = False

    def take(self, event: Mapping[str, Any], appended_ms: int) -> None:
        """An event counts when it was received, but never before what has been evaluated already."""
        at_ms = min(event["at"], appended_ms)
        identifiers = {(one["type"], one["id"]) for one in event["external_ids"]} - self.identifiers
        if self._met and not identifiers and event.get("event") == NOISE:
            return  # it touches nothing and so changes nothing, not even the time
        if self._met:
            self.let_time_pass(before_ms=at_ms)
        self._met = True
        self.now_ms = max(self.now_ms, at_ms)
        self.identifiers |= identifiers
        self._remember(event, min(event["timestamp_ms"], at_ms))
        self._evaluate("passthrough" if event["type"] == "passthrough" else "event", event["messageId"])

    def let_time_pass(self, *, before_ms: float) -> None:
        """Evaluate at every moment before a time at which an event leaves a window."""
        for end in sorted(self._ends):
            if self.now_ms < end < before_ms:
                present, self.now_ms = self.now_ms, end
                if not self._evaluate("time", None):
                    self.now_ms = present  # nothing was due; a late event may still make it so
        self._ends = {end for end in self._ends if end > self.now_ms}

    def _remember(self, event: Mapping[str, Any], happened_ms: int) -> None:
        if event["type"] == "passthrough":
            said = event["data"]
            known = self._segments.get(said["audience_id"], (-1.0, False))
            if said["ts"] >= known[0]:
                self._segments[said["audience_id"]] = (said["ts"], event["action"] == "qualify")
        elif event["type"] == "identify":
            newest = happened_ms, event["at"]
            if newest >= self._plan[:2]:
                self._plan = (*newest, event["traits"]["plan"])
        elif event["event"] in (VIEWED, ORDERED):
            insort(self.views if event["event"] == VIEWED else self.orders, happened_ms)
            self._ends |= {happened_ms + HOT_MS, happened_ms + LATELY_MS}

    def _evaluate(self, reason: str, caused_by: str | None) -> bool:
        members = {key for key, moves in self.moves.items() if moves[-1].entered}
        changed = members ^ self.present()
        for key in changed:
            self.moves[key].append(Move(self.now_ms, key not in members, reason, caused_by))
        return bool(changed)

    def present(self) -> set[str]:
        """The audiences that the profile belongs to now."""
        hot = _within(self.views, self.now_ms, HOT_MS) >= 2
        viewed, ordered = (_within(times, self.now_ms, LATELY_MS) >= 1 for times in (self.views, self.orders))
        known = any(kind == "user_id" for kind, _ in self.identifiers)
        anybody = known or any(kind == "anonymous_id" for kind, _ in self.identifiers)
        gold = known and self._plan[2] == "gold"
        holds = {
            "odd": anybody and len(self.views) % 2 == 1 and len(self.views) < 12,
            "buyers": known and len(self.orders) >= 2,
            "hot": anybody and hot,
            "viewed": anybody and viewed,
            "ordered": anybody and ordered,
            "hesitant": anybody and viewed and not ordered,
            "gold": gold,
            "hot_gold": known and hot and gold,
            "vip": self._segments.get(SEGMENT, (0, False))[1],
            UNDEFINED_SEGMENT: self._segments.get(UNDEFINED_SEGMENT, (0, False))[1],
        }
        return {key for key, yes in holds.items() if yes}

    @property
    def plan(self) -> str:
        """The newest value of the trait of that name; empty without one."""
        return self._plan[2]


def _within(times: list[int], now_ms: int, window_ms: int) -> int:
    """How many lie in ``now - window < t <= now``; none lies in the future."""
    return len(times) - bisect_right(times, now_ms - window_ms)


def replay(mailbox: Iterable[Record], *, ticks: bool = True) -> dict[str, Profile]:
    """Fold committed mailbox records, each partition's in order.

    ``ticks`` False: as if time had passed by itself, and to its end.
    """
    profiles: defaultdict[str, Profile] = defaultdict(Profile)
    for record in mailbox:
        kind, value = kind_of(record), json.loads(record.value or b"")
        profile = profiles[value["profile_id"]]
        if kind == "event":
            profile.take(value, record.timestamp_ms)
        elif kind == "tick" and ticks:
            profile.let_time_pass(before_ms=value["at"] + 1)
        elif kind not in ("tick", "activate"):  # an activate tells a profile nothing while definitions stand
            raise ValueError(f"the oracle does not know {kind!r}")
    if not ticks:
        for profile in profiles.values():
            profile.let_time_pass(before_ms=FOR_EVER)
    return dict(profiles)


def kind_of(record: Record) -> str:
    """What a mailbox record says that it is."""
    return dict(record.headers)["kind"].decode()
