"""Whose event it is: the walkthroughs of the documentation, and every corner of the limits."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pytest

from tests.people import DAY, People, candidate, told, words
from worker.identity.resolve import Candidate, Resolution, ViolationKind
from worker.identity.rules import PERIODS_MS, Limit, Rules

pytestmark = pytest.mark.unit

DEFAULT = Rules()
NOW = 1_000 * DAY


# --- The walkthroughs of the documentation ------------------------------------------------------------------


def test_walkthrough_an_email_collision_protects_the_user_id() -> None:
    people = People()
    people.take("user_id:abc123", "email:jane@example1.com", rules=DEFAULT)

    resolution = people.take("user_id:abc456", "email:jane@example1.com", rules=DEFAULT)

    assert people.shown() == [["email:jane@example1.com", "user_id:abc123"], ["user_id:abc456"]]
    assert told(resolution) == ["email:jane@example1.com Identifier value limit exceeded"]
    later = people.decide("anonymous_id:z9", "email:jane@example1.com", rules=DEFAULT)
    assert later.profile == candidate(1, "user_id:abc123", "email:jane@example1.com")


def test_walkthrough_a_device_that_is_not_reset_on_logout() -> None:
    people = People()
    people.take("anonymous_id:a1", rules=DEFAULT)
    people.take("user_id:u1", "anonymous_id:a1", rules=DEFAULT)
    resolution = people.take("user_id:u2", "anonymous_id:a1", rules=DEFAULT)

    assert people.shown() == [["anonymous_id:a1", "user_id:u1"], ["user_id:u2"]]
    assert told(resolution) == ["anonymous_id:a1 Identifier value limit exceeded"]

    people.take("anonymous_id:a1", rules=DEFAULT)
    people.take("user_id:u2", "anonymous_id:a1", rules=DEFAULT)
    assert people.shown() == [["anonymous_id:a1", "user_id:u1"], ["user_id:u2"]]
    assert [one.merges for one in people.profiles.values()] == [0, 0]


def test_walkthrough_a_legitimate_merge_into_the_profile_that_was_created_first() -> None:
    people = People()
    people.take("anonymous_id:5285bc35", rules=DEFAULT, at_ms=1)
    people.take("anonymous_id:5285bc35", "email:jane.kim@segment.com", rules=DEFAULT, at_ms=2)
    people.take("anonymous_id:b50e18a5", rules=DEFAULT, at_ms=3)

    resolution = people.take("anonymous_id:b50e18a5", "email:jane.kim@segment.com", rules=DEFAULT, at_ms=4)

    assert people.shown() == [["anonymous_id:5285bc35", "anonymous_id:b50e18a5", "email:jane.kim@segment.com"]]
    assert resolution.children == (candidate(2, "anonymous_id:b50e18a5", born=3),)
    assert (resolution.mapped, resolution.violations) == ((), ())
    assert [(one.born_ms, one.merges) for one in people.profiles.values()] == [(1, 1)]


def test_walkthrough_across_devices_and_apps() -> None:
    people = People()
    people.take("anonymous_id:anon_123", "ios.id:ios_abc123", rules=DEFAULT)
    people.take("anonymous_id:anon_123", "ios.id:ios_abc123", "user_id:abc123def", rules=DEFAULT)
    people.take("anonymous_id:anon_456", "android.id:and_1a2b3c4d", "user_id:abc123def", rules=DEFAULT)
    people.take("anonymous_id:anon_789", "android.id:and_1a2b3c4d", "user_id:abc123def", rules=DEFAULT)

    assert people.shown() == [
        [
            "android.id:and_1a2b3c4d",
            "anonymous_id:anon_123",
            "anonymous_id:anon_456",
            "anonymous_id:anon_789",
            "ios.id:ios_abc123",
            "user_id:abc123def",
        ]
    ]
    assert [one.merges for one in people.profiles.values()] == [0]


def test_walkthrough_a_visitor_who_signs_up() -> None:
    people = People()
    people.take("anonymous_id:anon_123", rules=DEFAULT)
    resolution = people.take("user_id:use_123", "anonymous_id:anon_123", rules=DEFAULT)

    assert words(resolution.mapped) == ["user_id:use_123"]
    assert people.shown() == [["anonymous_id:anon_123", "user_id:use_123"]]


def test_walkthrough_a_shared_tablet_does_not_blob_its_users_together() -> None:
    people = People()
    for number in range(20):
        people.take(f"user_id:u{number}", "ios.id:shared", rules=DEFAULT)

    assert people.shown() == [["ios.id:shared", "user_id:u0"], *([f"user_id:u{number}"] for number in range(1, 20))]


# --- Limits -------------------------------------------------------------------------------------------------


class Case(NamedTuple):
    """``has``: the profiles that are there, born in this order; ``into``: who takes the event, None: a new one."""

    has: Mapping[int, list[str]]
    event: list[str]
    into: int | None
    mapped: Sequence[str] = ()
    demoted: Sequence[str] = ()
    children: tuple[int, ...] = ()
    rules: Rules = DEFAULT


def check(case: Case) -> Resolution:
    people = People(*[candidate(name, *has, born=name) for name, has in case.has.items()])
    resolution = people.decide(*case.event, rules=case.rules)

    into = None if resolution.profile is None else number(resolution.profile)
    assert (into, tuple(map(number, resolution.children))) == (case.into, case.children)
    assert words(resolution.mapped) == list(case.mapped)
    assert words(resolution.demoted) == list(case.demoted)
    return resolution


def number(one: Candidate) -> int:
    return int.from_bytes(one.profile, "big")


FIVE_EMAILS = ["email:e1", "email:e2", "email:e3", "email:e4", "email:e5"]
TWO_USERS = Rules(limits={"user_id": Limit(2), "email": Limit(5)})

LIMITS = {
    "nobody_is_known": Case({}, ["user_id:u1", "email:e1"], None, mapped=["user_id:u1", "email:e1"]),
    "all_are_known_to_one": Case({1: ["user_id:u1", "email:e1"]}, ["user_id:u1", "email:e1"], 1),
    "one_is_new": Case({1: ["user_id:u1"]}, ["user_id:u1", "email:e1"], 1, mapped=["email:e1"]),
    "only_the_lowest_is_known": Case({1: ["b:1"]}, ["user_id:u1", "b:1"], 1, mapped=["user_id:u1"]),
    "the_fifth_value_is_taken": Case(
        {1: ["user_id:u1", *FIVE_EMAILS[:4]]}, ["user_id:u1", "email:e5"], 1, mapped=["email:e5"]
    ),
    "the_sixth_is_not": Case({1: ["user_id:u1", *FIVE_EMAILS]}, ["user_id:u1", "email:e6"], 1, demoted=["email:e6"]),
    "what_the_profile_has_already_goes_for_this_event_too": Case(
        {1: ["user_id:u1", "z:1", *FIVE_EMAILS]},
        ["user_id:u1", "email:e6", "z:1"],
        1,
        demoted=["email:e6", "z:1"],
    ),
    "the_last_extracted_of_a_type_goes_first": Case(
        {}, ["email:e6", *FIVE_EMAILS], None, mapped=["email:e6", *FIVE_EMAILS[:4]], demoted=["email:e5"]
    ),
    "new_values_count_one_by_one": Case(
        {1: ["user_id:u1", "b:1", "b:2", "b:3"]},
        ["user_id:u1", "b:4", "b:5", "b:6"],
        1,
        mapped=["b:4", "b:5"],
        demoted=["b:6"],
    ),
    "two_user_ids_on_one_event": Case(
        {}, ["user_id:u1", "user_id:u2"], None, mapped=["user_id:u1"], demoted=["user_id:u2"]
    ),
    "what_ranks_below_a_second_user_id_goes_before_it": Case(
        {}, ["user_id:u1", "user_id:u2", "email:e1"], None, mapped=["user_id:u1"], demoted=["user_id:u2", "email:e1"]
    ),
    "the_lowest_on_the_event_goes_be_it_in_the_way_or_not": Case(
        {1: ["user_id:u1", "email:e1"]},
        ["user_id:u2", "email:e1", "z:new"],
        None,
        mapped=["user_id:u2"],
        demoted=["email:e1", "z:new"],
    ),
    "no_more_goes_than_must": Case(
        {1: ["user_id:u1", "b:1"]},
        ["user_id:u2", "email:e2", "a:new", "b:1"],
        None,
        mapped=["user_id:u2", "email:e2", "a:new"],
        demoted=["b:1"],
    ),
    "unlisted_types_go_from_the_end_of_the_alphabet": Case(
        {1: ["user_id:u1", "b:1"], 2: ["user_id:u2", "a:1"]}, ["b:1", "a:1"], 2, demoted=["b:1"]
    ),
    "profiles_that_no_limit_keeps_apart_merge": Case(
        {1: ["user_id:u1"], 2: ["b:1"]}, ["user_id:u1", "b:1"], 1, children=(2,)
    ),
    "profiles_with_a_user_id_each_do_not": Case(
        {1: ["user_id:u1", "b:1"], 2: ["user_id:u2"]}, ["user_id:u2", "b:1"], 2, demoted=["b:1"]
    ),
    "of_three_profiles_the_one_in_the_way_stays_out": Case(
        {1: ["user_id:u1", "c:1"], 2: ["user_id:u2"], 3: ["b:1"]},
        ["user_id:u2", "b:1", "c:1"],
        2,
        demoted=["c:1"],
        children=(3,),
    ),
    "a_merge_and_a_new_identifier_at_once": Case(
        {1: ["user_id:u1"], 2: ["b:1"]}, ["user_id:u1", "a:new", "b:1"], 1, mapped=["a:new"], children=(2,)
    ),
    "a_merge_counts_the_values_of_both_and_the_new_ones": Case(
        {1: ["user_id:u1", "a:1", "a:2", "a:3"], 2: ["b:1", "a:4", "a:5"]},
        ["user_id:u1", "a:6", "b:1"],
        1,
        mapped=["a:6"],
        demoted=["b:1"],
    ),
    "a_looser_limit_lets_a_second_user_in": Case(
        {1: ["user_id:u1", "email:e1"]}, ["user_id:u2", "email:e1"], 1, mapped=["user_id:u2"], rules=TWO_USERS
    ),
    "but_not_a_third": Case(
        {1: ["user_id:u1", "email:e1"]},
        ["user_id:u2", "user_id:u3", "email:e1"],
        None,
        mapped=["user_id:u2", "user_id:u3"],
        demoted=["email:e1"],
        rules=TWO_USERS,
    ),
}


@pytest.mark.parametrize("case", LIMITS.values(), ids=LIMITS)
def test_limits_are_those_of_the_would_be_profile(case: Case) -> None:
    assert {kind for kind, _ in check(case).violations} <= {ViolationKind.VALUES}


BEYOND = {
    "what_is_known_is_taken": Case({1: ["user_id:u1", "user_id:u2"]}, ["user_id:u2"], 1),
    "another_type_is_added": Case({1: ["user_id:u1", "user_id:u2"]}, ["user_id:u2", "b:1"], 1, mapped=["b:1"]),
    "no_more_of_the_type": Case(
        {1: ["user_id:u1", "user_id:u2"]}, ["user_id:u2", "user_id:u3"], 1, demoted=["user_id:u3"]
    ),
    "a_profile_without_the_type_is_merged_into_it": Case(
        {1: ["user_id:u1", "user_id:u2"], 2: ["b:1"]}, ["user_id:u2", "b:1"], 1, children=(2,)
    ),
    "it_is_merged_into_an_older_one_without_the_type": Case(
        {1: ["b:1"], 2: ["user_id:u1", "user_id:u2"]}, ["user_id:u2", "b:1"], 1, children=(2,)
    ),
    "a_profile_with_the_type_is_not": Case(
        {1: ["user_id:u1", "user_id:u2"], 2: ["user_id:u3", "b:1"]}, ["user_id:u2", "b:1"], 1, demoted=["b:1"]
    ),
}


@pytest.mark.parametrize("case", BEYOND.values(), ids=BEYOND)
def test_a_profile_beyond_a_limit_that_was_tightened_stays_whole_and_takes_no_more(case: Case) -> None:
    check(case)


# --- Sliding limits -----------------------------------------------------------------------------------------

PERIODS = [("weekly", 7), ("monthly", 30), ("annually", 365)]
EVENT = ["user_id:u1", "b:2"]


def second_value(period: str, *, first_seen_ms: int) -> Resolution:
    """An event with a second value of a type of which one a period is allowed."""
    rules = Rules(limits={"user_id": Limit(1), "b": Limit(1, PERIODS_MS[period])})
    known = candidate(1, "user_id:u1", first_seen={"b:1": first_seen_ms})
    return People(known).decide(*EVENT, rules=rules, at_ms=NOW)


@pytest.mark.parametrize(("period", "days"), PERIODS)
def test_a_value_first_seen_within_the_period_counts(period: str, days: int) -> None:
    resolution = second_value(period, first_seen_ms=NOW - days * DAY + 1)

    assert told(resolution) == ["b:2 Identifier value time limit exceeded"]


@pytest.mark.parametrize(("period", "days"), PERIODS)
def test_a_value_first_seen_a_whole_period_ago_does_not(period: str, days: int) -> None:
    resolution = second_value(period, first_seen_ms=NOW - days * DAY)

    assert words(resolution.mapped) == ["b:2"]


@pytest.mark.parametrize(("period", "days"), PERIODS)
def test_a_value_first_seen_after_a_late_event_counts(period: str, days: int) -> None:
    resolution = second_value(period, first_seen_ms=NOW + 2 * days * DAY)

    assert told(resolution) == ["b:2 Identifier value time limit exceeded"]


def test_a_value_ever_seen_counts_for_ever() -> None:
    assert told(second_value("ever", first_seen_ms=0)) == ["b:2 Identifier value limit exceeded"]


def test_an_old_value_seen_again_does_not_count_again() -> None:
    """Only when it was first seen matters, so that a value that is in use leaves the period too."""
    rules = Rules(limits={"b": Limit(2, PERIODS_MS["weekly"])})
    known = candidate(1, first_seen={"b:old": 0, "b:new": NOW - DAY})

    assert words(People(known).decide("b:old", "b:newer", rules=rules, at_ms=NOW).mapped) == ["b:newer"]


def test_a_merge_counts_what_either_profile_has_seen_within_the_period() -> None:
    rules = Rules(limits={"a": Limit(5), "b": Limit(2, PERIODS_MS["weekly"])})
    known = candidate(1, first_seen={"a:1": 0, "b:1": NOW - DAY})
    recent = candidate(2, first_seen={"a:2": 0, "b:2": NOW - DAY, "b:3": NOW - DAY})
    old = candidate(2, first_seen={"a:2": 0, "b:2": NOW - DAY, "b:3": NOW - 7 * DAY})

    assert told(People(known, recent).decide("a:1", "a:2", rules=rules, at_ms=NOW)) == [
        "a:2 Identifier value time limit exceeded"
    ]
    assert People(known, old).decide("a:1", "a:2", rules=rules, at_ms=NOW).children == (old,)


def test_of_several_limits_that_of_the_highest_priority_is_told() -> None:
    """One merge would pass both."""
    limits = {"a": Limit(1), "b": Limit(1, PERIODS_MS["weekly"])}
    one, other = candidate(1, "a:1", "b:1", "c:1"), candidate(2, "a:2", "b:2", "c:2")

    def violation(rules: Rules) -> ViolationKind:
        return People(one, other).decide("c:1", "c:2", rules=rules).violations[0].kind

    assert violation(Rules(limits=limits)) is ViolationKind.VALUES
    assert violation(Rules(limits=dict(reversed(limits.items())))) is ViolationKind.VALUES_IN_PERIOD
