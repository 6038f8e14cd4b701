"""What comes in while things break: people who become known bit by bit, drawn from a seed, record by record.

A person has a user id and two devices and shares them with nobody. Events come under one of the three, until an event
that names two of them shows that two profiles are one person's. So who is who can be told from the events alone.
"""

import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.acceptance.moments import SECOND, iso
from tests.simulation.audiences import NOISE, ORDERED, SEGMENT, UNDEFINED_SEGMENT, VIEWED, WORDS
from tests.simulation.people import BAD_VALUES, PASSTHROUGH, TRACKING, Sent

BAD, DUPLICATES, ELSEWHERE = 0.03, 0.10, 0.15
PEOPLE = 40  # at a time
RECORDS_A_PERSON = 30  # then somebody new takes the place
REMEMBERED = 500
STRANGER = 4
"""Every fifth person never says who they are."""

RECENT_MS, OLD_MS = (21 * SECOND, 25 * SECOND, 29 * SECOND), (45 * SECOND, 50 * SECOND, 55 * SECOND)
"""Events tell of what happened a while ago, so that windows of 30 and 60 seconds end soon after they were opened."""


@dataclass(slots=True)
class Traffic:
    """Draws records one after another. ``partitions``: of the tracking topic.

    ``recent``: whether there are events among them that open windows for half a minute.
    """

    rng: Random
    partitions: int
    recent: bool = True
    made: int = 0
    _records: int = 0
    _said: list[tuple[str, bytes]] = field(default_factory=list)
    _happened: set[tuple[int, int]] = field(default_factory=set)

    def next(self, now_ms: int) -> Sent:
        """The next record, written at a time."""
        rng = self.rng
        self._records += 1
        topic, partition = self._place()
        if rng.random() < BAD:
            return Sent(topic, partition, rng.choice(BAD_VALUES), now_ms, None, good=False)
        if self._said and rng.random() < DUPLICATES:
            message_id, value = rng.choice(self._said)
            return Sent(topic, partition, value, now_ms, message_id, good=True)
        self.made += 1
        message_id = f"m{self.made}"
        person = self._records // RECORDS_A_PERSON + rng.randrange(PEOPLE)
        value = json.dumps({**self._content(person, now_ms), "messageId": message_id}).encode()
        self._said = [*self._said[1 - REMEMBERED :], (message_id, value)]
        return Sent(topic, partition, value, now_ms, message_id, good=True)

    def _place(self) -> tuple[str, int]:
        if self.rng.random() < ELSEWHERE:
            return PASSTHROUGH, 0
        return TRACKING, self.rng.randrange(self.partitions)

    def _content(self, person: int, now_ms: int) -> dict[str, Any]:
        known = person % 5 != STRANGER
        if known and self.rng.random() < 0.1:
            return self._passthrough(person)
        return {**self._what(), **self._who(person, known), "timestamp": iso(self._when(person, now_ms))}

    def _when(self, person: int, now_ms: int) -> int:
        """Never the same moment twice in a life, so that the newest word is the newest in any order."""
        at_ms = now_ms - self.rng.choice((*RECENT_MS, *OLD_MS) if self.recent else OLD_MS)
        while (person, at_ms) in self._happened:
            at_ms -= 1
        self._happened.add((person, at_ms))
        return at_ms

    def _who(self, person: int, known: bool) -> dict[str, Any]:
        device = self.rng.choice(("a", "b"))
        user, anonymous = {"userId": f"u{person}"}, {"anonymousId": f"{device}{person}"}
        if not known:
            return anonymous
        return self.rng.choice((anonymous, anonymous, user, {**user, **anonymous}))

    def _what(self) -> dict[str, Any]:
        rng = self.rng
        what = rng.random()
        if what < 0.5:
            return {"type": "track", "event": VIEWED}
        if what < 0.75:
            return {"type": "track", "event": ORDERED, "properties": {"total": rng.randrange(10)}}
        if what < 0.8:
            return {"type": "track", "event": NOISE}
        return {"type": "identify", "traits": {"plan": rng.choice(WORDS)}}

    def _passthrough(self, person: int) -> dict[str, Any]:
        return {
            "type": "passthrough",
            "action": self.rng.choice(("qualify", "disqualify")),
            "identifiers": {"user_id": f"u{person}"},
            "data": {"audience_id": self.rng.choice((SEGMENT, UNDEFINED_SEGMENT)), "ts": self._records},
        }
