"""The input of the kill test: a crowd of people over some hours, and the audiences that they move in and out of.

Every event name is counted by an audience without a window, so that there is no event that changes nothing.
"""

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

from tests.acceptance.lines import audience
from tests.acceptance.moments import MINUTE, iso, ms
from tests.integration.broker import Sent

VIEWED, ORDERED = "Product Viewed", "Order Completed"
BIG = 100

DEFINITIONS: dict[str, Any] = {
    "audiences": [
        audience("buyers", f"event('{ORDERED}').count() >= 2"),
        audience("browsers", f"event('{VIEWED}').count() >= 5", include_anonymous=True),
        audience("hot", f"event('{VIEWED}').within(30 minutes).count() >= 3", include_anonymous=True),
        audience("big", f"event('{ORDERED}').where(property('total') >= {BIG}).within(2 hours).count() >= 1"),
        audience(
            "hesitant",
            f"event('{VIEWED}').within(1 hour).count() >= 2 AND NOT event('{ORDERED}').within(1 hour).count() >= 1",
        ),
        audience("gold", "trait('plan') = 'gold'"),
        audience("hot_gold", "trait('hot') = true AND trait('gold') = true"),
    ]
}

USERS = 600
ANONYMOUS_EVERY = 7
"""Every nth person never says who they are. The others always do, so that no two profiles turn out to be one
person's: merges, under crashes, are tests/simulation's."""
DUPLICATES = 0.01
LATE = 0.05
FIRST_MS = ms("2025-03-01T00:00:00Z")
STEP_MS = 997  # 50,000 steps are 14 hours: every duplicate is inside the window of 24
LATENESS_MS = (MINUTE + 3, 50 * MINUTE + 7, 5 * 60 * MINUTE + 11)  # inside and outside of the audiences' windows


def crowd(topics: Sequence[str], count: int, *, seed: int) -> Iterator[Sent]:
    """So many records with ascending timestamps, about one in a hundred a duplicate of an earlier one.

    Most events of a person have one key and topic. Some do not, and no duplicate has the original's: they are in other
    partitions, and other routers meet them.
    """
    chance = random.Random(seed)
    sent: list[dict[str, Any]] = []
    for number in range(count):
        at_ms = FIRST_MS + number * STEP_MS
        if sent and chance.random() < DUPLICATES:
            yield _record(chance.choice(topics), f"copy-{number}", chance.choice(sent), at_ms)
            continue
        person = chance.randrange(USERS)
        sent.append(_event(chance, person, number, at_ms))
        key = f"u{person}" if chance.random() < 0.9 else f"a{person}"
        yield _record(topics[person % len(topics)], key, sent[-1], at_ms)


def _event(chance: random.Random, person: int, number: int, at_ms: int) -> dict[str, Any]:
    value: dict[str, Any] = {"messageId": f"m{number}", **_what(chance)}
    known = person % ANONYMOUS_EVERY != 0
    if known:
        value["userId"] = f"u{person}"
    if not known or chance.random() < 0.7:
        value["anonymousId"] = f"a{person}"
    if chance.random() < LATE:
        value["timestamp"] = iso(at_ms - chance.choice(LATENESS_MS))
    return value


def _what(chance: random.Random) -> dict[str, Any]:
    what = chance.random()
    if what < 0.65:
        return {"type": "track", "event": VIEWED}
    if what < 0.9:
        return {"type": "track", "event": ORDERED, "properties": {"total": chance.randrange(2 * BIG)}}
    return {"type": "identify", "traits": {"plan": chance.choice(("gold", "silver"))}}


def _record(topic: str, key: str, value: dict[str, Any], at_ms: int) -> Sent:
    return Sent(topic, key.encode(), json.dumps(value).encode(), at_ms)
