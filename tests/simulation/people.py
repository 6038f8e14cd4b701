"""What comes in: records of a few people, some of them late, repeated, from a wrong clock, or no good at all."""

import json
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from tests.acceptance.moments import HOUR, MINUTE, SECOND, iso
from tests.simulation.audiences import NOISE, ORDERED, SEGMENT, UNDEFINED_SEGMENT, VIEWED, WORDS
from tests.simulation.plan import Plan

TRACKING, PASSTHROUGH = "tracking-events", "passthrough-events"
DUPLICATES, BAD = 0.15, 0.08
ANONYMOUS = 2
"""A third of the people never says who they are; one always does, and one now and then."""
LATENESS_MS = (0, 0, 0, 10 * SECOND, 45 * SECOND, 2 * HOUR)
DELAYS_MS = (0, 0, 0, 10 * SECOND, MINUTE, HOUR, -30 * SECOND, -HOUR)
"""How old a record is when it is appended, by its own timestamp; negative: from a clock that is ahead."""

BAD_VALUES = (
    b'{"type": "click"}',
    b"{",
    b'{"type": "track", "event": "Viewed"}',
    b'{"type": "track", "event": "Viewed", "userId": "null"}',
    b'{"type": "track", "event": "Viewed", "userId": "u0", "timestamp": "yesterday"}',
)


class Sent(NamedTuple):
    """One record. ``message_id``: None when it has none of its own. ``good``: it will be accepted, or is a repeat."""

    topic: str
    partition: int
    value: bytes
    at_ms: int
    message_id: str | None
    good: bool


@dataclass(slots=True)
class People:
    """Draws records one after another."""

    plan: Plan
    rng: Random
    _made: int = 0
    _said: list[tuple[str, bytes]] = field(default_factory=list)

    def next(self, now_ms: int) -> Sent:
        """The next record, appended at a time (even milliseconds)."""
        rng = self.rng
        at_ms = now_ms if self.plan.on_time else now_ms - rng.choice(DELAYS_MS)
        topic, partition = self._place()
        if rng.random() < BAD:
            return Sent(topic, partition, self._bad(), at_ms, None, good=False)
        if self._said and rng.random() < DUPLICATES:
            message_id, value = rng.choice(self._said)
            return Sent(topic, partition, value, at_ms, message_id, good=True)
        self._made += 1
        message_id = f"m{self._made}"
        content = self._passthrough() if rng.random() < 0.12 else self._call(at_ms)
        if "timestamp" in content and rng.random() < 0.05:
            return Sent(topic, partition, json.dumps(content).encode(), at_ms, None, good=True)
        value = json.dumps({**content, "messageId": message_id}).encode()
        self._said.append((message_id, value))
        return Sent(topic, partition, value, at_ms, message_id, good=True)

    def _bad(self) -> bytes:
        """Often with the id of a good record, which it must not take."""
        if self.rng.random() < 0.5:
            return self.rng.choice(BAD_VALUES)
        return json.dumps({"type": "track", "messageId": f"m{self._made + 1}"}).encode()

    def _place(self) -> tuple[str, int]:
        """Any topic takes any record: each is read by its own shape."""
        if self.plan.one_input:
            return TRACKING, 0
        if self.rng.random() < 0.15:
            return PASSTHROUGH, 0
        return TRACKING, self.rng.randrange(self.plan.tracking_partitions)

    def _call(self, at_ms: int) -> dict[str, Any]:
        """An event's own time is odd: in schedules with promised times no window ends just when a record comes."""
        rng = self.rng
        return {**self._what(), **self._who(), "timestamp": iso(at_ms - 1 - rng.choice(LATENESS_MS))}

    def _who(self) -> dict[str, Any]:
        """Where profiles must not merge a person is known by one identifier at least in all events, or in none."""
        rng, person = self.rng, self.rng.randrange(self.plan.people)
        ids: dict[str, Any] = {"userId": f"u{person}", "anonymousId": f"a{person}"}
        if not self.plan.merging:
            if rng.random() < 0.5 or person % 3 == ANONYMOUS:
                del ids[("anonymousId", "userId", "userId")[person % 3]]
            return ids
        chosen = rng.random()
        if chosen < 0.6:
            del ids["userId" if chosen < 0.35 else "anonymousId"]
        elif chosen < 0.75:
            ids["anonymousId"] = f"a{rng.randrange(self.plan.people)}"  # a device that several people use
        if rng.random() < 0.3:
            ids["context"] = {"traits": {"crossDomainId": f"x{rng.randrange(self.plan.people)}"}}
        return ids

    def _what(self) -> dict[str, Any]:
        rng = self.rng
        what = rng.random()
        if what < 0.55:
            return {"type": "track", "event": VIEWED}
        if what < 0.8:
            return {"type": "track", "event": ORDERED, "properties": {"total": rng.randrange(10)}}
        if what < 0.85:
            return {"type": "track", "event": NOISE}
        return {"type": "identify", "traits": {"plan": rng.choice(WORDS)}}

    def _passthrough(self) -> dict[str, Any]:
        rng = self.rng
        person = rng.randrange(self.plan.people)
        if not self.plan.merging:
            person -= person % 3  # one whose user_id is known from the first event on
        return {
            "type": "passthrough",
            "action": rng.choice(("qualify", "disqualify")),
            "identifiers": {"user_id": f"u{person}"},
            "data": {"audience_id": rng.choice((SEGMENT, UNDEFINED_SEGMENT)), "ts": rng.randrange(100)},
        }
