"""The verifier's own arithmetic: who is who, and what all that was sent of somebody comes to."""

import json
from typing import Any

import pytest

from tests.acceptance.moments import iso
from tests.crash.inputs import people

NOON_MS = 1_736_510_400_000


def event(message_id: str, kind: str = "track", *, after_ms: int = 0, **fields: Any) -> tuple[bytes, int]:
    told = {"messageId": message_id, "type": kind, "timestamp": iso(NOON_MS + after_ms), **fields}
    return json.dumps(told).encode(), NOON_MS


def test_whoever_shares_an_identifier_is_one_person() -> None:
    apart = [
        event("m1", event="Viewed", anonymousId="a"),
        event("m2", event="Viewed", anonymousId="b"),
        event("m3", event="Viewed", anonymousId="c"),
        event("m4", event="Viewed", userId="u"),
    ]
    joined = [
        event("m5", event="Viewed", userId="u", anonymousId="a"),
        event("m6", event="Viewed", userId="u", anonymousId="b"),
    ]

    assert [len(person.messages) for person in people(apart)] == [1, 1, 1, 1]
    assert sorted(len(person.messages) for person in people([*apart, *joined])) == [1, 5]


def test_a_message_counts_once() -> None:
    [person] = people([event("m1", event="Ordered", userId="u"), event("m1", event="Ordered", userId="u")])

    assert person.audiences() == set()
    [person] = people([event("m1", event="Ordered", userId="u"), event("m2", event="Ordered", userId="u")])
    assert person.audiences() == {"buyers"}


@pytest.mark.parametrize("turned", [False, True])
def test_the_newest_word_counts_in_whatever_order_it_comes(turned: bool) -> None:
    words = [
        event("m1", "identify", userId="u", traits={"plan": "silver"}),
        event("m2", "identify", after_ms=1, userId="u", traits={"plan": "gold"}),
    ]
    [person] = people(reversed(words) if turned else words)

    assert person.audiences() == {"gold"}
