"""Passthrough events, and telling the input contracts apart."""

import json
from typing import Any

import pytest

from schemas import passthrough
from schemas.dispatch import Shape, shape_of
from schemas.events import PassthroughEvent, encode_resolved
from schemas.reasons import Reason, Refusal

pytestmark = pytest.mark.unit

TS = 1748851070
RECEIVED_MS = (TS + 60) * 1000
TRUSTED = frozenset({"email", "customer_id"})


def encode(**fields: Any) -> bytes:
    base = {
        "type": "passthrough",
        "action": "qualify",
        "identifiers": {"customer_id": "c42"},
        "data": {"audience_id": "audience_1", "ts": TS},
    }
    return json.dumps({**base, **fields}).encode()


def read(value: bytes) -> PassthroughEvent | Refusal:
    return passthrough.read(value, received_ms=RECEIVED_MS, high_confidence=TRUSTED)


def accepted(**fields: Any) -> PassthroughEvent:
    event = read(encode(**fields))
    assert isinstance(event, PassthroughEvent), event
    return event


def reason(**fields: Any) -> Reason:
    refusal = read(encode(**fields))
    assert isinstance(refusal, Refusal), refusal
    return refusal.reason


def data(**fields: Any) -> dict[str, Any]:
    return {"data": {"audience_id": "audience_1", "ts": TS, **fields}}


@pytest.mark.parametrize("action", ["qualify", "disqualify"])
def test_the_documented_event_is_accepted(action: str) -> None:
    event = accepted(action=action)

    assert (event.identifier, event.action) == (("customer_id", "c42"), action)
    assert (event.data.audience_id, event.data.ts, event.timestamp_ms) == ("audience_1", TS, TS * 1000)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"identifiers": {"customer_id": "c42", "email": "x@y.z"}}, Reason.IDENTIFIER_COUNT),
        ({"identifiers": {}}, Reason.IDENTIFIER_COUNT),
        ({"identifiers": {"email": "", "customer_id": None}}, Reason.IDENTIFIER_COUNT),
        ({"identifiers": ["c42"]}, Reason.IDENTIFIER_COUNT),
        ({"identifiers": None, "action": "enter"}, Reason.IDENTIFIER_COUNT),
        ({"identifiers": {"email": ["x"]}}, Reason.ID_NOT_STRING),
        ({"identifiers": {"anonymous_id": "a"}}, Reason.IDENTIFIER_NOT_HIGH_CONFIDENCE),
        ({"action": "enter"}, Reason.UNKNOWN_ACTION),
        ({"action": ["qualify"]}, Reason.UNKNOWN_ACTION),
        (data(audience_id=""), Reason.AUDIENCE_ID_MISSING),
        (data(audience_id=7), Reason.AUDIENCE_ID_MISSING),
        ({"data": None}, Reason.AUDIENCE_ID_MISSING),
        (data(ts="yesterday"), Reason.TS_INVALID),
        (data(ts=None), Reason.TS_INVALID),
        (data(ts=True), Reason.TS_INVALID),
        (data(ts=10**11), Reason.TS_INVALID),
        (data(ts=-1), Reason.TS_INVALID),
        ({"messageId": 1}, Reason.MESSAGE_ID_NOT_STRING),
        ({"messageId": "m" * 101}, Reason.MESSAGE_ID_TOO_LONG),
        ({"type": "track"}, Reason.INVALID_TYPE),
        ({"type": None}, Reason.MISSING_TYPE),
    ],
    ids=str,
)
def test_p_20_what_is_refused_says_why(fields: dict[str, Any], expected: Reason) -> None:
    assert reason(**fields) is expected


def test_a_value_too_large_or_no_object_is_refused() -> None:
    large, array = read(b"x" * 32_769), read(b"[]")

    assert isinstance(large, Refusal)
    assert isinstance(array, Refusal)
    assert (large.reason, array.reason) == (Reason.TOO_LARGE, Reason.NOT_AN_OBJECT)


def test_a_number_identifies_as_its_text_and_nulls_do_not_count() -> None:
    assert accepted(identifiers={"customer_id": 42.0, "email": None}).identifier == ("customer_id", "42")


def test_ts_may_have_a_fraction_and_never_counts_before_its_receipt() -> None:
    assert accepted(**data(ts=TS + 0.5)).timestamp_ms == TS * 1000 + 500
    ahead = accepted(**data(ts=TS + 3600))
    assert (ahead.data.ts, ahead.timestamp_ms) == (TS + 3600, RECEIVED_MS)


def test_the_content_makes_the_message_id_unless_one_is_given() -> None:
    made = accepted().messageId

    assert made.startswith("pt_")
    assert made == accepted(messageId="").messageId == accepted(**data(ts=float(TS))).messageId
    assert accepted(messageId="m1").messageId == "m1"
    others = [
        accepted(action="disqualify"),
        accepted(**data(ts=TS + 1)),
        accepted(**data(audience_id="audience_2")),
        accepted(identifiers={"customer_id": "c43"}),
        accepted(identifiers={"email": "c42"}),
    ]
    assert len({made, *(other.messageId for other in others)}) == 6


def test_the_record_written_has_the_front_fields_first_and_only_known_ones() -> None:
    event = accepted(messageId="m1", profile_id="use_evil", extra=1)
    event.profile_id, event.at = "use_1", 9

    written = json.loads(encode_resolved(event))

    assert list(written) == [
        "profile_id",
        "at",
        "timestamp_ms",
        "type",
        "messageId",
        "action",
        "identifiers",
        "data",
    ]
    assert written["profile_id"] == "use_1"


# Dispatch


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (encode(), Shape.PASSTHROUGH),
        (rb'{"type":"passthr\u006fugh"}', Shape.PASSTHROUGH),
        (rb'{"typ\u0065":"passthrough","x":"\ud800"}', Shape.PASSTHROUGH),
        (b'{"type":"track","event":"passthrough"}', Shape.TRACKING),
        (b'{"type":"track","properties":{"type":"passthrough","operation":"x"}}', Shape.TRACKING),
        (b'{"type":"track","operation":"UPDATE"}', Shape.TRACKING),
        (b'{"type":["passthrough"],"operation":1}', Shape.TRACKING),
        (b'{"type":{"a":"passthrough"}}', Shape.TRACKING),
        (b'{"operation":"UPDATE","segment_id":"1"}', Shape.IMPORT),
        (b'{"operation":null}', Shape.IMPORT),
        (b'{"type":null,"operation":"DELETE"}', Shape.IMPORT),
        (b'{"type":"passthrough"', Shape.TRACKING),
        (b'["passthrough"]', Shape.TRACKING),
        (b'"operation"', Shape.TRACKING),
        (b"", Shape.TRACKING),
        (b'{"a":' * 5000 + b'"passthrough"', Shape.TRACKING),
        (b'{"type":"passthrough","pad":"' + b"x" * 40_000 + b'"}', Shape.TRACKING),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else value,
)
def test_a_values_own_shape_says_what_it_is(value: bytes, shape: Shape) -> None:
    assert shape_of(value) is shape
