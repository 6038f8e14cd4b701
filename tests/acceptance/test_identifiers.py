"""What identifies: blocked values, devices, and identifiers of one's own."""

from typing import Any

import pytest

from tests.acceptance.conftest import Simulate
from tests.acceptance.identities import SHOWING, Identifiers, merges, profiles, resolved, shown, violations
from tests.acceptance.lines import Output, a_second_apart, by_moment, identify, refusals, track

pytestmark = pytest.mark.acceptance

T0 = "2025-01-01T00:00:00Z"
LATER = "2025-02-01T00:00:00Z"


def external_id(type_name: str, value: Any) -> dict[str, Any]:
    return {"id": value, "type": type_name, "collection": "users", "encoding": "none"}


def with_ids(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"externalIds": list(entries)}


# --- P-13: blocked values -----------------------------------------------------------------------------------

ZEROS = "00000000-0000-0000-0000-000000000000"
BLOCKED = a_second_apart(
    [
        track(T0, "Show", user=ZEROS, anonymous="d1"),
        track(T0, "Show", user=ZEROS, anonymous="d2"),
        track(T0, "Show", user="null", anonymous="d3"),
        track(T0, "Show", user="anonymous", anonymous="d4"),
        track(T0, "Show", user="-1", anonymous="d5"),
        track(T0, "Show", user="-10", anonymous="d6"),
        track(T0, "Show", user="0"),
    ],
    start=T0,
)


@pytest.fixture(scope="module")
def blocked(simulate: Simulate) -> list[Output]:
    return simulate(SHOWING, BLOCKED, LATER)


def test_p_13_blocked_values_are_no_identifiers(blocked: list[Output]) -> None:
    """``-1`` is meant exactly, and ``^[0-]*$`` does not match ``-10``."""
    assert profiles(blocked) == ["A", "B", "C", "D", "E", "F"]
    assert shown(blocked) == [
        *({("anonymous_id", f"d{number}")} for number in range(1, 6)),
        {("anonymous_id", "d6"), ("user_id", "-10")},
    ]


def test_p_13_blocked_values_stay_in_the_payload(blocked: list[Output]) -> None:
    users = [output["value"]["userId"] for output in resolved(blocked)]

    assert users == [ZEROS, ZEROS, "null", "anonymous", "-1", "-10"]


def test_p_13_every_blocked_value_is_a_violation(blocked: list[Output]) -> None:
    assert [violations(output) for output in resolved(blocked)] == [*[["id value blocked"]] * 5, []]


def test_p_13_an_event_without_any_other_identifier_counts_nowhere(blocked: list[Output]) -> None:
    assert refusals(blocked) == ["no_matching_identifiers"]
    assert [output["topic"] for output in by_moment(blocked, BLOCKED)[-1]] == ["dead-letters"]


# --- P-15: across devices and apps --------------------------------------------------------------------------

PHONE = {"device": {"type": "ios", "id": "ios_abc123"}}
OTHER_PHONE = {"device": {"type": "android", "id": "and_1a2b3c4d"}}
BUYER = "abc123def"


def test_p_15_one_person_on_two_phones_needs_no_merge(simulate: Simulate) -> None:
    lines = a_second_apart(
        [
            track(T0, "App Opened", anonymous="anon_123", context=PHONE),
            identify(T0, user=BUYER, anonymous="anon_123", context=PHONE),
            identify(T0, user=BUYER, anonymous="anon_456", context=OTHER_PHONE),
            identify(T0, user=BUYER, anonymous="anon_789", context=OTHER_PHONE),
            track(T0, "Show", user=BUYER),
        ],
        start=T0,
    )

    outputs = simulate(SHOWING, lines, LATER)

    assert profiles(outputs) == ["A"] * 5
    assert merges(outputs) == []
    assert shown(outputs) == [
        {
            ("user_id", BUYER),
            ("anonymous_id", "anon_123"),
            ("anonymous_id", "anon_456"),
            ("anonymous_id", "anon_789"),
            ("ios.id", "ios_abc123"),
            ("android.id", "and_1a2b3c4d"),
        }
    ]


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ({"id": "d1"}, set()),
        ({"id": "d1", "type": "android"}, {("android.id", "d1")}),
        ({"type": "android", "advertisingId": "ad1", "adTrackingEnabled": False}, set()),
        ({"type": "android", "advertisingId": "ad1", "adTrackingEnabled": True}, {("android.idfa", "ad1")}),
    ],
    ids=["id_without_a_type", "id", "advertising_id_not_allowed", "advertising_id"],
)
def test_p_15_a_device_must_say_what_it_is_and_may_refuse_to_be_tracked(
    simulate: Simulate, device: dict[str, Any], expected: Identifiers
) -> None:
    outputs = simulate(SHOWING, [track(T0, "Show", user="u1", context={"device": device})], LATER)

    assert shown(outputs) == [{("user_id", "u1"), *expected}]


# --- P-16: identifiers of one's own -------------------------------------------------------------------------

NUMBER = external_id("phone", "123-456-7890")


def test_p_16_external_ids_lead_to_a_profile(simulate: Simulate) -> None:
    lines = a_second_apart(
        [
            track(T0, "X", user="use_123", context=with_ids(NUMBER)),
            track(T0, "X", anonymous="a1", context=with_ids(NUMBER)),
            track(T0, "Show", anonymous="a1"),
        ],
        start=T0,
    )

    outputs = simulate(SHOWING, lines, LATER)

    assert profiles(outputs) == ["A", "A", "A"]
    assert shown(outputs) == [{("user_id", "use_123"), ("phone", "123-456-7890"), ("anonymous_id", "a1")}]


def test_p_16_a_type_that_nobody_configured_has_room_for_five(simulate: Simulate) -> None:
    numbers = [external_id("phone", f"12{number}") for number in range(6)]
    lines = a_second_apart(
        [
            *(track(T0, "X", user="use_123", context=with_ids(number)) for number in numbers),
            track(T0, "Show", user="use_123"),
            track(T0, "Show", anonymous="a1", context=with_ids(numbers[5])),
        ],
        start=T0,
    )

    outputs = simulate(SHOWING, lines, LATER)

    assert profiles(outputs) == [*["A"] * 7, "B"]
    assert shown(outputs) == [
        {("user_id", "use_123"), *(("phone", f"12{number}") for number in range(5))},
        {("anonymous_id", "a1"), ("phone", "125")},
    ]
    assert [violations(output) for output in resolved(outputs)] == [
        *[[]] * 5,
        ["identifier value limit exceeded"],
        [],
        [],
    ]


@pytest.mark.parametrize(
    "entry",
    [{"id": "1", "type": "phone", "collection": "users"}, external_id("Phone", "1")],
    ids=["without_encoding", "type_in_capitals"],
)
def test_p_16_an_entry_that_is_not_to_the_letter_is_not_promoted(simulate: Simulate, entry: dict[str, Any]) -> None:
    lines = [track(T0, "Show", user="u1", context=with_ids(entry))]

    assert shown(simulate(SHOWING, lines, LATER)) == [{("user_id", "u1")}]


def test_p_16_a_configured_key_is_read_in_both_spellings(simulate: Simulate) -> None:
    rules = [{"type": "user_id", "limit": 1}, {"type": "app_id", "key": "app_id"}]
    lines = a_second_apart(
        [
            identify(T0, {"appId": "X1"}, user="u7"),
            track(T0, "X", {"app_id": "X1"}, anonymous="a9"),
            track(T0, "Show", user="u7"),
        ],
        start=T0,
    )

    outputs = simulate({**SHOWING, "identity": {"identifiers": rules}}, lines, LATER)

    assert profiles(outputs) == ["A", "A", "A"]
    assert shown(outputs) == [{("user_id", "u7"), ("anonymous_id", "a9"), ("app_id", "X1")}]
