"""Where identifiers are found, under which conditions, and in which form."""

import json
import sys
from typing import Any

import pytest

from schemas import tracking
from schemas.events import TrackingEvent
from schemas.reasons import Reason, Refusal
from tests.people import identifier, words
from worker.identity.extract import extract, normalised, refuse_identifiers
from worker.identity.rules import Rules

pytestmark = pytest.mark.unit

CALLS = {"track": {"event": "X"}, "identify": {}, "page": {}, "screen": {}, "group": {"groupId": "g"}}


def call(kind: str = "track", **fields: Any) -> TrackingEvent:
    value = {"type": kind, "userId": "u", **CALLS.get(kind, {}), **fields}
    event = tracking.read(json.dumps(value).encode(), received_ms=0)
    assert isinstance(event, TrackingEvent), event
    return event


def found(kind: str = "track", rules: Rules | None = None, **fields: Any) -> list[str]:
    """What an event carries beside its ``userId``, ``u``."""
    return [one for one in words(extract(call(kind, **fields), rules or Rules())) if one != "user_id:u"]


# --- The table of locations ---------------------------------------------------------------------------------

PHONE = {"id": "123", "type": "phone", "collection": "users", "encoding": "none"}


def device(kind: Any, **fields: Any) -> dict[str, Any]:
    return {"context": {"device": {"type": kind, "id": "d", "advertisingId": "ad", "token": "t", **fields}}}


LOCATIONS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "anonymous_id": ({"anonymousId": "a"}, ["anonymous_id:a"]),
    "email_in_traits": ({"traits": {"email": "x@y"}}, ["email:x@y"]),
    "email_in_context_traits": ({"context": {"traits": {"email": "x@y"}}}, ["email:x@y"]),
    "email_in_properties": ({"properties": {"email": "x@y"}}, ["email:x@y"]),
    "android": (device("android"), ["android.id:d", "android.push_token:t"]),
    "android_with_ad_tracking": (
        device("android", adTrackingEnabled=True),
        ["android.id:d", "android.idfa:ad", "android.push_token:t"],
    ),
    "android_without_ad_tracking": (
        device("android", adTrackingEnabled=False),
        ["android.id:d", "android.push_token:t"],
    ),
    "ad_tracking_must_be_true": (device("ios", adTrackingEnabled="true"), ["ios.id:d", "ios.push_token:t"]),
    "ios": (device("ios"), ["ios.id:d", "ios.push_token:t"]),
    "ios_with_ad_tracking": (device("ios", adTrackingEnabled=True), ["ios.id:d", "ios.idfa:ad", "ios.push_token:t"]),
    "a_device_without_type": ({"context": {"device": {"id": "d", "token": "t"}}}, []),
    "a_device_of_another_type": (device("tv"), []),
    "ga_client_id": ({"context": {"integrations": {"Google Analytics": {"clientId": "ga"}}}}, ["ga_client_id:ga"]),
    "integrations_at_the_top_do_not_count": ({"integrations": {"Google Analytics": {"clientId": "ga"}}}, []),
    "braze_id": ({"context": {"Braze": {"braze_id": "b"}}}, ["braze_id:b"]),
    "cross_domain_id": ({"context": {"traits": {"crossDomainId": "x"}}}, ["cross_domain_id:x"]),
    "cross_domain_id_in_snake_case": ({"context": {"traits": {"cross_domain_id": "x"}}}, ["cross_domain_id:x"]),
    "external_ids": ({"context": {"externalIds": [PHONE]}}, ["phone:123"]),
    "an_unconfigured_trait": ({"traits": {"phone": "123"}}, []),
    "group_id_is_the_account_s": ({"groupId": "g", "context": {"groupId": "g"}}, []),
}


@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.parametrize("case", LOCATIONS.values(), ids=LOCATIONS)
def test_all_calls_but_alias_promote_from_every_location(case: tuple[dict[str, Any], list[str]], kind: str) -> None:
    fields, expected = case
    if kind == "group" and "traits" in fields:
        expected = []  # they are the account's

    assert found(kind, **fields) == expected


def test_an_alias_promotes_its_user_id_only() -> None:
    fields = {"anonymousId": "a", "previousId": "old", "traits": {"email": "x@y"}, "context": {"externalIds": [PHONE]}}

    assert words(extract(call("alias", **fields), Rules())) == ["user_id:u"]


def test_every_value_of_a_type_is_found_in_the_order_of_the_locations() -> None:
    event: dict[str, Any] = {
        "traits": {"email": "1@x"},
        "context": {"traits": {"email": "2@x"}, "externalIds": [{**PHONE, "type": "email", "id": "4@x"}]},
        "properties": {"email": "3@x"},
    }

    assert found(**event) == ["email:1@x", "email:2@x", "email:3@x", "email:4@x"]


def test_the_same_value_at_two_places_is_one_identifier() -> None:
    assert found(traits={"email": "a@x"}, properties={"email": " A@X "}) == ["email:a@x"]


# --- External ids -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entry",
    [
        *[{key: value for key, value in PHONE.items() if key != missing} for missing in PHONE],
        {**PHONE, "type": "Phone"},
        {**PHONE, "type": ""},
        {**PHONE, "type": 7},
        {**PHONE, "collection": "accounts"},
        {**PHONE, "collection": "Users"},
        {**PHONE, "encoding": "base64"},
        {**PHONE, "encoding": None},
        "phone",
        None,
        [PHONE],
    ],
    ids=str,
)
def test_an_external_id_that_is_not_complete_is_not_promoted(entry: Any) -> None:
    """And what stands beside it is."""
    assert found(context={"externalIds": [entry, {**PHONE, "id": "456"}]}) == ["phone:456"]


def test_external_ids_of_any_type_are_promoted() -> None:
    kinds = ["loyalty", "a.b", "user_id", "größe"]
    entries = [{**PHONE, "type": kind} for kind in kinds]

    assert sorted(found(context={"externalIds": entries})) == sorted(f"{kind}:123" for kind in kinds)


# --- Configured keys ----------------------------------------------------------------------------------------

APP_ID = Rules(keys=[("app_id", "app_id"), ("appId", "app_id")])


@pytest.mark.parametrize("key", ["app_id", "appId"])
@pytest.mark.parametrize("place", ["traits", "context.traits", "properties"])
def test_a_configured_key_is_read_in_both_spellings_at_three_places(place: str, key: str) -> None:
    document = {key: "X1"}
    fields = {"context": {"traits": document}} if place == "context.traits" else {place: document}

    assert found(rules=APP_ID, **fields) == ["app_id:X1"]
    assert found("group", APP_ID, **fields) == ([] if place == "traits" else ["app_id:X1"])


def test_a_configured_key_may_be_named_otherwise_than_its_type() -> None:
    assert found(rules=Rules(keys=[("phone_number", "phone")]), traits={"phone_number": 42}) == ["phone:42"]


def test_a_configured_key_is_not_looked_for_elsewhere() -> None:
    assert found(rules=APP_ID, context={"app_id": "X1", "device": {"app_id": "X1"}}) == []


# --- Normalisation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        ("email", "  Jane@X.IO ", "jane@x.io"),
        ("email", "ÄRGER@x", "ärger@x"),
        ("user_id", " U1\t", "U1"),
        ("user_id", "u1", "u1"),
        ("user_id", 42.0, "42"),
        ("user_id", 1e21, "1e+21"),
        ("phone", 491701234567, "491701234567"),
        ("phone", -0.0, "0"),
        ("user_id", "", ""),
        ("user_id", "  ", ""),
        ("user_id", None, None),
        ("user_id", True, None),
        ("user_id", ["u"], None),
        ("user_id", {"id": "u"}, None),
    ],
)
def test_values_are_text_trimmed_and_emails_in_lower_case(kind: str, raw: Any, value: str | None) -> None:
    assert normalised(kind, raw) == value


LOOK_ALIKES = {
    "cyrillic_a": ("paypal@x.io", "p\N{CYRILLIC SMALL LETTER A}ypal@x.io"),
    "full_width": ("user1", "\N{FULLWIDTH LATIN SMALL LETTER U}ser1"),
    "composed_and_decomposed": ("\u00e9@x.io", "e\u0301@x.io"),
    "zero_width_space": ("user1", "user1\N{ZERO WIDTH SPACE}"),
    "ligature": ("\N{LATIN SMALL LIGATURE FI}@x.io", "fi@x.io"),
    "kelvin_sign": ("k@x.io", "\N{KELVIN SIGN}@x.io"),
    "dotted_capital_i": ("i@x.io", "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}@x.io"),
    "sharp_s": ("strasse@x.io", "stra\N{LATIN SMALL LETTER SHARP S}e@x.io"),
}


@pytest.mark.parametrize("kind", ["email", "phone"])
@pytest.mark.parametrize(("one", "other"), LOOK_ALIKES.values(), ids=LOOK_ALIKES)
def test_look_alikes_are_different_people(one: str, other: str, kind: str) -> None:
    assert normalised(kind, one) != normalised(kind, other)


def test_no_letter_outside_ascii_becomes_one_inside() -> None:
    """``str.lower`` makes a k of the Kelvin sign: who registers such an address must not be taken for another."""
    others = [chr(code) for code in range(0x80, sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]

    assert [letter for letter in others if (normalised("email", f"x{letter}x") or "").isascii()] == []


# --- Bad input ----------------------------------------------------------------------------------------------

NO_IDS: list[Any] = [None, True, [], {}, "", " "]
WRONG_TYPES: list[dict[str, Any]] = [
    {"traits": {"email": {"a": 1}}},
    {"properties": {"email": ["a@x"]}},
    {"context": {"traits": "email"}},
    {"context": {"traits": {"email": True, "crossDomainId": []}}},
    {"context": {"device": "ios"}},
    {"context": {"device": {"type": ["ios"], "id": "d"}}},
    {"context": {"device": {"type": "ios", "id": None, "token": {}}}},
    {"context": {"integrations": ["Google Analytics"]}},
    {"context": {"integrations": {"Google Analytics": True}}},
    {"context": {"Braze": "b"}},
    {"context": {"externalIds": {"id": "123"}}},
    {"context": {"externalIds": [{**PHONE, "id": value} for value in NO_IDS]}},
]


@pytest.mark.parametrize("fields", WRONG_TYPES, ids=str)
def test_what_is_of_the_wrong_type_identifies_nobody(fields: dict[str, Any]) -> None:
    assert found(**fields) == []


def refusal(*found: str) -> Reason | None:
    refused = refuse_identifiers([identifier(one) for one in found])
    return refused.reason if isinstance(refused, Refusal) else None


def test_identifiers_of_600_characters_are_refused_and_those_of_500_are_not() -> None:
    assert refusal("user_id:u", "phone:" + "1" * 500) is None
    assert refusal("user_id:u", "phone:" + "1" * 501) is Reason.IDENTIFIER_TOO_LONG
    assert refusal("user_id:u", "phone:" + "1" * 600) is Reason.IDENTIFIER_TOO_LONG


def test_so_are_types_and_the_refusal_does_not_repeat_them() -> None:
    refused = refuse_identifiers([identifier("x" * 600 + ":1")])

    assert refused is not None
    assert refused.reason is Reason.IDENTIFIER_TOO_LONG
    assert len(refused.detail) < 120


def test_200_identifiers_are_refused_and_100_are_not() -> None:
    assert refusal(*(f"phone:{number}" for number in range(100))) is None
    assert refusal(*(f"phone:{number}" for number in range(101))) is Reason.TOO_MANY_IDENTIFIERS
    assert refusal(*(f"phone:{number}" for number in range(200))) is Reason.TOO_MANY_IDENTIFIERS


def test_200_times_the_same_identifier_is_one() -> None:
    assert found(context={"externalIds": [PHONE] * 200}) == ["phone:123"]
