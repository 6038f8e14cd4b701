"""The identity oracle on limits, periods, caps and memberships, worked out by hand.

Source: Segment, "Identity Resolution Settings", "Unify limits"; docs/decisions.md, "Identity".
"""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.property.identity_cases import START_MS, iso
from tests.property.identity_examples import call, entry, graph, identify, merges, played, received, violations, whose
from tests.property.identity_oracle import (
    MAPPING_LIMIT,
    MERGE_LIMIT,
    TIME_LIMIT,
    VALUE_BLOCKED,
    VALUE_LIMIT,
    Caps,
    Received,
    outcomes,
)
from tests.property.identity_oracle_memberships import Count, Transition, transitions
from tests.property.identity_oracle_values import DAY_MS, Rule, Rules

pytestmark = pytest.mark.property


# --- Demotion ---------------------------------------------------------------------------------------------

EMAILS_FIRST = Rules((Rule("user_id", limit=1), Rule("email", limit=1), Rule("anonymous_id", limit=5)))


def test_demoted_is_the_lowest_on_the_event_whatever_type_is_exceeded() -> None:
    """The second address is too much, but the anonymous id goes first, then the address."""
    found = played(
        identify("a@x.io", user="u1"),
        identify("b@x.io", user="u1", visitor="a1"),
        call(visitor="a1"),
        rules=EMAILS_FIRST,
    )

    assert whose(found) == [0, 0, 2]
    assert graph(found) == {0: {("user_id", "u1"), ("email", "a@x.io")}, 2: {("anonymous_id", "a1")}}
    assert violations(found) == [(1, [VALUE_LIMIT, VALUE_LIMIT])]


def test_of_several_of_a_type_the_last_found_goes_first() -> None:
    found = played(
        call("identify", user="u1", traits={"email": "a@x.io"}, context={"traits": {"email": "b@x.io"}}),
        rules=EMAILS_FIRST,
    )

    assert graph(found) == {0: {("user_id", "u1"), ("email", "a@x.io")}}


def test_the_search_begins_anew_after_each_demotion() -> None:
    """With the shared visitor gone nothing leads to the first person any more."""
    rules = Rules((Rule("user_id", limit=1), Rule("phone", limit=1), Rule("anonymous_id", limit=5)))
    found = played(
        call(user="u1", visitor="a1"),
        call(user="u2", visitor="a1", context={"externalIds": [entry("phone", "1")]}),
        rules=rules,
    )

    assert graph(found) == {
        0: {("user_id", "u1"), ("anonymous_id", "a1")},
        1: {("user_id", "u2"), ("phone", "1")},
    }


def test_three_become_one() -> None:
    found = played(
        call(visitor="a1"),
        call(user="u1"),
        call(user="anonymous", context={"traits": {"email": "a@x.io"}}),
        call(user="u1", visitor="a1", context={"traits": {"email": "a@x.io"}}),
    )

    assert merges(found) == [(3, 1, 0), (3, 2, 0)]
    assert found[-1].resolved().merges == 2


# --- Sliding limits ---------------------------------------------------------------------------------------

WEEKLY = Rules((Rule("user_id", limit=1), Rule("email", limit=1, period="weekly")))


@pytest.mark.parametrize(
    ("days_later", "more_ms", "added"), [(6, 0, False), (7, -1, False), (7, 0, True), (7, 1, True), (8, 0, True)]
)
def test_a_value_counts_for_its_period(days_later: int, more_ms: int, added: bool) -> None:
    log = [
        Received(START_MS, identify("a@x.io", user="u1")),
        Received(START_MS + days_later * DAY_MS + more_ms, identify("b@x.io", user="u1")),
    ]

    found = outcomes(WEEKLY, log)

    assert (("email", "b@x.io") in graph(found)[0]) is added
    assert violations(found) == ([] if added else [(1, [TIME_LIMIT])])


def test_a_late_event_also_sees_what_was_mapped_after_it() -> None:
    late = {**identify("b@x.io", user="u1"), "timestamp": iso(START_MS - 90 * DAY_MS)}
    log = [Received(START_MS, identify("a@x.io", user="u1")), Received(START_MS + 30 * DAY_MS, late)]

    assert violations(outcomes(WEEKLY, log)) == [(1, [TIME_LIMIT])]


def test_a_late_event_that_adds_nothing_exceeds_nothing() -> None:
    """Seen from it two addresses are one too many, but both are there, and profiles are never split."""
    both = {**identify("a@x.io", user="u1"), "timestamp": iso(START_MS + DAY_MS)}
    log = [
        Received(START_MS, identify("a@x.io", user="u1")),
        Received(START_MS + 10 * DAY_MS, identify("b@x.io", user="u1")),
        Received(START_MS + 11 * DAY_MS, both),
    ]

    assert violations(outcomes(WEEKLY, log)) == []


def test_where_limits_of_both_kinds_are_exceeded_either_may_be_told() -> None:
    rules = Rules((Rule("user_id", limit=1), Rule("email", limit=1, period="weekly"), Rule("phone", limit=1)))
    found = played(
        call(user="u1", properties={"email": "a@x.io"}, context={"externalIds": [entry("phone", "1")]}),
        call(user="u1", properties={"email": "b@x.io"}, context={"externalIds": [entry("phone", "2")]}),
        rules=rules,
    )

    assert violations(found) == [(1, [f"{VALUE_LIMIT}/{TIME_LIMIT}", TIME_LIMIT])]


# --- Rules that change ------------------------------------------------------------------------------------

LOOSE = Rules((Rule("user_id", limit=1), Rule("email", limit=5)))
TIGHT = Rules((Rule("user_id", limit=1), Rule("email", limit=1)))


def test_tightened_rules_leave_profiles_as_they_are_and_refuse_additions() -> None:
    two = [identify("a@x.io", user="u1"), identify("b@x.io", user="u1")]
    known, phone, third = (
        identify("a@x.io", user="u1"),
        call(user="u1", context={"externalIds": [entry("phone", "1")]}),
        identify("c@x.io", user="u1"),
    )
    log = received(*two, known, phone, third)

    found = outcomes(LOOSE, [*log[:2], TIGHT, *log[2:]])

    assert whose(found) == [0] * 5
    assert graph(found) == {0: {("user_id", "u1"), ("email", "a@x.io"), ("email", "b@x.io"), ("phone", "1")}}
    assert violations(found) == [(4, [VALUE_LIMIT])]


# --- Caps -------------------------------------------------------------------------------------------------


def test_a_merge_counts_for_itself_and_for_what_the_child_is_made_of() -> None:
    pairs = [call(user=f"u{n}") if n % 2 else call(visitor=f"a{n}") for n in range(4)]
    joined = [call(visitor="a0", user="u1"), call(visitor="a2", user="u3")]
    both = call(visitor="a0", context={"externalIds": [entry("anonymous_id", "a2")]})
    rules = Rules((Rule("user_id", limit=2),))

    within = played(*pairs, *joined, both, rules=rules, caps=Caps(merges=3))
    beyond = played(*pairs, *joined, both, rules=rules, caps=Caps(merges=2))

    assert merges(within) == [(4, 1, 0), (5, 3, 2), (6, 2, 0)]
    assert within[-1].resolved().merges == 3
    assert merges(beyond) == [(4, 1, 0), (5, 3, 2)]
    assert violations(beyond) == [(6, [MERGE_LIMIT])]
    assert whose(beyond)[-1] == 0


def test_a_refused_merge_goes_to_the_highest_identifier_that_has_a_profile() -> None:
    """The user id is new and has none; it finds room beside the address, which is next."""
    found = played(
        call(visitor="a1"),
        call(user="anonymous", properties={"email": "a@x.io"}),
        call(user="u1", visitor="a1", properties={"email": "a@x.io"}),
        caps=Caps(merges=0),
    )

    assert whose(found) == [0, 1, 1]
    assert graph(found) == {0: {("anonymous_id", "a1")}, 1: {("email", "a@x.io"), ("user_id", "u1")}}
    assert violations(found) == [(1, [VALUE_BLOCKED]), (2, [MERGE_LIMIT])]


def test_at_the_cap_of_mappings_events_still_resolve() -> None:
    found = played(
        call(user="u1", visitor="a1"),
        call(user="u1", visitor="a2"),
        call(visitor="a2"),
        call(visitor="a1", properties={"email": "a@x.io"}),
        caps=Caps(mappings=2),
    )

    assert whose(found) == [0, 0, 2, 0]
    assert graph(found) == {0: {("user_id", "u1"), ("anonymous_id", "a1")}, 2: {("anonymous_id", "a2")}}
    assert violations(found) == [(1, [MAPPING_LIMIT]), (3, [MAPPING_LIMIT])]


def test_room_is_given_by_priority() -> None:
    found = played(call(user="u1", visitor="a1", properties={"email": "a@x.io"}), caps=Caps(mappings=2))

    assert graph(found) == {0: {("user_id", "u1"), ("email", "a@x.io")}}


def test_a_merge_that_has_too_many_mappings_is_refused() -> None:
    found = played(
        call(visitor="a1", properties={"email": "a@x.io"}),
        call(user="u1", visitor="a2"),
        call(user="u1", visitor="a1"),
        caps=Caps(mappings=3),
    )

    assert whose(found) == [0, 1, 1]
    assert merges(found) == []
    assert violations(found) == [(2, [MAPPING_LIMIT])]


# --- Memberships ------------------------------------------------------------------------------------------


def changes(audience: Count, *calls: Mapping[str, Any]) -> list[list[tuple[int, int, str, int | None]]]:
    """Of each event: whose, which transition, why, and into whom."""

    def compact(one: Transition) -> tuple[int, int, str, int | None]:
        return one.profile, one.number, one.reason, one.merged_into

    found = transitions({"x": audience}, calls, played(*calls))
    return [[compact(one) for one in [*exits, *others]] for exits, others in found]


TWO_SIDES = [
    call(event="X", visitor="a1", user="u1"),
    call(event="X", visitor="a2"),
    call(event="X", visitor="a2", user="u1"),
]


def test_the_events_of_both_halves_count_at_once() -> None:
    assert changes(Count(">=", 3), *TWO_SIDES) == [[], [], [(0, 1, "merge", None)]]


def test_a_merged_away_member_leaves_once_and_the_survivor_stays() -> None:
    found = changes(Count(">=", 1, include_anonymous=True), *TWO_SIDES)

    assert found == [[(0, 1, "event", None)], [(1, 1, "event", None)], [(1, 2, "merge", 0)]]


def test_a_survivor_can_leave_by_what_the_other_did() -> None:
    assert changes(Count("=", 1), *TWO_SIDES) == [[(0, 1, "event", None)], [], [(0, 2, "merge", None)]]


def test_what_an_anonymous_visitor_did_counts_once_he_is_known() -> None:
    found = changes(Count(">=", 1), call(event="X", visitor="a1"), call(event="Y", visitor="a1", user="u1"))

    assert found == [[], [(0, 1, "event", None)]]
