"""Priority, limits, caps, blocked values and keys; and how a definition document becomes rules."""

import json
from typing import Any

import pytest

from consumers.definitions import interpret
from tests.people import identifier, words
from worker.identity.rules import DAY_MS, DEFAULT_CAPS, Caps, Limit, Rules, spellings

pytestmark = pytest.mark.unit


def rules_of(*, caps: Caps = DEFAULT_CAPS, **document: Any) -> Rules:
    rules = interpret("identity", json.dumps(document).encode(), caps=caps)
    assert isinstance(rules, Rules)
    return rules


# --- Limits and priority ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [Rules(), rules_of()], ids=["of_no_document", "of_an_empty_document"])
def test_by_default_a_profile_has_one_user_id_and_five_of_everything_else(rules: Rules) -> None:
    assert [rules.limit(kind) for kind in ("user_id", "email", "anonymous_id", "never_seen")] == [
        Limit(1),
        Limit(5),
        Limit(5),
        Limit(5),
    ]
    assert rules.caps == Caps(merges_max=100, mappings_max=1000)


@pytest.mark.parametrize("rules", [Rules(), rules_of()], ids=["of_no_document", "of_an_empty_document"])
def test_by_default_user_id_and_email_come_first_and_a_new_type_reshuffles_the_others(rules: Rules) -> None:
    def ranked(*kinds: str) -> list[str]:
        return sorted(kinds, key=rules.rank)

    assert ranked("ga_client_id", "anonymous_id", "email", "user_id") == [
        "user_id",
        "email",
        "anonymous_id",
        "ga_client_id",
    ]
    assert ranked("ga_client_id", "anonymous_id", "android.id")[0] == "android.id"


def test_a_document_says_limits_periods_and_by_its_order_priority() -> None:
    rules = rules_of(
        identifiers=[
            {"type": "email", "limit": 2, "period": "weekly"},
            {"type": "user_id", "limit": 3, "period": "monthly"},
            {"type": "phone", "limit": 4, "period": "annually"},
            {"type": "app_id", "limit": 7, "period": "ever"},
        ]
    )

    assert [rules.limit(kind) for kind in ("email", "user_id", "phone", "app_id")] == [
        Limit(2, 7 * DAY_MS),
        Limit(3, 30 * DAY_MS),
        Limit(4, 365 * DAY_MS),
        Limit(7),
    ]
    kinds = ["anonymous_id", "app_id", "phone", "user_id", "email", "android.id"]
    assert sorted(kinds, key=rules.rank) == ["email", "user_id", "phone", "app_id", "android.id", "anonymous_id"]


def test_a_listed_type_without_a_limit_has_its_default() -> None:
    rules = rules_of(identifiers=[{"type": "phone"}, {"type": "user_id"}])

    assert (rules.limit("phone"), rules.limit("user_id")) == (Limit(5), Limit(1))


def test_a_type_that_a_document_does_not_list_has_five_for_ever() -> None:
    rules = rules_of(identifiers=[{"type": "user_id", "limit": 1}])

    assert (rules.limit("email"), rules.limit("phone")) == (Limit(5), Limit(5))


def test_caps_are_the_same_under_every_document() -> None:
    assert rules_of(caps=Caps(2, 3)).caps == rules_of(caps=Caps(2, 3), blocked_values=[]).caps == Caps(2, 3)


def test_identifiers_are_ordered_by_priority_and_within_a_type_as_extracted() -> None:
    found = ["email:b", "z:1", "user_id:u", "email:a", "z:1", "a:1"]

    assert words(Rules().ordered([identifier(one) for one in found])) == [
        "user_id:u",
        "email:b",
        "email:a",
        "a:1",
        "z:1",
    ]


@pytest.mark.parametrize(
    ("found", "ordered"),
    [
        (["user_id:u", "anonymous_id:a"], ["user_id:u", "anonymous_id:a"]),
        (["anonymous_id:a", "user_id:u"], ["user_id:u", "anonymous_id:a"]),
        (["email:a", "email:a"], ["email:a"]),
        (["email:b", "email:a"], ["email:b", "email:a"]),
    ],
)
def test_two_identifiers_are_ordered_like_many(found: list[str], ordered: list[str]) -> None:
    assert words(Rules().ordered([identifier(one) for one in found])) == ordered


# --- Blocked values -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["", "0", "000", "---", "00000000-0000-0000-0000-000000000000", "-1", "null", "anonymous"]
)
def test_what_is_blocked_by_default(value: str) -> None:
    assert Rules().blocked(value)
    assert rules_of().blocked(value)


@pytest.mark.parametrize(
    "value", ["-10", "Null", "NULL", "Anonymous", "anonymous1", "0a", "00000000-0000-0000-0000-000000000001"]
)
def test_exact_means_exact_case_included(value: str) -> None:
    assert not Rules().blocked(value)


def test_a_list_of_ones_own_replaces_the_default() -> None:
    assert not rules_of(blocked_values=[]).blocked("null")
    own = rules_of(blocked_values=["void", {"pattern": "^test"}, -1])
    assert [own.blocked(value) for value in ("void", "test-7", "a test", "-1", "null", "0")] == [
        True,
        True,
        False,
        True,
        False,
        False,
    ]


def test_patterns_have_flags_and_groups_of_their_own() -> None:
    """Joined into one expression the first was no expression at all, and the third meant another group."""
    rules = rules_of(blocked_values=[{"pattern": "^(x)y$"}, {"pattern": "(?i)^void$"}, {"pattern": r"^(.)\1+$"}])

    assert [rules.blocked(value) for value in ("VOID", "aaaa", "abab", "xy")] == [True, True, False, True]


# --- Keys ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "both"),
    [
        ("app_id", {"app_id", "appId"}),
        ("appId", {"app_id", "appId"}),
        ("userID", {"userID", "user_id", "userId"}),
        ("loyaltyCardNumber", {"loyaltyCardNumber", "loyalty_card_number"}),
        ("phone", {"phone"}),
    ],
)
def test_a_key_is_matched_in_both_spellings(key: str, both: set[str]) -> None:
    assert set(spellings(key)) == both


def test_a_key_may_be_read_as_several_types() -> None:
    rules = rules_of(identifiers=[{"type": "a", "key": "app_id"}, {"type": "b", "key": "appId"}])

    assert set(rules.keys) == {("app_id", "a"), ("appId", "a"), ("app_id", "b"), ("appId", "b")}
