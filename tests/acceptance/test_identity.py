"""Whose an event is: linking, limits and merges."""

import json
import re

import pytest

from tests.acceptance.conftest import Simulate
from tests.acceptance.identities import SHOWING, identifiers, merges, profiles, resolved, shown, violations
from tests.acceptance.lines import (
    Output,
    a_second_apart,
    audience,
    audiences,
    by_moment,
    call,
    changes,
    identify,
    line,
    of_topic,
    page,
    passthrough,
    refusals,
    seen,
    track,
)

pytestmark = pytest.mark.acceptance

T0 = "2025-01-01T00:00:00Z"
LATER = "2025-02-01T00:00:00Z"
CUSTOMER = {"id": "c1", "type": "customer_id", "collection": "users", "encoding": "none"}


# --- P-08: anonymous, then known ----------------------------------------------------------------------------


def test_p_08_an_anonymous_profile_becomes_that_of_a_known_user(simulate: Simulate) -> None:
    lines = [
        page("2025-01-01T09:00:00Z", anonymous="anon_123"),
        track("2025-01-01T09:05:00Z", "User Signup", user="use_123", anonymous="anon_123"),
        page("2025-01-01T09:10:00Z", anonymous="anon_123"),
    ]

    outputs = simulate(audiences(visited="event('Page Viewed').count() >= 1"), lines, LATER)

    assert profiles(outputs) == ["A", "A", "A"]
    assert merges(outputs) == []
    assert seen(outputs) == ["ENTER visited [use_123] @2025-01-01T09:05:00Z"]
    assert identifiers(changes(outputs)[0]) == {("anonymous_id", "anon_123"), ("user_id", "use_123")}


# --- P-09: an e-mail address that somebody else has ---------------------------------------------------------

JANE = "jane@example1.com"
COLLISION = [
    identify("2025-01-01T00:00:00Z", {"email": JANE}, user="abc123"),
    identify("2025-01-02T00:00:00Z", {"email": JANE}, user="abc456"),
    track("2025-01-03T00:00:00Z", "X", anonymous="z9", context={"traits": {"email": JANE}}),
    track("2025-01-04T00:00:00Z", "Show", user="abc123"),
    track("2025-01-05T00:00:00Z", "Show", user="abc456"),
]


@pytest.fixture(scope="module")
def collision(simulate: Simulate) -> list[Output]:
    janes = audience("janes", f"trait('email') = '{JANE}'")
    return simulate({"audiences": [*SHOWING["audiences"], janes]}, COLLISION, LATER)


def test_p_09_the_event_belongs_to_a_profile_of_its_own_and_the_address_leads_to_the_first(
    collision: list[Output],
) -> None:
    assert profiles(collision) == ["A", "B", "A", "A", "B"]
    assert shown(collision) == [
        {("user_id", "abc123"), ("email", JANE), ("anonymous_id", "z9")},
        {("user_id", "abc456")},
    ]
    assert merges(collision) == []


def test_p_09_the_violation_is_told_with_the_event(collision: list[Output]) -> None:
    assert [violations(output) for output in resolved(collision)] == [
        [],
        ["identifier value limit exceeded"],
        [],
        [],
        [],
    ]
    (violation,) = resolved(collision)[1]["value"]["context"]["identity"]["violations"]
    assert "email" in json.dumps(violation), "it says what was demoted"


def test_p_09_the_payload_and_the_trait_are_untouched(collision: list[Output]) -> None:
    """The address is no identifier of the second person, but a trait of theirs all the same."""
    second = resolved(collision)[1]
    assert second["value"]["traits"] == {"email": JANE}
    janes = [text for text in seen(collision) if " janes " in text]
    assert janes == [
        "ENTER janes [abc123] @2025-01-01T00:00:00Z",
        "ENTER janes [abc456] @2025-01-02T00:00:00Z",
    ]


# --- P-10: a device that is not reset on logout -------------------------------------------------------------


def test_p_10_a_shared_device_stays_with_its_first_user(simulate: Simulate) -> None:
    lines = a_second_apart(
        [
            track(T0, "Login", anonymous="a1"),
            track(T0, "Login", user="u1", anonymous="a1"),
            track(T0, "Login", user="u2", anonymous="a1"),
            track(T0, "X", anonymous="a1"),
            track(T0, "Y", user="u2", anonymous="a1"),
            track(T0, "Show", user="u1"),
            track(T0, "Show", user="u2"),
        ],
        start=T0,
    )

    outputs = simulate(SHOWING, lines, LATER)

    assert profiles(outputs) == ["A", "A", "B", "A", "B", "A", "B"]
    assert shown(outputs) == [{("anonymous_id", "a1"), ("user_id", "u1")}, {("user_id", "u2")}]
    assert merges(outputs) == []


# --- P-11: a legitimate merge -------------------------------------------------------------------------------

KIM = "jane.kim@segment.com"
FIRST, SECOND = "5285bc35-05ef-4d21", "b50e18a5-1b8d-451c"
MERGING = [
    page("2022-05-02T14:01:00Z", anonymous=FIRST, message_id="e1"),
    identify("2022-05-02T14:01:47Z", {"email": KIM}, anonymous=FIRST, message_id="e2"),
    page("2022-06-22T10:47:15Z", anonymous=SECOND, message_id="e3"),
    identify("2022-06-22T10:48:00Z", {"email": KIM}, anonymous=SECOND, message_id="e4"),
]
AFTERWARDS = [
    page("2022-06-23T00:00:00Z", anonymous=FIRST),
    page("2022-06-24T00:00:00Z", anonymous=SECOND),
]
MERGED_IDENTIFIERS = {("anonymous_id", FIRST), ("anonymous_id", SECOND), ("email", KIM)}


@pytest.fixture(scope="module")
def merging(simulate: Simulate) -> list[Output]:
    two_pages = audiences(two_pages="event('Page Viewed').count() >= 2")
    return simulate(two_pages, [*MERGING, *AFTERWARDS], "2022-07-01T00:00:00Z")


def test_p_11_the_profile_created_first_is_the_parent(merging: list[Output]) -> None:
    """What came before the merge keeps the profile that it had; the event that merges is the parent's already."""
    assert profiles(merging) == ["A", "A", "B", "A", "A", "A"]
    parent, child = (resolved(merging)[index]["key"] for index in (0, 2))
    (merge,) = of_topic(merging, "profile-merges")
    assert merge["key"] == child
    assert merge["at"] == "2022-06-22T10:48:00.000Z"
    assert merge["value"] == {
        "child": child,
        "parent": parent,
        "at": "2022-06-22T10:48:00.000Z",
        "messageId": merge["value"]["messageId"],
    }
    assert re.fullmatch("aw_[0-9a-f]{32}", merge["value"]["messageId"])


def test_p_11_events_of_both_halves_count_at_once(merging: list[Output]) -> None:
    (change,) = changes(merging)

    assert seen(merging) == [f"ENTER two_pages [{SECOND}] @2022-06-22T10:48:00Z"], "the visitor mapped last"
    assert change["value"]["context"]["traits"] == {"email": KIM}
    assert identifiers(change) == MERGED_IDENTIFIERS
    about = change["value"]["context"]["audience"]
    assert (about["transition"], about["reason"], about["merged_into"]) == (1, "merge", None)


def test_p_11_the_outputs_of_a_merge_come_in_order(merging: list[Output]) -> None:
    topics = [output["topic"] for output in by_moment(merging, MERGING)[3]]

    assert topics == ["resolved-events", "audience-changes", "profile-merges"]


def test_p_11_a_merged_away_member_leaves_once_and_the_survivor_stays(simulate: Simulate) -> None:
    """The exit names nobody: the identifiers have moved, and who keys by them must see nothing."""
    one_page = audience("one_page", "event('Page Viewed').count() >= 1", include_anonymous=True)

    outputs = simulate({"audiences": [one_page]}, [*MERGING, *AFTERWARDS], "2022-07-01T00:00:00Z")

    parent, child = (resolved(outputs)[index]["key"] for index in (0, 2))
    entered, entered_too, exited = changes(outputs)
    assert [entered["key"], entered_too["key"], exited["key"]] == [parent, child, child]
    value = exited["value"]
    assert value["event"] == "Audience Exited"
    assert value["timestamp"] == "2022-06-22T10:48:00.000Z"
    assert (value["userId"], value["anonymousId"]) == (None, None)
    assert identifiers(exited) == set()
    assert KIM not in json.dumps(value)
    about = value["context"]["audience"]
    assert (about["transition"], about["reason"], about["merged_into"]) == (2, "merge", parent)


def test_p_11_a_merge_s_changes_come_profile_by_profile_the_child_s_first(simulate: Simulate) -> None:
    """Of one profile the audiences stand before the traits; no topic tears two profiles apart."""
    viewed = "event('Page Viewed').count()"
    definitions = {
        "audiences": [
            audience("one_page", f"{viewed} >= 1", include_anonymous=True),
            audience("two_pages", f"{viewed} >= 2"),
        ],
        "traits": [{"key": "pages", "query": viewed, "include_anonymous": True}],
    }

    outputs = by_moment(simulate(definitions, MERGING, "2022-07-01T00:00:00Z"), MERGING)

    parent, child = (outputs[index][0]["key"] for index in (0, 2))
    assert [(output["topic"], output["key"]) for output in outputs[3]] == [
        ("resolved-events", parent),
        ("audience-changes", child),
        ("trait-changes", child),
        ("audience-changes", parent),
        ("trait-changes", parent),
        ("profile-merges", child),
    ]


def test_what_a_merged_profile_was_due_to_leave_before_it_leaves_as_if_in_time(simulate: Simulate) -> None:
    """It is told of the user, and of no merge: nobody else will tell that he has left."""
    lately = audience("lately", "event('X').within(1 hour).count() >= 1")
    link = call("identify", user="u2", context={"externalIds": [CUSTOMER]})
    lines = [
        line(T0, call("identify", user="u1", context={"externalIds": [CUSTOMER]})),
        track("2025-01-01T01:00:00Z", "X", user="u2"),
        line("2025-01-01T02:00:00Z", link),
    ]
    rules = {"identifiers": [{"type": "user_id", "limit": 2}, {"type": "customer_id", "limit": 1}]}

    outputs = simulate({"audiences": [lately], "identity": rules}, lines, LATER)

    assert len(of_topic(outputs, "profile-merges")) == 1
    _, exited = changes(outputs)
    assert seen(outputs)[1] == "EXIT lately [u2] @2025-01-01T02:00:00Z"
    assert identifiers(exited) == {("user_id", "u2")}
    about = exited["value"]["context"]["audience"]
    assert (about["reason"], about["merged_into"]) == ("time", None)


def test_a_merged_profile_leaves_a_segment_that_nobody_defined_before_what_depends_on_it(simulate: Simulate) -> None:
    def customer(number: int) -> dict[str, str]:
        return {**CUSTOMER, "id": f"c{number}"}

    link = call("identify", user="u1", context={"externalIds": [customer(1), customer(2)]})
    lines = [
        line(T0, call("identify", user="u1", context={"externalIds": [customer(1)]})),
        line("2025-01-01T01:00:00Z", call("identify", anonymous="a2", context={"externalIds": [customer(2)]})),
        passthrough("2025-01-01T02:00:00Z", "qualify", "segment", ts=1_735_693_200, identifiers={"customer_id": "c2"}),
        line("2025-01-01T03:00:00Z", link),
    ]
    inside = audience("inside", "trait('segment') = true", include_anonymous=True)

    exits = changes(simulate({"audiences": [inside]}, lines, LATER))[2:4]

    assert [exit_["value"]["properties"]["audience_key"] for exit_ in exits] == ["segment", "inside"]
    assert {exit_["value"]["event"] for exit_ in exits} == {"Audience Exited"}


# --- P-17: alias --------------------------------------------------------------------------------------------


def test_p_17_an_alias_never_merges(simulate: Simulate) -> None:
    alias = line(T0, call("alias", user="new1", previousId="old1"))
    lines = a_second_apart(
        [
            track(T0, "X", user="old1"),
            track(T0, "X", user="new1"),
            alias,
            track(T0, "Show", user="old1"),
            track(T0, "Show", user="new1"),
        ],
        start=T0,
    )

    outputs = simulate(SHOWING, lines, LATER)

    assert profiles(outputs) == ["A", "B", "B", "A", "B"]
    assert shown(outputs) == [{("user_id", "old1")}, {("user_id", "new1")}]
    assert merges(outputs) == []
    assert refusals(outputs) == []
