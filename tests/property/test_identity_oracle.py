"""The identity oracle against walkthroughs that were worked out by hand: what judges the engine is judged itself.

Source: Segment, "Identity Resolution Settings", "Identity Resolution: E-commerce example", "Identity Resolution:
ExternalIDs", "Engage FAQs", "Profiles Sync: Tables"; docs/decisions.md, "Identity".
"""

from typing import Any

import pytest

from tests.property.identity_cases import START_MS
from tests.property.identity_examples import DEFAULT, call, entry, graph, identify, merges, played, violations, whose
from tests.property.identity_oracle import VALUE_BLOCKED, VALUE_LIMIT
from tests.property.identity_oracle_values import Identifier, Pattern, Rule, Rules, identifiers_on

pytestmark = pytest.mark.property


# --- The published walkthroughs ---------------------------------------------------------------------------


def test_an_email_that_somebody_else_has_is_left_to_him() -> None:
    """Two user ids on one profile are too many: the lower-priority e-mail goes, and a new profile is made."""
    found = played(
        identify("jane@example1.com", user="abc123"),
        identify("jane@example1.com", user="abc456"),
        call(visitor="z9", context={"traits": {"email": "jane@example1.com"}}),
    )

    assert whose(found) == [0, 1, 0]
    assert graph(found) == {
        0: {("user_id", "abc123"), ("email", "jane@example1.com"), ("anonymous_id", "z9")},
        1: {("user_id", "abc456")},
    }
    assert merges(found) == []
    assert violations(found) == [(1, [VALUE_LIMIT])]


def test_a_device_that_is_not_reset_stays_with_its_first_user() -> None:
    found = played(
        call(visitor="a1"),
        call(user="u1", visitor="a1"),
        call(user="u2", visitor="a1"),
        call(visitor="a1"),
        call(user="u2", visitor="a1"),
    )

    assert whose(found) == [0, 0, 2, 0, 2]
    assert graph(found) == {0: {("anonymous_id", "a1"), ("user_id", "u1")}, 2: {("user_id", "u2")}}
    assert merges(found) == []
    assert violations(found) == [(2, [VALUE_LIMIT]), (4, [VALUE_LIMIT])]


def test_a_legitimate_merge_goes_into_the_older_profile() -> None:
    found = played(
        call("page", visitor="5285"),
        identify("jane.kim@segment.com", visitor="5285"),
        call("page", visitor="b50e"),
        identify("jane.kim@segment.com", visitor="b50e"),
    )

    assert whose(found) == [0, 0, 2, 0]
    assert merges(found) == [(3, 2, 0)]
    assert graph(found) == {0: {("anonymous_id", "5285"), ("anonymous_id", "b50e"), ("email", "jane.kim@segment.com")}}
    (profile,) = found[-1].profiles
    assert (profile.merges, profile.events) == (1, (0, 1, 2, 3))
    first_mapped = {one.value: mapped_ms - START_MS for one, mapped_ms in profile.identifiers.items()}
    assert first_mapped == {"5285": 0, "jane.kim@segment.com": 1000, "b50e": 2000}


def test_cross_device_and_cross_app_without_a_merge() -> None:
    phone = {"device": {"type": "ios", "id": "ios_abc123"}}
    other_phone = {"device": {"type": "android", "id": "and_1a2b3c4d"}}
    found = played(
        call(visitor="anon_123", context=phone),
        identify(user="abc123def", visitor="anon_123", context=phone),
        identify(user="abc123def", visitor="anon_456", context=other_phone),
        identify(user="abc123def", visitor="anon_789", context=other_phone),
    )

    assert whose(found) == [0, 0, 0, 0]
    assert merges(found) == []
    assert graph(found) == {
        0: {
            ("user_id", "abc123def"),
            ("anonymous_id", "anon_123"),
            ("anonymous_id", "anon_456"),
            ("anonymous_id", "anon_789"),
            ("ios.id", "ios_abc123"),
            ("android.id", "and_1a2b3c4d"),
        }
    }


def test_a_simple_link() -> None:
    found = played(
        call("page", visitor="anon_123"),
        call(user="use_123", visitor="anon_123"),
        call("page", visitor="anon_123"),
    )

    assert whose(found) == [0, 0, 0]
    assert graph(found) == {0: {("anonymous_id", "anon_123"), ("user_id", "use_123")}}


def test_a_shared_tablet_does_not_make_one_person_of_many() -> None:
    tablet = {"device": {"type": "ios", "id": "i1"}}
    found = played(*[call(user=f"u{number}", visitor="a1", context=tablet) for number in range(4)])

    assert whose(found) == [0, 1, 2, 3]
    assert graph(found) == {
        0: {("user_id", "u0"), ("anonymous_id", "a1"), ("ios.id", "i1")},
        **{number: {("user_id", f"u{number}")} for number in (1, 2, 3)},
    }
    assert violations(found) == [(number, [VALUE_LIMIT] * 2) for number in (1, 2, 3)]


def test_blocked_values() -> None:
    zeros = "00000000-0000-0000-0000-000000000000"
    found = played(
        call(user=zeros, visitor="d1"),
        call(user=zeros, visitor="d2"),
        call(user="null", visitor="d3"),
        call(user="anonymous", visitor="d4"),
        call(user="-1", visitor="d5"),
        call(user="-10", visitor="d6"),
        call(user="0"),
    )

    assert whose(found) == [0, 1, 2, 3, 4, 5, None]
    assert graph(found) == {
        **{number: {("anonymous_id", f"d{number + 1}")} for number in range(5)},
        5: {("user_id", "-10"), ("anonymous_id", "d6")},
    }
    assert violations(found) == [(number, [VALUE_BLOCKED]) for number in (0, 1, 2, 3, 4, 6)]


def test_custom_identifiers() -> None:
    with_phone = {"externalIds": [entry("phone", "123-456-7890")]}
    rules = Rules((*DEFAULT.identifiers, Rule("app_id", key="app_id")))
    found = played(
        call(user="use_123", context=with_phone),
        call(visitor="a1", context=with_phone),
        call("identify", user="u7", traits={"appId": "X1"}),
        call(visitor="a9", properties={"app_id": "X1"}),
        rules=rules,
    )

    assert whose(found) == [0, 0, 2, 2]
    assert graph(found) == {
        0: {("user_id", "use_123"), ("phone", "123-456-7890"), ("anonymous_id", "a1")},
        2: {("user_id", "u7"), ("app_id", "X1"), ("anonymous_id", "a9")},
    }


def test_an_alias_merges_nothing() -> None:
    found = played(call(user="old1"), call(user="new1"), call("alias", user="new1", previousId="old1"))

    assert whose(found) == [0, 1, 1]
    assert graph(found) == {0: {("user_id", "old1")}, 1: {("user_id", "new1")}}
    assert merges(found) == []


# --- Where identifiers stand ------------------------------------------------------------------------------

KEYED = Rules((Rule("app_id", key="app_id"),))
LOCATIONS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "ids": (call(user="u1", visitor="a1"), ["user_id u1", "anonymous_id a1"]),
    "numbers": (call(user=42.0, visitor=7), ["user_id 42", "anonymous_id 7"]),
    "trimmed": (call(user=" U1 "), ["user_id U1"]),
    "three_addresses": (
        call(
            "identify",
            traits={"email": "A@x.io"},
            context={"traits": {"email": " b@X.io"}},
            properties={"email": "c@x.io"},
        ),
        ["email a@x.io", "email b@x.io", "email c@x.io"],
    ),
    "the_same_address_twice": (
        call("identify", traits={"email": "A@x.io"}, context={"traits": {"email": "a@x.io"}}),
        ["email a@x.io"],
    ),
    "the_address_of_an_account": (call("group", user="u1", traits={"email": "a@x.io"}), ["user_id u1"]),
    "an_alias": (call("alias", user="u1", visitor="a1", properties={"email": "a@x.io"}), ["user_id u1"]),
    "entries": (
        call(
            context={
                "externalIds": [
                    entry("phone", "1"),
                    entry("Phone", "2"),
                    {"id": "3", "type": "phone", "collection": "users"},
                    {**entry("phone", "4"), "collection": "accounts"},
                    entry("phone", 5),
                ]
            }
        ),
        ["phone 1", "phone 5"],
    ),
    "keys": (
        call(
            "identify",
            traits={"appId": "1"},
            context={"traits": {"app_id": "2"}},
            properties={"appId": "3", "app": "4", "APP_ID": "5"},
        ),
        ["app_id 2", "app_id 1", "app_id 3"],
    ),
    "a_device_without_a_type": (call(user="u1", context={"device": {"id": "d1", "token": "t1"}}), ["user_id u1"]),
    "a_device": (
        call(context={"device": {"type": "android", "id": "d1", "token": "t1", "advertisingId": "x"}}),
        ["android.id d1", "android.push_token t1"],
    ),
    "a_tracked_device": (
        call(context={"device": {"type": "ios", "advertisingId": "x", "adTrackingEnabled": True}}),
        ["ios.idfa x"],
    ),
}


@pytest.mark.parametrize("name", LOCATIONS)
def test_where_identifiers_stand(name: str) -> None:
    given, expected = LOCATIONS[name]

    assert [f"{one.type} {one.value}" for one in identifiers_on(given, KEYED)] == expected


def test_blocked_is_exact_or_a_pattern() -> None:
    rules = Rules(blocked=("Null", Pattern("9$")))
    values = ["Null", "null", "-1", "19", "91"]

    assert [value for value in values if rules.blocks(Identifier("phone", value))] == ["Null", "19"]


def test_types_that_are_not_listed_come_last_and_alphabetically() -> None:
    rules = Rules((Rule("phone"), Rule("user_id")))

    assert sorted(["anonymous_id", "user_id", "zid", "email", "phone"], key=rules.rank) == [
        "phone",
        "user_id",
        "anonymous_id",
        "email",
        "zid",
    ]
    assert (rules.of("email").limit, rules.of("email").period) == (5, "ever")
