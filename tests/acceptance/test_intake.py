"""What is accepted, under which time, and how often: timestamps, limits, fields and duplicates."""

import json
from typing import Any

import pytest

from tests.acceptance.conftest import Simulate
from tests.acceptance.lines import (
    Line,
    a_second_apart,
    audiences,
    by_moment,
    call,
    group,
    identify,
    line,
    moves,
    of_topic,
    refusals,
    seen,
    track,
)

pytestmark = pytest.mark.acceptance

T0 = "2025-01-01T00:00:00Z"
LATER = "2025-02-01T00:00:00Z"
ANYTHING = audiences(anything="event('X').count() >= 1", known_one="trait('known').exists()")


def resolved_values(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [output["value"] for output in of_topic(outputs, "resolved-events")]


Table = dict[str, tuple[Line, list[str]]]
Outcome = tuple[list[str], list[str]]


def outcomes(simulate: Simulate, table: Table) -> dict[str, Outcome]:
    """Reasons and topics of what comes of each line of a table, all in one run."""
    lines = a_second_apart((one for one, _ in table.values()), start=T0)
    moments = by_moment(simulate(ANYTHING, lines, LATER), lines)
    return {
        name: (refusals(outputs), [output["topic"] for output in outputs])
        for name, outputs in zip(table, moments, strict=True)
    }


# --- P-01: the corrected timestamp --------------------------------------------------------------------------

TIMESTAMPS = {
    "skew_of_milliseconds": (
        "2015-12-12T19:11:01.266Z",
        {"originalTimestamp": "2015-12-12T19:11:01.152Z", "sentAt": "2015-12-12T19:11:01.169Z"},
        "2015-12-12T19:11:01.249Z",
    ),
    "a_given_timestamp_is_the_original": (
        "2015-12-12T19:11:01.266Z",
        {"timestamp": "2015-12-12T19:11:01.152Z", "sentAt": "2015-12-12T19:11:01.169Z"},
        "2015-12-12T19:11:01.249Z",
    ),
    "device_two_hours_fast": (
        "2024-05-01T10:00:10Z",
        {"originalTimestamp": "2024-05-01T12:00:00Z", "sentAt": "2024-05-01T12:05:00Z"},
        "2024-05-01T09:55:10.000Z",
    ),
    "nothing_given": ("2024-05-01T10:00:00Z", {}, "2024-05-01T10:00:00.000Z"),
    "original_without_sent_at": (
        "2024-05-01T10:00:00Z",
        {"originalTimestamp": "2020-01-05T00:00:00Z"},
        "2020-01-05T00:00:00.000Z",
    ),
    "an_offset_becomes_utc": (
        "2024-05-01T10:00:00Z",
        {"timestamp": "2020-01-05T02:30:00+02:30"},
        "2020-01-05T00:00:00.000Z",
    ),
    "the_receipt_said_by_the_value": (
        "2024-05-01T10:00:10Z",
        {
            "timestamp": "2024-05-01T09:00:00Z",
            "sentAt": "2024-05-01T09:00:05Z",
            "receivedAt": "2024-05-01T10:00:00Z",
        },
        "2024-05-01T09:59:55.000Z",
    ),
    "a_receipt_after_the_record_counts_as_the_record's": (
        "2024-05-01T10:00:00Z",
        {
            "timestamp": "2024-05-01T09:00:00Z",
            "sentAt": "2024-05-01T09:00:05Z",
            "receivedAt": "2024-05-01T11:00:00Z",
        },
        "2024-05-01T09:59:55.000Z",
    ),
}


@pytest.mark.parametrize(("received", "times", "expected"), TIMESTAMPS.values(), ids=TIMESTAMPS)
def test_p_01_corrected_timestamp(simulate: Simulate, received: str, times: dict[str, Any], expected: str) -> None:
    outputs = simulate(ANYTHING, [track(received, "X", user="u1", **times)], received)

    assert [value["timestamp"] for value in resolved_values(outputs)] == [expected]


def test_p_01_windows_use_the_corrected_timestamp(simulate: Simulate) -> None:
    """A device two hours fast, seen ten seconds later: the window counts from when it really happened."""
    event = track(
        "2024-05-01T10:00:10Z",
        "X",
        user="u1",
        originalTimestamp="2024-05-01T12:00:00Z",
        sentAt="2024-05-01T12:05:00Z",
    )

    outputs = simulate(audiences(lately="event('X').within(1 hour).count() >= 1"), [event], "2024-05-01T13:00:00Z")

    assert seen(outputs) == [
        "ENTER lately [u1] @2024-05-01T10:00:10Z",
        "EXIT lately [u1] @2024-05-01T10:55:10Z",
    ]


def test_p_01_a_timestamp_of_the_future_counts_as_the_receipt(simulate: Simulate) -> None:
    """Windows count it from its receipt; the payload says what it was sent with."""
    event = track("2024-05-01T10:00:00Z", "X", user="u1", ts="2031-01-01T00:00:00Z")

    outputs = simulate(audiences(lately="event('X').within(1 hour).count() >= 1"), [event], "2024-05-02T00:00:00Z")

    assert resolved_values(outputs)[0]["timestamp"] == "2031-01-01T00:00:00.000Z"
    assert seen(outputs) == [
        "ENTER lately [u1] @2024-05-01T10:00:00Z",
        "EXIT lately [u1] @2024-05-01T11:00:00Z",
    ]


# --- P-02: sizes and counts ---------------------------------------------------------------------------------


REFUSED, ACCEPTED = ["dead-letters"], ["resolved-events"]


def properties(count: int) -> dict[str, Any]:
    return {f"p{number}": number for number in range(count)}


def sized(size: int, *, user: str, filling: str = "") -> Line:
    """A track whose value is ``size`` bytes of compact JSON in UTF-8, the escapes of the line notwithstanding."""
    value = call("track", event="X", user=user, properties={"filling": filling})
    so_far = len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())
    value["properties"]["filling"] += "x" * (size - so_far)
    return line(T0, value)


LETTERS_AND_FACES = "\N{LATIN SMALL LETTER E WITH ACUTE}\N{GRINNING FACE}" * 4_000 + '"\\\t'


LIMITS: Table = {
    "300_properties": (track(T0, "X", properties(300), user="u1"), []),
    "301_properties": (track(T0, "X", properties(301), user="u2"), ["too_many_properties"]),
    "299_traits": (identify(T0, {"known": 1, **properties(298)}, user="u3"), []),
    "300_traits": (identify(T0, {"known": 1, **properties(299)}, user="u4"), ["too_many_traits"]),
    "message_id_of_100": (track(T0, "X", user="u5", message_id="m" * 100), []),
    "message_id_of_101": (track(T0, "X", user="u6", message_id="m" * 101), ["message_id_too_long"]),
    "31000_bytes": (sized(31_000, user="u7"), []),
    "32_kib": (sized(32 * 1024, user="u8"), []),
    "32_kib_and_a_byte": (sized(32 * 1024 + 1, user="u9"), ["too_large"]),
    "40000_bytes": (sized(40_000, user="u10"), ["too_large"]),
    "32_kib_of_escapes": (sized(32 * 1024, user="u11", filling=LETTERS_AND_FACES), []),
    "32_kib_of_escapes_and_a_byte": (
        sized(32 * 1024 + 1, user="u12", filling=LETTERS_AND_FACES),
        ["too_large"],
    ),
}


@pytest.fixture(scope="module")
def limits(simulate: Simulate) -> dict[str, Outcome]:
    return outcomes(simulate, LIMITS)


@pytest.mark.parametrize("name", LIMITS)
def test_p_02_limits(limits: dict[str, Outcome], name: str) -> None:
    """What is too much is a dead letter, and neither a profile nor a membership nor an output."""
    expected = LIMITS[name][1]

    assert limits[name] == (expected, REFUSED if expected else [*ACCEPTED, "audience-changes"])


# --- P-03: required fields ----------------------------------------------------------------------------------

REQUIRED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no_ids": ({"type": "track", "event": "X"}, ["no_user_anon_id"]),
    "null_ids": ({"type": "track", "event": "X", "userId": None, "anonymousId": None}, ["no_user_anon_id"]),
    "empty_user": ({"type": "track", "event": "X", "userId": ""}, ["id_not_string"]),
    "user_true": ({"type": "track", "event": "X", "userId": True}, ["id_not_string"]),
    "user_object_beside_a_good_id": (
        {"type": "track", "event": "X", "userId": {"id": 1}, "anonymousId": "a1"},
        ["id_not_string"],
    ),
    "null_user_and_anonymous": ({"type": "track", "event": "X", "userId": None, "anonymousId": "a1"}, []),
    "empty_user_and_anonymous": ({"type": "track", "event": "X", "userId": "", "anonymousId": "a1"}, []),
    "number_as_user": ({"type": "track", "event": "X", "userId": 17}, []),
    "no_event": ({"type": "track", "userId": "u1"}, ["event_not_defined"]),
    "event_42": ({"type": "track", "userId": "u1", "event": 42}, ["event_not_string"]),
    "properties_text": (
        {"type": "track", "userId": "u1", "event": "X", "properties": "str"},
        ["properties_not_object"],
    ),
    "traits_list": ({"type": "identify", "userId": "u1", "traits": []}, ["traits_not_object"]),
    "null_objects": (
        {
            "type": "track",
            "userId": "u1",
            "event": "X",
            "properties": None,
            "context": None,
            "messageId": None,
        },
        [],
    ),
    "type_click": ({"type": "click", "userId": "u1"}, ["invalid_type"]),
    "no_type": ({"userId": "u1", "event": "X"}, ["missing_type"]),
}


@pytest.fixture(scope="module")
def required(simulate: Simulate) -> dict[str, Outcome]:
    return outcomes(simulate, {name: (line(T0, value), reasons) for name, (value, reasons) in REQUIRED.items()})


@pytest.mark.parametrize("name", REQUIRED)
def test_p_03_required_fields(required: dict[str, Outcome], name: str) -> None:
    reasons, topics = required[name]

    assert reasons == REQUIRED[name][1]
    assert topics[:1] == (REFUSED if reasons else ACCEPTED)


def test_p_03_a_numeric_user_id_is_the_same_person_as_its_text(simulate: Simulate) -> None:
    lines = [
        line(T0, {"type": "track", "event": "X", "userId": 17}),
        line(T0, {"type": "track", "event": "X", "userId": "17"}),
    ]

    outputs = simulate(audiences(twice="event('X').count() >= 2"), lines, LATER)

    assert seen(outputs) == ["ENTER twice [17] @2025-01-01T00:00:00Z"]


# --- P-04: groups, as far as acceptance ---------------------------------------------------------------------

GROUPS: Table = {
    "id_of_500": (group(T0, "g" * 500, user="u1"), []),
    "id_of_501": (group(T0, "g" * 501, user="u1"), ["group_id_too_long"]),
    "empty_id": (group(T0, "", user="u1"), ["group_id_empty"]),
    "no_id": (group(T0, None, user="u1"), ["group_id_missing"]),
    "number_as_id": (group(T0, 7, user="u1"), []),
    "track_of_an_empty_group": (track(T0, "Login", user="u1", context={"groupId": ""}), ["group_id_empty"]),
    "track_of_a_group": (track(T0, "Login", user="u1", context={"groupId": "g1"}), []),
    "track_of_no_group": (track(T0, "Login", user="u1"), []),
}


@pytest.fixture(scope="module")
def groups(simulate: Simulate) -> dict[str, Outcome]:
    return outcomes(simulate, GROUPS)


@pytest.mark.parametrize("name", GROUPS)
def test_p_04_group_acceptance(groups: dict[str, Outcome], name: str) -> None:
    expected = GROUPS[name][1]

    assert groups[name] == (expected, REFUSED if expected else ACCEPTED)


# --- P-06, P-07: duplicates ---------------------------------------------------------------------------------

LOGINS = audiences(two_logins="event('Login').count() >= 2", three_logins="event('Login').count() >= 3")


def login(at: str, message_id: str | None, *, user: str = "u1", n: int = 0) -> Line:
    return track(at, "Login", {"n": n}, user=user, message_id=message_id)


def test_p_06_a_repeated_message_id_is_dropped_whatever_the_payload(simulate: Simulate) -> None:
    lines = [login(T0, "m1", n=1), login("2025-01-01T23:59:59Z", "m1", n=2)]

    outputs = simulate(LOGINS, lines, LATER)

    assert [value["properties"] for value in resolved_values(outputs)] == [{"n": 1}]
    assert {output["topic"] for output in outputs} == {"resolved-events"}, "a duplicate leaves no trace"


def test_p_06_another_message_id_counts(simulate: Simulate) -> None:
    lines = [
        login(T0, "m1"),
        login("2025-01-01T23:59:59Z", "m1"),
        login("2025-01-02T00:00:00Z", "m2"),
    ]

    assert seen(simulate(LOGINS, lines, LATER)) == ["ENTER two_logins [u1] @2025-01-02T00:00:00Z"]


def test_p_06_a_message_id_is_free_again_after_the_window(simulate: Simulate) -> None:
    """24 h 30 min after its *first* receipt, although it was repeated in between."""
    lines = [
        login(T0, "m1"),
        login("2025-01-01T23:59:59Z", "m1"),
        login("2025-01-02T00:00:00Z", "m2"),
        login("2025-01-02T00:30:00Z", "m1"),
    ]

    assert seen(simulate(LOGINS, lines, LATER)) == [
        "ENTER two_logins [u1] @2025-01-02T00:00:00Z",
        "ENTER three_logins [u1] @2025-01-02T00:30:00Z",
    ]


def test_p_06_the_window_is_of_receipts_not_of_timestamps(simulate: Simulate) -> None:
    """A year-old event sent twice within a minute is still one event."""
    lines = [
        track("2025-01-01T00:00:00Z", "Login", user="u1", message_id="m1", ts="2024-01-01T00:00:00Z"),
        track("2025-01-01T00:01:00Z", "Login", user="u1", message_id="m1", ts="2024-06-01T00:00:00Z"),
    ]

    assert seen(simulate(LOGINS, lines, LATER)) == []


def test_p_07_the_window_is_one_for_all_users_and_sources(simulate: Simulate) -> None:
    lines = [
        track(T0, "Login", user="u1", message_id="m1", writeKey="S1"),
        track("2025-01-01T00:00:30Z", "Login", user="u2", message_id="m1", writeKey="S2"),
    ]

    outputs = simulate(audiences(logged_in="event('Login').count() >= 1"), lines, LATER)

    assert seen(outputs) == ["ENTER logged_in [u1] @2025-01-01T00:00:00Z"]
    assert refusals(outputs) == []


def test_p_07_without_a_message_id_every_record_is_an_event_of_its_own(simulate: Simulate) -> None:
    outputs = simulate(LOGINS, [login(T0, None), login(T0, None)], LATER)

    assert moves(outputs) == ["ENTER two_logins"]
    assert len(resolved_values(outputs)) == 2


@pytest.mark.parametrize("blank", ["", None])
def test_p_07_a_blank_message_id_is_none(simulate: Simulate, blank: str | None) -> None:
    event = {"type": "track", "event": "Login", "userId": "u1", "messageId": blank}

    assert moves(simulate(LOGINS, [line(T0, event), line(T0, event)], LATER)) == ["ENTER two_logins"]


def test_p_06_only_an_accepted_event_takes_its_message_id(simulate: Simulate) -> None:
    """A corrected resend of what was refused is welcome."""
    wrong = {"type": "track", "userId": "u1", "messageId": "m1", "event": 42}
    lines = [line(T0, wrong), track("2025-01-01T00:01:00Z", "X", user="u1", message_id="m1")]

    outputs = simulate(ANYTHING, lines, LATER)

    assert refusals(outputs) == ["event_not_string"]
    assert moves(outputs) == ["ENTER anything"]
