"""The audience change to the letter: its fields, its id, its headers; and one message for each transition."""

import re
from typing import Any

import pytest

from tests.acceptance.conftest import Simulate
from tests.acceptance.lines import (
    Output,
    audience,
    audiences,
    changes,
    identify,
    moves,
    of_topic,
    page,
    seen,
    track,
)

pytestmark = pytest.mark.acceptance

T0 = "2025-01-10T10:01:01.120Z"
HAPPENED = "2025-01-10T10:01:00Z"
DUE = "2025-01-10T11:01:00.000Z"
LATER = "2025-02-01T00:00:00Z"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

LATELY = audiences(lately="event('X').within(1 hour).count() >= 1")
CAUSE = {
    **track(T0, "X", user="u123", ts=HAPPENED, message_id="m-17", context={"traits": {"email": " A@X.io "}}),
    "key": "u123",
    "headers": {"traceparent": TRACEPARENT},
}


def one_of_hex(prefix: str, text: str) -> bool:
    return re.fullmatch(prefix + "_[0-9a-f]{32}", text) is not None


@pytest.fixture(scope="module")
def entered_and_exited(simulate: Simulate) -> list[Output]:
    return changes(simulate(LATELY, [CAUSE], LATER))


def expected_value(profile_id: str, *, entered: bool, change: Output) -> dict[str, Any]:
    """The documented example, with what differs between entering and leaving by time."""
    value = change["value"]
    return {
        "type": "track",
        "event": "Audience Entered" if entered else "Audience Exited",
        "messageId": value["messageId"],
        "userId": "u123",
        "anonymousId": None,
        "timestamp": T0 if entered else DUE,
        "sentAt": T0 if entered else DUE,
        "properties": {"audience_key": "lately", "lately": entered},
        "context": {
            "personas": {
                "computation_class": "audience",
                "computation_id": value["context"]["personas"]["computation_id"],
                "computation_key": "lately",
                "namespace": "default",
                "space_id": "default",
            },
            "traits": {"email": "a@x.io"},
            "externalIds": value["context"]["externalIds"],
            "audience": {
                "profile_id": profile_id,
                "revision": value["context"]["audience"]["revision"],
                "transition": 1 if entered else 2,
                "reason": "event" if entered else "time",
                "caused_by": "m-17" if entered else None,
                "merged_into": None,
                "data_bag": None,
            },
        },
    }


@pytest.mark.parametrize("index", [0, 1], ids=["entered", "exited_by_time"])
def test_value_to_the_letter(entered_and_exited: list[Output], index: int) -> None:
    change = entered_and_exited[index]

    assert change["value"] == expected_value(change["key"], entered=index == 0, change=change)


def test_fields_come_in_the_documented_order(entered_and_exited: list[Output]) -> None:
    value = entered_and_exited[0]["value"]
    expected = expected_value("", entered=True, change=entered_and_exited[0])

    assert list(value) == list(expected)
    assert list(value["context"]) == list(expected["context"])
    assert list(value["context"]["audience"]) == list(expected["context"]["audience"])


def test_external_ids_are_all_of_the_profile_s(entered_and_exited: list[Output]) -> None:
    for change in entered_and_exited:
        ids = sorted(change["value"]["context"]["externalIds"], key=lambda one: one["type"])
        assert ids == [
            {"id": "a@x.io", "type": "email", "collection": "users", "encoding": "none"},
            {"id": "u123", "type": "user_id", "collection": "users", "encoding": "none"},
        ]


def test_ids_are_a_prefix_and_32_hex_digits(entered_and_exited: list[Output]) -> None:
    for change in entered_and_exited:
        value = change["value"]
        assert one_of_hex("use", change["key"])
        assert one_of_hex("aud", value["context"]["personas"]["computation_id"])
        assert one_of_hex("aw", value["messageId"])


def test_every_transition_has_a_message_id_of_its_own(entered_and_exited: list[Output]) -> None:
    assert len({change["value"]["messageId"] for change in entered_and_exited}) == 2


def test_the_audience_keeps_its_id(entered_and_exited: list[Output]) -> None:
    ids = {change["value"]["context"]["personas"]["computation_id"] for change in entered_and_exited}
    assert len(ids) == 1


def test_key_headers_and_time_of_the_record(entered_and_exited: list[Output]) -> None:
    entered, exited = entered_and_exited

    assert entered["at"] == T0
    assert exited["at"] == DUE
    assert entered["key"] == entered["value"]["context"]["audience"]["profile_id"]
    assert entered["headers"] == {
        "event": "Audience Entered",
        "audience_key": "lately",
        "message_id": entered["value"]["messageId"],
        "space_id": "default",
        "content-type": "application/json",
        "traceparent": TRACEPARENT,
    }


def test_without_a_traceparent_there_is_none(simulate: Simulate) -> None:
    change = changes(simulate(LATELY, [track(T0, "X", user="u1")], T0))[0]

    assert set(change["headers"]) == {"event", "audience_key", "message_id", "space_id", "content-type"}


def test_the_message_id_is_of_the_transition_not_of_the_circumstances(simulate: Simulate) -> None:
    """Another window, another audience beside it: the first transition keeps its id."""
    wider = audiences(lately="event('X').within(2 hours).count() >= 1", another="event('X').count() >= 1")

    plain = changes(simulate(LATELY, [CAUSE], LATER))
    other = [
        change for change in changes(simulate(wider, [CAUSE], LATER)) if change["headers"]["audience_key"] == "lately"
    ]

    assert [one["value"]["messageId"] for one in plain] == [one["value"]["messageId"] for one in other]


def test_the_message_id_tells_audiences_and_spaces_apart(simulate: Simulate) -> None:
    two = audiences(a="event('X').count() >= 1", b="event('X').count() >= 1")

    here = changes(simulate(two, [CAUSE], T0))
    there = changes(simulate(two, [CAUSE], T0, settings={"AW_SPACE_ID": "elsewhere"}))

    assert len({change["value"]["messageId"] for change in [*here, *there]}) == 4
    personas = there[0]["value"]["context"]["personas"]
    assert (personas["space_id"], personas["namespace"]) == ("elsewhere", "elsewhere")
    assert there[0]["headers"]["space_id"] == "elsewhere"


def test_an_anonymous_member_has_an_anonymous_id_and_no_user_id(simulate: Simulate) -> None:
    definitions = {"audiences": [audience("seen", "event('X').count() >= 1", include_anonymous=True)]}
    lines = [track(T0, "X", anonymous="n1"), track(T0, "X", anonymous="n2", user="u2")]

    values = [change["value"] for change in changes(simulate(definitions, lines, LATER))]

    assert [(one["userId"], one["anonymousId"]) for one in values] == [(None, "n1"), ("u2", None)]


def test_event_names_stay_what_they_are_in_the_identify_form(simulate: Simulate) -> None:
    """``emit: [identify]``: the membership as a boolean trait, the e-mail among the traits."""
    definitions = {"audiences": [audience("seen", "event('X').count() >= 1", emit=["identify"])]}

    (change,) = changes(simulate(definitions, [CAUSE], LATER))

    value = change["value"]
    assert value["type"] == "identify"
    assert value["userId"] == "u123"
    assert value["traits"]["seen"] is True
    assert value["traits"]["email"] == "a@x.io"
    assert value["context"]["audience"]["transition"] == 1
    assert "properties" not in value


def test_two_forms_are_two_messages_of_one_transition(simulate: Simulate) -> None:
    definitions = {"audiences": [audience("seen", "event('X').count() >= 1", emit=["track", "identify"])]}

    found = changes(simulate(definitions, [CAUSE], LATER))

    assert sorted(change["value"]["type"] for change in found) == ["identify", "track"]
    assert {change["value"]["context"]["audience"]["transition"] for change in found} == {1}
    assert len({change["value"]["messageId"] for change in found}) == 2


# --- P-37: one message for a profile, however many identifiers ----------------------------------------------

BUYERS = audiences(buyers="event('Bought').count() >= 1")
BOTH_ADDRESSES = [
    identify("2025-01-01T00:00:00Z", {"email": "a@x.io"}, user="u1", anonymous="n1"),
    identify("2025-01-01T00:01:00Z", {"email": "b@x.io"}, user="u1"),
    track("2025-01-01T00:02:00Z", "Bought", user="u1"),
]


def test_p_37_two_addresses_are_one_message(simulate: Simulate) -> None:
    """One message a transition, with the newest address and all ids; a message an address is opt-in."""
    (change,) = changes(simulate(BUYERS, BOTH_ADDRESSES, LATER, settings={"AW_FANOUT": "profile"}))

    value = change["value"]
    assert value["event"] == "Audience Entered"
    assert (value["userId"], value["anonymousId"]) == ("u1", None)
    assert value["properties"] == {"audience_key": "buyers", "buyers": True}
    assert value["context"]["traits"] == {"email": "b@x.io"}
    assert {(one["type"], one["id"]) for one in value["context"]["externalIds"]} == {
        ("user_id", "u1"),
        ("email", "a@x.io"),
        ("email", "b@x.io"),
        ("anonymous_id", "n1"),
    }


def test_p_37_one_message_a_profile_is_the_default(simulate: Simulate) -> None:
    default = simulate(BUYERS, BOTH_ADDRESSES, LATER)

    assert default == simulate(BUYERS, BOTH_ADDRESSES, LATER, settings={"AW_FANOUT": "profile"})


@pytest.mark.parametrize(
    ("include_anonymous", "expected"),
    [(False, []), (True, ["ENTER buyers [n2] @2025-01-01T00:02:00Z"])],
)
def test_p_37_a_visitor_alone_is_told_only_where_visitors_are_included(
    simulate: Simulate, include_anonymous: bool, expected: list[str]
) -> None:
    query = "event('Bought').count() >= 1"
    definitions = {"audiences": [audience("buyers", query, include_anonymous=include_anonymous)]}
    lines = [track("2025-01-01T00:02:00Z", "Bought", anonymous="n2")]

    assert seen(simulate(definitions, lines, LATER)) == expected


def test_p_37_a_profile_of_a_phone_number_alone_is_in_nothing(simulate: Simulate) -> None:
    """Not even where visitors are included: that needs an anonymous id.

    The phone number is all that remains of the event's identifiers, as the user id is a blocked value.
    """
    phone = {"id": "123", "type": "phone", "collection": "users", "encoding": "none"}
    definitions = {"audiences": [audience("buyers", "event('Bought').count() >= 1", include_anonymous=True)]}
    lines = [track("2025-01-01T00:02:00Z", "Bought", user="0", context={"externalIds": [phone]})]

    outputs = simulate(definitions, lines, LATER)

    assert moves(outputs) == []
    assert len(of_topic(outputs, "resolved-events")) == 1


def test_p_37_nothing_is_sent_twice(simulate: Simulate) -> None:
    """An identifier that comes later does not repeat a membership: one message a transition."""
    lines = [
        track("2025-01-01T00:00:00Z", "Bought", user="u1"),
        identify("2025-01-01T00:01:00Z", {"email": "a@x.io"}, user="u1"),
        page("2025-01-01T00:02:00Z", "Home", user="u1", anonymous="n9"),
    ]

    assert moves(simulate(BUYERS, lines, LATER)) == ["ENTER buyers"]
