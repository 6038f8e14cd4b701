"""What is refused: every reason that a tracking or passthrough record can get, and what its letter keeps.

Not here: ``malformed_avro`` and ``unknown_schema``, which need a schema registry.
"""

import base64
import json
from typing import Any

import pytest

from tests.acceptance.conftest import Simulate
from tests.acceptance.lines import (
    Line,
    Output,
    a_second_apart,
    audience,
    by_moment,
    call,
    line,
    of_topic,
    page,
    passthrough,
    raw_line,
    refusals,
    track,
)

pytestmark = pytest.mark.acceptance

T0 = "2025-06-02T08:00:00Z"
DEFINITIONS = {
    "audiences": [audience("computed", "event('X').count() >= 1")],
    "identity": {"high_confidence": ["customer_id"]},
}


def tracked(**fields: Any) -> dict[str, Any]:
    return call("track", event="X", user="u1", **fields)


def nested(depth: int) -> dict[str, Any]:
    """An object with ``depth`` levels, itself included."""
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"deeper": value}
    return value


def qualify(audience_id: str = "a", ts: Any = 1748851070, **fields: Any) -> dict[str, Any]:
    value: dict[str, Any] = passthrough(T0, "qualify", audience_id, ts=ts, identifiers={"customer_id": "c"})["value"]
    return {**value, **fields}


def device(number: int) -> dict[str, str]:
    return {"id": f"d{number}", "type": "device", "collection": "users", "encoding": "none"}


Case = tuple[Any, str]

VALUES: dict[str, Case] = {
    "too_large": (tracked(properties={"filling": "x" * 40_000}), "too_large"),
    "a_list": ([1], "not_an_object"),
    "a_text": ("track", "not_an_object"),
    "a_number": (42, "not_an_object"),
    "too_deep": (tracked(properties=nested(64)), "too_deep"),
    "missing_type": ({"userId": "u1", "event": "X"}, "missing_type"),
    "null_type": ({"userId": "u1", "event": "X", "type": None}, "missing_type"),
    "invalid_type": ({"type": "click", "userId": "u1"}, "invalid_type"),
    "type_of_another_case": ({"type": "Track", "userId": "u1", "event": "X"}, "invalid_type"),
    "type_of_another_type": ({"type": 7, "userId": "u1", "event": "X"}, "invalid_type"),
    "no_id": ({"type": "track", "event": "X"}, "no_user_anon_id"),
    "empty_id": ({"type": "track", "event": "X", "anonymousId": ""}, "id_not_string"),
    "list_as_id": ({"type": "track", "event": "X", "userId": ["u1"]}, "id_not_string"),
    "no_event": (call("track", user="u1"), "event_not_defined"),
    "event_not_string": (call("track", user="u1", event=42), "event_not_string"),
    "properties_not_object": (tracked(properties=[1]), "properties_not_object"),
    "traits_not_object": (call("identify", user="u1", traits="x"), "traits_not_object"),
    "context_not_object": (tracked(context="web"), "context_not_object"),
    "name_not_string": (call("page", user="u1", name=42), "name_not_string"),
    "category_not_string": (call("page", user="u1", category=["a"]), "category_not_string"),
    "too_many_properties": (
        tracked(properties={str(number): 0 for number in range(301)}),
        "too_many_properties",
    ),
    "too_many_traits": (
        call("identify", user="u1", traits={str(number): 0 for number in range(300)}),
        "too_many_traits",
    ),
    "too_many_identifiers": (
        tracked(context={"externalIds": [device(number) for number in range(101)]}),
        "too_many_identifiers",
    ),
    "identifier_too_long": (call("track", event="X", user="u" * 501), "identifier_too_long"),
    "message_id_too_long": (tracked(message_id="m" * 101), "message_id_too_long"),
    "message_id_not_string": (tracked(message_id=17), "message_id_not_string"),
    "group_id_missing": (call("group", user="u1"), "group_id_missing"),
    "group_id_empty": (call("group", user="u1", groupId=""), "group_id_empty"),
    "group_id_too_long": (call("group", user="u1", groupId="g" * 501), "group_id_too_long"),
    "group_id_object": (call("group", user="u1", groupId={"id": 1}), "id_not_string"),
    "timestamp_a_word": (tracked(ts="yesterday"), "invalid_timestamp"),
    "timestamp_no_date": (tracked(ts="2025-02-30T00:00:00Z"), "invalid_timestamp"),
    "sent_at_a_word": (tracked(ts=T0, sentAt="soon"), "invalid_timestamp"),
    "before_1970": (tracked(ts="1969-12-31T23:59:59.999Z"), "timestamp_before_1970"),
    "blocked_ids_only": (call("track", event="X", user="0"), "no_matching_identifiers"),
    "blocked_words_only": (call("track", event="X", user="null"), "no_matching_identifiers"),
    "no_identifier": (qualify(identifiers={}), "identifier_count"),
    "two_identifiers": (qualify(identifiers={"customer_id": "c", "email": "x@y.z"}), "identifier_count"),
    "identifier_of_low_confidence": (
        qualify(identifiers={"phone": "123"}),
        "identifier_not_high_confidence",
    ),
    "unknown_action": (qualify(action="enter"), "unknown_action"),
    "action_of_another_case": (qualify(action="Qualify"), "unknown_action"),
    "audience_id_missing": (qualify(data={"ts": 1748851070}), "audience_id_missing"),
    "ts_a_word": (qualify(ts="yesterday"), "ts_invalid"),
    "ts_a_number_in_a_text": (qualify(ts="1748851070"), "ts_invalid"),
    "ts_a_boolean": (qualify(ts=True), "ts_invalid"),
    "ts_milliseconds": (qualify(ts=10**11), "ts_invalid"),
    "reserved_key": (qualify("computed"), "reserved_key"),
}

BYTES: dict[str, Case] = {
    "no_json": (b"{nope", "malformed_json"),
    "nothing": (b"", "malformed_json"),
    "trailing_bytes": (b'{"type":"track","event":"X","userId":"u1"} {}', "malformed_json"),
    "trailing_comma": (b'{"type":"track","event":"X","userId":"u1",}', "malformed_json"),
    "not_utf_8": (b'{"type":"track","event":"\xff","userId":"u1"}', "malformed_json"),
    "not_a_number": (
        b'{"type":"track","event":"X","userId":"u1","properties":{"a":NaN}}',
        "malformed_json",
    ),
    "infinite": (
        b'{"type":"track","event":"X","userId":"u1","properties":{"a":-Infinity}}',
        "malformed_json",
    ),
    "overflow": (b'{"type":"track","event":"X","userId":"u1","properties":{"a":1e9999}}', "malformed_json"),
    "overflow_where_nobody_looks": (
        b'{"type":"track","event":"X","userId":"u1","context":{"a":[{"b":1e9999}]}}',
        "malformed_json",
    ),
}

LETTERS: dict[str, tuple[Line, str]] = {
    **{name: (line(T0, value), reason) for name, (value, reason) in VALUES.items()},
    **{name: (raw_line(T0, value), reason) for name, (value, reason) in BYTES.items()},
}


@pytest.fixture(scope="module")
def letters(simulate: Simulate) -> dict[str, Output]:
    """The letter of every case. One run for all: keyed by their case, they have no effect on each other."""
    lines = [{**one, "key": name, "headers": {"origin": f"test {name}"}} for name, (one, _) in LETTERS.items()]
    return {output["key"]: output for output in of_topic(simulate(DEFINITIONS, lines, T0), "dead-letters")}


@pytest.mark.parametrize("name", LETTERS)
def test_reason(letters: dict[str, Output], name: str) -> None:
    assert letters[name]["headers"]["reason"] == LETTERS[name][1]


@pytest.mark.parametrize("name", VALUES)
def test_the_value_is_untouched(letters: dict[str, Output], name: str) -> None:
    assert letters[name]["value"] == VALUES[name][0]
    assert "value_base64" not in letters[name]


@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_are_no_json_are_kept_in_base64(letters: dict[str, Output], name: str) -> None:
    assert base64.b64decode(letters[name]["value_base64"]) == BYTES[name][0]
    assert "value" not in letters[name]


@pytest.mark.parametrize("name", LETTERS)
def test_headers(letters: dict[str, Output], name: str) -> None:
    """Kafka Connect's names, the record's own headers beside them."""
    headers = letters[name]["headers"]

    assert headers["origin"] == f"test {name}"
    assert headers["stage"] in {"decode", "route", "fold"}
    assert headers["__connect.errors.topic"] == "tracking-events"
    assert headers["__connect.errors.partition"].isdigit()
    assert headers["__connect.errors.offset"].isdigit()
    assert headers["__connect.errors.exception.message"]


@pytest.mark.parametrize(
    ("name", "stage"), [("no_json", "decode"), ("no_event", "decode"), ("blocked_ids_only", "route")]
)
def test_stage(letters: dict[str, Output], name: str, stage: str) -> None:
    assert letters[name]["headers"]["stage"] == stage


def test_coordinates_tell_the_letters_apart(letters: dict[str, Output]) -> None:
    names = ("topic", "partition", "offset")
    places = {tuple(letter["headers"][f"__connect.errors.{name}"] for name in names) for letter in letters.values()}
    assert len(places) == len(LETTERS)


PRECEDENCE: dict[str, Case] = {
    "type_before_ids": ({"type": "click"}, "invalid_type"),
    "ids_before_event": ({"type": "track"}, "no_user_anon_id"),
    "event_before_properties": ({"type": "track", "userId": "u1", "properties": "x"}, "event_not_defined"),
    "properties_before_context": (tracked(properties=1, context=1), "properties_not_object"),
    "message_id_before_timestamp": (tracked(message_id="m" * 101, ts="x"), "message_id_too_long"),
    "too_many_identifiers_before_timestamp": (
        tracked(ts="x", context={"externalIds": [device(number) for number in range(100)]}),
        "too_many_identifiers",
    ),
    "long_identifier_before_message_id": (
        call("track", event="X", user="u" * 501, message_id="m" * 101),
        "identifier_too_long",
    ),
    "long_identifier_before_group_id": (call("group", user="u" * 501), "identifier_too_long"),
    "message_id_before_blocked_identifiers": (
        call("track", event="X", user="null", message_id="m" * 101),
        "message_id_too_long",
    ),
    "identifiers_before_action": (qualify(identifiers={}, action="enter"), "identifier_count"),
    "blocked_identifier_before_key": (
        qualify("computed", identifiers={"customer_id": "null"}),
        "no_matching_identifiers",
    ),
    "action_before_ts": (qualify(ts="x", action="enter"), "unknown_action"),
}


def outputs_of(simulate: Simulate, values: dict[str, Any]) -> dict[str, list[Output]]:
    """What comes of each value, all in one run."""
    lines = a_second_apart((line(T0, value) for value in values.values()), start=T0)
    outputs = simulate(DEFINITIONS, lines, lines[-1]["at"])
    return dict(zip(values, by_moment(outputs, lines), strict=True))


@pytest.fixture(scope="module")
def with_several_faults(simulate: Simulate) -> dict[str, list[Output]]:
    return outputs_of(simulate, {name: value for name, (value, _) in PRECEDENCE.items()})


@pytest.mark.parametrize("name", PRECEDENCE)
def test_of_several_faults_the_first_of_the_list(with_several_faults: dict[str, list[Output]], name: str) -> None:
    assert refusals(with_several_faults[name]) == [PRECEDENCE[name][1]]


ACCEPTED: dict[str, Case] = {
    "deep_but_not_too_deep": (tracked(properties=nested(63)), "track"),
    "of_1970": (tracked(ts="1970-01-01T00:00:00.000Z"), "track"),
    "id_of_500": (call("track", event="X", user="u" * 500), "track"),
    "hundred_identifiers": (
        tracked(context={"externalIds": [device(number) for number in range(99)]}),
        "track",
    ),
    "alias": (call("alias", user="new", previousId="old"), "alias"),
    "ts_a_fraction": (qualify(ts=1748851070.5), "passthrough"),
    "integrations": (tracked(integrations={"All": False}), "track"),
    "version_as_text": (tracked(version="1.1"), "track"),
}


@pytest.fixture(scope="module")
def accepted(simulate: Simulate) -> dict[str, list[Output]]:
    return outputs_of(simulate, {name: value for name, (value, _) in ACCEPTED.items()})


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(accepted: dict[str, list[Output]], name: str) -> None:
    outputs = accepted[name]

    assert refusals(outputs) == []
    assert [one["value"]["type"] for one in of_topic(outputs, "resolved-events")] == [ACCEPTED[name][1]]


def test_lone_surrogates_are_replaced_and_accepted(simulate: Simulate) -> None:
    value = rb'{"type":"track","event":"X","userId":"u1","properties":{"a":"\ud83d!"}}'

    outputs = simulate(DEFINITIONS, [raw_line(T0, value)], T0)

    (resolved,) = of_topic(outputs, "resolved-events")
    assert resolved["value"]["properties"] == {"a": "\N{REPLACEMENT CHARACTER}!"}


def test_books_balance(simulate: Simulate) -> None:
    """Every record is resolved, a duplicate or a dead letter."""
    lines = [
        track(T0, "X", user="u1", message_id="m1"),
        track(T0, "X", user="u1", message_id="m1"),
        page(T0, "Home", user="u2"),
        line(T0, {"type": "click"}),
        passthrough(T0, "qualify", "a", ts=1748851070, identifiers={"customer_id": "c"}),
    ]

    outputs = simulate(DEFINITIONS, lines, T0)

    assert len(of_topic(outputs, "resolved-events")) == 3
    assert len(of_topic(outputs, "dead-letters")) == 1


def test_output_is_strict_json(run: Any, definitions_file: Any) -> None:
    """What was refused for a NaN does not put one into the output."""
    lines = [LETTERS[name][0] for name in ("not_a_number", "infinite", "overflow", "not_utf_8")]
    stdin = "".join(json.dumps(one) + "\n" for one in lines)

    finished = run("simulate", "-d", definitions_file(DEFINITIONS), "--until", T0, "-", stdin=stdin)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    outputs = [json.loads(text, parse_constant=refuse) for text in finished.stdout.decode().splitlines()]
    assert len(outputs) == len(lines)
