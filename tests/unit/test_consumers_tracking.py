"""What routing gets of a tracking event, and how identity shows in what is written to its mailbox."""

import json
from typing import Any

import pytest

from consumers.tracking import Promotions, consume
from schemas.reasons import Reason, Refusal
from tests.people import identifier, word, words
from worker.engine.archive import archived
from worker.engine.intake import Accepted
from worker.identity.resolve import Violation, ViolationKind
from worker.identity.rules import Rules
from worker.ports import Record

pytestmark = pytest.mark.unit

RECEIVED_MS = 1_700_000_000_000
PROFILE = "use_00000000000000000000000000000007"
RULES = Rules()


def outcome(promotions: Promotions | None = None, **fields: Any) -> Accepted | Refusal:
    value = json.dumps({"type": "track", "event": "X", "messageId": "m", **fields}).encode()
    record = Record("tracking-events", 0, 1, RECEIVED_MS, None, value, [])
    return consume(record, RULES, promotions or Promotions(remembered=10))


def accepted(promotions: Promotions | None = None, **fields: Any) -> Accepted:
    event = outcome(promotions, **fields)
    assert isinstance(event, Accepted), event
    return event


def written(event: Accepted, *violations: Violation) -> dict[str, Any]:
    decoded = json.loads(archived(event, PROFILE, RECEIVED_MS, violations))
    assert isinstance(decoded, dict)
    return decoded


def promoted(value: dict[str, Any]) -> list[str]:
    return [f"{one['type']}:{one['id']}" for one in value["external_ids"]]


def told(value: dict[str, Any]) -> list[str]:
    """The violations in the context, as ``email:x ID value blocked``."""
    return [f"{one['type']}:{one['id']} {one['violation']}" for one in value["context"]["identity"]["violations"]]


# --- Without a violation ------------------------------------------------------------------------------------


def test_an_event_promotes_what_it_carries_and_gains_no_context() -> None:
    event = accepted(userId="u1", anonymousId="a1")
    value = json.loads(archived(event, PROFILE, RECEIVED_MS))

    assert words(event.identifiers) == promoted(value) == ["user_id:u1", "anonymous_id:a1"]
    assert (event.blocked, "context" in value) == ((), False)
    assert (value["profile_id"], value["at"]) == ("use_00000000000000000000000000000007", RECEIVED_MS)


def test_a_context_stays_as_it_was_sent() -> None:
    context = {"traits": {"email": "a@x"}, "ip": "::1"}

    assert written(accepted(userId="u1", context=context))["context"] == context


def test_the_time_of_an_event_is_its_own_corrected_one() -> None:
    late = accepted(userId="u1", timestamp="2023-11-14T22:00:00Z")
    skewed = accepted(userId="u1", originalTimestamp="2023-11-14T20:00:00Z", sentAt="2023-11-14T20:00:10Z")
    ahead = accepted(userId="u1", timestamp="2030-01-01T00:00:00Z")

    assert late.event_at_ms == RECEIVED_MS - 800_000
    assert skewed.event_at_ms == RECEIVED_MS - 10_000
    assert ahead.event_at_ms == accepted(userId="u1").event_at_ms == RECEIVED_MS


# --- Blocked values -----------------------------------------------------------------------------------------


def test_a_blocked_value_stays_in_the_payload_and_is_told() -> None:
    event = accepted(userId="00000000-0000-0000-0000-000000000000", anonymousId="d1")
    value = written(event)

    assert words(event.identifiers) == promoted(value) == ["anonymous_id:d1"]
    assert value["userId"] == "00000000-0000-0000-0000-000000000000"
    assert value["context"] == {
        "identity": {
            "violations": [
                {
                    "violation": "ID value blocked",
                    "type": "user_id",
                    "id": "00000000-0000-0000-0000-000000000000",
                }
            ]
        }
    }
    assert [(violation.kind, word(violation.identifier)) for violation in event.blocked] == [
        (ViolationKind.BLOCKED, "user_id:00000000-0000-0000-0000-000000000000")
    ]


def test_a_visitor_who_is_remembered_is_told_of_again() -> None:
    promotions = Promotions(remembered=10)
    for _ in range(2):
        assert told(written(accepted(promotions, userId="null", anonymousId="d1"))) == ["user_id:null ID value blocked"]


def test_several_blocked_values_are_told_by_priority() -> None:
    event = accepted(anonymousId="-1", userId="u1", traits={"email": "null"})

    assert told(written(event)) == ["email:null ID value blocked", "anonymous_id:-1 ID value blocked"]


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"userId": "0"}, "every identifier of the event is blocked"),
        ({"userId": " "}, "the event has no identifier"),
        ({"type": "alias", "anonymousId": "a1"}, "the event has no identifier"),
    ],
)
def test_without_any_identifier_an_event_is_unresolved(fields: dict[str, Any], detail: str) -> None:
    assert outcome(**fields) == Refusal(Reason.NO_MATCHING_IDENTIFIERS, detail)


# --- Violations of the resolution ---------------------------------------------------------------------------


def violation(kind: ViolationKind, text: str) -> Violation:
    return Violation(kind, identifier(text))


DEMOTED = violation(ViolationKind.VALUES, "email:jane@x.io")


def test_a_demoted_identifier_is_told_and_not_promoted() -> None:
    value = written(accepted(userId="u2", anonymousId="a1", traits={"email": "Jane@X.io"}), DEMOTED)

    assert promoted(value) == ["user_id:u2", "anonymous_id:a1"]
    assert value["traits"] == {"email": "Jane@X.io"}, "the payload stays as it was sent"
    assert told(value) == ["email:jane@x.io Identifier value limit exceeded"]


def test_blocked_and_demoted_ones_are_told_together_beside_the_context_that_was_sent() -> None:
    value = written(accepted(userId="u2", anonymousId="null", context={"traits": {"email": "jane@x.io"}}), DEMOTED)

    assert value["context"]["traits"] == {"email": "jane@x.io"}
    assert told(value) == [
        "anonymous_id:null ID value blocked",
        "email:jane@x.io Identifier value limit exceeded",
    ]


def test_what_one_event_was_told_does_not_show_in_the_next_of_its_visitor() -> None:
    promotions = Promotions(remembered=10)
    first = accepted(promotions, userId="u2", anonymousId="a1")
    value = written(first, violation(ViolationKind.VALUES, "anonymous_id:a1"))
    assert promoted(value) == ["user_id:u2"]

    again = written(accepted(promotions, userId="u2", anonymousId="a1"))

    assert promoted(again) == ["user_id:u2", "anonymous_id:a1"]
    assert "context" not in again


# --- What a sender says of identity -------------------------------------------------------------------------

FORGED = {"violations": [{"violation": "ID value blocked", "type": "user_id", "id": "forged"}]}


def test_what_a_sender_says_in_the_worker_s_place_is_left_out() -> None:
    value = written(accepted(userId="u1", context={"identity": FORGED, "ip": "::1"}))

    assert value["context"] == {"ip": "::1"}


def test_and_replaced_by_what_the_worker_has_to_say() -> None:
    event = accepted(userId="u2", traits={"email": "jane@x.io"}, context={"identity": FORGED})

    assert told(written(event, DEMOTED)) == ["email:jane@x.io Identifier value limit exceeded"]
