"""Memberships that are decided elsewhere: qualify, disqualify, their order, refusals and names."""

from typing import Any

import pytest

from tests.acceptance.conftest import Simulate
from tests.acceptance.lines import (
    Line,
    changes,
    definition,
    line,
    moves,
    of_topic,
    passthrough,
    refusals,
    seen,
    track,
)

pytestmark = pytest.mark.acceptance

LATER = "2025-07-01T00:00:00Z"
IDENTITY = {"high_confidence": ["user_id", "email", "customer_id"]}
NOTHING_DEFINED: dict[str, Any] = {"audiences": [], "identity": IDENTITY}
C42 = {"customer_id": "c42"}
C43 = {"customer_id": "c43"}

QUALIFY = passthrough("2025-06-02T07:57:51Z", "qualify", "audience_1", ts=1748851070, identifiers=C42)
DISQUALIFY = passthrough("2025-06-02T08:57:51Z", "disqualify", "audience_1", ts=1748854670, identifiers=C42)
LATE = passthrough("2025-06-02T09:00:00Z", "qualify", "audience_1", ts=1748852000, identifiers=C42)
AGAIN = passthrough("2025-06-02T09:57:51Z", "qualify", "audience_1", ts=1748858270, identifiers=C42)


def external_ids(change: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["type"], one["id"]) for one in change["value"]["context"]["externalIds"]}


def customer(customer_id: str) -> dict[str, Any]:
    """The context that names a customer."""
    entry = {"id": customer_id, "type": "customer_id", "collection": "users", "encoding": "none"}
    return {"externalIds": [entry]}


# --- P-19: order ------------------------------------------------------------------------------------------


def test_p_19_qualify_enters(simulate: Simulate) -> None:
    outputs = simulate(NOTHING_DEFINED, [QUALIFY], LATER)

    assert seen(outputs) == ["ENTER audience_1 [customer_id c42] @2025-06-02T07:57:51Z"]
    assert changes(outputs)[0]["value"]["context"]["audience"]["reason"] == "passthrough"


def test_p_19_the_same_event_again_changes_nothing(simulate: Simulate) -> None:
    again = {**QUALIFY, "at": "2025-06-02T08:00:00Z"}

    outputs = simulate(NOTHING_DEFINED, [QUALIFY, again], LATER)

    assert moves(outputs) == ["ENTER audience_1"]
    assert len(of_topic(outputs, "resolved-events")) == 1, "a hash of its content is its messageId"


def test_p_19_a_qualification_that_is_another_message_is_accepted_and_changes_nothing(
    simulate: Simulate,
) -> None:
    other = passthrough("2025-06-02T08:00:00Z", "qualify", "audience_1", ts=1748851200, identifiers=C42)

    outputs = simulate(NOTHING_DEFINED, [QUALIFY, other], LATER)

    assert moves(outputs) == ["ENTER audience_1"]
    assert len(of_topic(outputs, "resolved-events")) == 2


def test_p_19_disqualify_exits(simulate: Simulate) -> None:
    assert seen(simulate(NOTHING_DEFINED, [QUALIFY, DISQUALIFY], LATER)) == [
        "ENTER audience_1 [customer_id c42] @2025-06-02T07:57:51Z",
        "EXIT audience_1 [customer_id c42] @2025-06-02T08:57:51Z",
    ]


def test_p_19_a_late_qualification_is_ignored(simulate: Simulate) -> None:
    outputs = simulate(NOTHING_DEFINED, [QUALIFY, DISQUALIFY, LATE], LATER)

    assert moves(outputs) == ["ENTER audience_1", "EXIT audience_1"]
    assert refusals(outputs) == []


def test_p_19_a_newer_qualification_enters_again(simulate: Simulate) -> None:
    assert seen(simulate(NOTHING_DEFINED, [QUALIFY, DISQUALIFY, LATE, AGAIN], LATER)) == [
        "ENTER audience_1 [customer_id c42] @2025-06-02T07:57:51Z",
        "EXIT audience_1 [customer_id c42] @2025-06-02T08:57:51Z",
        "ENTER audience_1 [customer_id c42] @2025-06-02T09:57:51Z",
    ]


def test_p_19_disqualifying_who_never_was_in_says_nothing(simulate: Simulate) -> None:
    event = passthrough("2025-06-02T08:00:00Z", "disqualify", "audience_1", ts=1748851200, identifiers=C43)

    outputs = simulate(NOTHING_DEFINED, [event], LATER)

    assert [output["topic"] for output in outputs] == ["resolved-events"]


def test_p_19_disqualified_first_a_late_qualification_stays_out(simulate: Simulate) -> None:
    """The state "out" has a time too, even when there never was an "in"."""
    lines = [
        passthrough("2025-06-02T08:00:00Z", "disqualify", "audience_1", ts=1748851200, identifiers=C43),
        passthrough("2025-06-02T08:01:00Z", "qualify", "audience_1", ts=1748851000, identifiers=C43),
    ]

    assert moves(simulate(NOTHING_DEFINED, lines, LATER)) == []


def test_p_19_of_one_second_the_later_arrival_wins(simulate: Simulate) -> None:
    lines = [
        passthrough("2025-06-02T08:00:00Z", action, "audience_1", ts=1748851070, identifiers=C42)
        for action in ("qualify", "disqualify")
    ]

    assert moves(simulate(NOTHING_DEFINED, lines, LATER)) == ["ENTER audience_1", "EXIT audience_1"]


@pytest.mark.parametrize(
    ("message_ids", "expected"),
    [
        ((None, None, None), ["ENTER audience_1", "EXIT audience_1"]),
        (("m1", "m2", "m3"), ["ENTER audience_1", "EXIT audience_1", "ENTER audience_1"]),
    ],
    ids=["by_content", "by_message_id"],
)
def test_p_19_back_and_forth_in_one_second(
    simulate: Simulate, message_ids: tuple[str | None, ...], expected: list[str]
) -> None:
    """Without ids the third has the first's content and is its duplicate; own ids tell them apart."""
    actions = ("qualify", "disqualify", "qualify")
    lines = [
        passthrough(
            "2025-06-02T08:00:00Z",
            action,
            "audience_1",
            ts=1748851070,
            identifiers=C42,
            message_id=message_id,
        )
        for action, message_id in zip(actions, message_ids, strict=True)
    ]

    assert moves(simulate(NOTHING_DEFINED, lines, LATER)) == expected


# --- P-20: refusals, and no identity resolution -----------------------------------------------------------

REFUSED = {
    "two_identifiers": ({"identifiers": {"customer_id": "c42", "email": "x@y.z"}}, "identifier_count"),
    "no_identifier": ({"identifiers": {}}, "identifier_count"),
    "device_id": ({"identifiers": {"anonymous_id": "a1"}}, "identifier_not_high_confidence"),
    "unknown_action": ({"action": "enter"}, "unknown_action"),
    "word_for_a_time": ({"data": {"audience_id": "audience_1", "ts": "yesterday"}}, "ts_invalid"),
    "milliseconds": ({"data": {"audience_id": "audience_1", "ts": 1748851070000}}, "ts_invalid"),
    "no_time": ({"data": {"audience_id": "audience_1"}}, "ts_invalid"),
    "no_audience": ({"data": {"ts": 1748851070}}, "audience_id_missing"),
    "empty_audience": ({"data": {"audience_id": "", "ts": 1748851070}}, "audience_id_missing"),
}


@pytest.mark.parametrize(("wrong", "reason"), REFUSED.values(), ids=REFUSED)
def test_p_20_refused_with_its_reason_and_without_effect(
    simulate: Simulate, wrong: dict[str, Any], reason: str
) -> None:
    refused = line("2025-06-02T07:00:00Z", {**QUALIFY["value"], **wrong}, topic="passthrough-events")

    outputs = simulate(NOTHING_DEFINED, [refused, QUALIFY], LATER)

    assert refusals(outputs) == [reason]
    assert [output["topic"] for output in outputs] == ["dead-letters", "resolved-events", "audience-changes"]
    assert seen(outputs) == ["ENTER audience_1 [customer_id c42] @2025-06-02T07:57:51Z"]


def test_p_20_a_known_identifier_finds_its_profile_and_adds_nothing(simulate: Simulate) -> None:
    lines = [
        track("2025-06-02T07:00:00Z", "X", user="u1", context={"traits": {"email": "x@y.z"}}),
        passthrough("2025-06-02T08:00:00Z", "qualify", "audience_2", ts=1748851200, identifiers={"email": "x@y.z"}),
    ]

    outputs = simulate(NOTHING_DEFINED, lines, LATER)

    assert seen(outputs) == ["ENTER audience_2 [u1] @2025-06-02T08:00:00Z"]
    assert external_ids(changes(outputs)[0]) == {("user_id", "u1"), ("email", "x@y.z")}
    assert len({output["key"] for output in of_topic(outputs, "resolved-events")}) == 1
    assert of_topic(outputs, "profile-merges") == []


def test_p_20_an_unknown_identifier_gets_a_profile_which_others_may_join(simulate: Simulate) -> None:
    lines = [
        passthrough("2025-06-02T08:00:00Z", "qualify", "audience_2", ts=1748851200, identifiers={"customer_id": "c99"}),
        track("2025-06-02T09:00:00Z", "X", user="u9", context=customer("c99")),
        passthrough(
            "2025-06-02T10:00:00Z",
            "disqualify",
            "audience_2",
            ts=1748858400,
            identifiers={"customer_id": "c99"},
        ),
    ]

    outputs = simulate(NOTHING_DEFINED, lines, LATER)

    assert seen(outputs) == [
        "ENTER audience_2 [customer_id c99] @2025-06-02T08:00:00Z",
        "EXIT audience_2 [u9] @2025-06-02T10:00:00Z",
    ]
    assert external_ids(changes(outputs)[0]) == {("customer_id", "c99")}
    assert len({output["key"] for output in of_topic(outputs, "resolved-events")}) == 1
    assert of_topic(outputs, "profile-merges") == []


# --- P-21: registered definitions -------------------------------------------------------------------------


def vip(at: str, description: str) -> Line:
    document = {
        "definition": {"external": {"external_audience_id": "audience_1"}},
        "description": description,
    }
    return definition(at, "vip", document)


VIP = {
    "audiences": [{"key": "vip", "definition": {"external": {"external_audience_id": "audience_1"}}}],
    "identity": IDENTITY,
}


def test_p_21_outputs_carry_the_registered_key(simulate: Simulate) -> None:
    outputs = simulate(VIP, [QUALIFY, DISQUALIFY], LATER)

    assert moves(outputs) == ["ENTER vip", "EXIT vip"]
    value = changes(outputs)[0]["value"]
    assert value["properties"] == {"audience_key": "vip", "vip": True}
    assert value["context"]["personas"]["computation_key"] == "vip"


def test_p_21_the_document_of_the_segments_api_registers_as_well(simulate: Simulate) -> None:
    """Its three fields and no key of its own: the key is the record's."""
    document = {
        "definition": {"external": {"external_audience_id": "audience_1"}},
        "description": "Some description",
        "metadata": {},
    }
    record = line("2025-06-01T00:00:00Z", document, topic="definitions", key="audience:vip")

    outputs = simulate(NOTHING_DEFINED, [record, QUALIFY], LATER)

    assert refusals(outputs) == []
    assert moves(outputs) == ["ENTER vip"]


def test_p_21_an_edit_raises_the_revision_and_keeps_the_membership(simulate: Simulate) -> None:
    lines = [
        vip("2025-06-01T00:00:00Z", "d"),
        QUALIFY,
        vip("2025-06-02T08:00:00Z", "d, but better"),
        DISQUALIFY,
    ]

    outputs = simulate(NOTHING_DEFINED, lines, LATER)

    assert moves(outputs) == ["ENTER vip", "EXIT vip"]
    before, since = (change["value"]["context"]["audience"]["revision"] for change in changes(outputs))
    assert since == before + 1


def test_p_21_only_who_qualified_is_in(simulate: Simulate) -> None:
    """The membership is a boolean trait of that key: true for c42, false, not absent, for c43."""
    queries = [
        {"key": "is_vip", "query": "trait('vip') = true"},
        {"key": "no_vip", "query": "trait('vip') = false"},
    ]
    definitions = {"audiences": [*VIP["audiences"], *queries], "identity": IDENTITY}
    lines = [
        QUALIFY,
        track("2025-06-02T08:00:00Z", "X", user="u42", context=customer("c42")),
        track("2025-06-02T08:00:00Z", "X", user="u43", context=customer("c43")),
    ]

    assert seen(simulate(definitions, lines, LATER)) == [
        "ENTER vip [customer_id c42] @2025-06-02T07:57:51Z",
        "ENTER is_vip [u42] @2025-06-02T08:00:00Z",
        "ENTER no_vip [u43] @2025-06-02T08:00:00Z",
    ]


def test_an_unregistered_membership_is_a_trait_once_it_was_one(simulate: Simulate) -> None:
    """True when in, false after an exit, and before the first word of it absent."""
    queries = [
        {"key": "in_it", "query": "trait('audience_1') = true"},
        {"key": "never", "query": "trait('audience_1').absent()"},
        {"key": "was_in", "query": "trait('audience_1') = false"},
    ]
    lines = [
        track("2025-06-02T07:00:00Z", "X", user="u42", context=customer("c42")),
        QUALIFY,
        DISQUALIFY,
    ]

    assert moves(simulate({"audiences": queries, "identity": IDENTITY}, lines, LATER)) == [
        "ENTER never",
        "ENTER audience_1",
        "ENTER in_it",
        "EXIT never",
        "EXIT audience_1",
        "EXIT in_it",
        "ENTER was_in",
    ]


def test_passthrough_memberships_emit_for_anyone(simulate: Simulate) -> None:
    """A profile of a customer id alone is in no query audience, but its passthrough membership is told."""
    definitions = {
        "audiences": [{"key": "is_in", "query": "trait('audience_1') = true"}],
        "identity": IDENTITY,
    }

    assert moves(simulate(definitions, [QUALIFY], LATER)) == ["ENTER audience_1"]


# --- Keys that are taken ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["audiences", "traits"])
def test_the_key_of_something_computed_is_reserved(simulate: Simulate, kind: str) -> None:
    query = "event('X').count()" + (" >= 1" if kind == "audiences" else "")
    definitions = {kind: [{"key": "audience_1", "query": query}], "identity": IDENTITY}

    outputs = simulate(definitions, [QUALIFY], LATER)

    assert refusals(outputs) == ["reserved_key"]
    assert moves(outputs) == []


def test_an_unknown_audience_is_refused_where_that_is_asked_for(simulate: Simulate) -> None:
    settings = {"AW_REQUIRE_EXTERNAL_DEFINITION": "true"}
    other = passthrough("2025-06-02T08:00:00Z", "qualify", "audience_9", ts=1748851200, identifiers=C42)

    outputs = simulate(VIP, [QUALIFY, other], LATER, settings=settings)

    assert refusals(outputs) == ["unknown_audience"]
    assert moves(outputs) == ["ENTER vip"]
