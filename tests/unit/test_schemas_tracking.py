"""The six calls: what is accepted, as what, and why the rest is refused."""

import json
from typing import Any

import pytest
from msgspec import UNSET

from schemas import tracking
from schemas.events import TrackingEvent, encode_resolved
from schemas.reasons import Reason, Refusal
from schemas.times import read_ms

pytestmark = pytest.mark.unit

RECEIVED = "2024-05-01T10:00:00.000Z"


def encode(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def read(value: bytes, *, received: str = RECEIVED) -> TrackingEvent | Refusal:
    return tracking.read(value, received_ms=read_ms(received))


def accepted(*, received: str = RECEIVED, **fields: Any) -> TrackingEvent:
    event = read(encode(**{"type": "track", "event": "X", "userId": "u1", **fields}), received=received)
    assert isinstance(event, TrackingEvent), event
    return event


def reason(**fields: Any) -> Reason:
    return refused(encode(**{"type": "track", "event": "X", "userId": "u1", **fields}))


def refused(value: bytes) -> Reason:
    refusal = read(value)
    assert isinstance(refusal, Refusal), refusal
    assert refusal.detail
    assert "\n" not in refusal.detail
    return refusal.reason


# P-01


def test_p_01_the_documented_example_is_corrected_by_the_clients_skew() -> None:
    event = accepted(
        originalTimestamp="2015-12-12T19:11:01.152Z",
        sentAt="2015-12-12T19:11:01.169Z",
        receivedAt="2015-12-12T19:11:01.266Z",
    )

    assert event.timestamp == "2015-12-12T19:11:01.249Z"
    assert event.originalTimestamp == "2015-12-12T19:11:01.152Z"
    assert event.timestamp_ms == read_ms("2015-12-12T19:11:01.249Z")


def test_p_01_a_device_two_hours_fast_is_put_right() -> None:
    event = accepted(
        originalTimestamp="2024-05-01T12:00:00Z",
        sentAt="2024-05-01T12:05:00Z",
        receivedAt="2024-05-01T10:00:10Z",
        received="2024-05-01T10:00:10.000Z",
    )

    assert event.timestamp == "2024-05-01T09:55:10.000Z"


def test_p_01_without_any_time_the_receipt_counts() -> None:
    assert accepted(receivedAt=RECEIVED).timestamp == RECEIVED
    assert accepted().timestamp == RECEIVED
    assert accepted(sentAt="2024-05-01T09:00:00Z").timestamp == RECEIVED


def test_p_01_without_sent_at_the_original_is_trusted() -> None:
    event = accepted(originalTimestamp="2020-01-05T00:00:00Z", timestamp="2021-01-01T00:00:00Z")

    assert event.timestamp == "2020-01-05T00:00:00.000Z"


def test_a_given_timestamp_that_is_corrected_is_kept_as_the_original() -> None:
    event = accepted(timestamp="2024-05-01T12:00:00+02:00", sentAt="2024-05-01T10:00:01Z")

    assert event.timestamp == "2024-05-01T09:59:59.000Z"
    assert event.originalTimestamp == "2024-05-01T12:00:00+02:00"


def test_a_given_timestamp_that_stays_does_not_become_an_original() -> None:
    event = accepted(timestamp="2024-05-01T08:00:00Z")

    assert event.timestamp == "2024-05-01T08:00:00.000Z"
    assert event.originalTimestamp is UNSET


def test_a_time_in_the_future_counts_as_the_receipt_but_is_still_shown() -> None:
    event = accepted(timestamp="2024-05-01T11:00:00Z")

    assert event.timestamp == "2024-05-01T11:00:00.000Z"
    assert event.timestamp_ms == read_ms(RECEIVED)
    assert accepted(timestamp="2024-05-01T09:00:00Z").timestamp_ms == read_ms("2024-05-01T09:00:00Z")


def test_a_receipt_later_than_the_records_own_time_counts_as_that() -> None:
    event = accepted(receivedAt="2030-01-01T00:00:00Z")

    assert event.receivedAt == RECEIVED
    assert event.timestamp == RECEIVED


def test_a_time_without_zone_is_utc() -> None:
    assert accepted(timestamp="2024-05-01T08:00:00").timestamp == "2024-05-01T08:00:00.000Z"
    assert accepted(timestamp="2024-05-01").timestamp == "2024-05-01T00:00:00.000Z"


@pytest.mark.parametrize("field", ["timestamp", "originalTimestamp", "sentAt", "receivedAt"])
@pytest.mark.parametrize("time", ["yesterday", "", 1714557600, "2024-13-01", "20240501T101010.000.123Z", {}])
def test_a_time_that_cannot_be_read_is_refused(field: str, time: object) -> None:
    assert reason(**{field: time}) is Reason.INVALID_TIMESTAMP


def test_a_corrected_time_before_1970_is_refused_and_1970_itself_is_not() -> None:
    assert reason(timestamp="1969-12-31T23:59:59.999Z") is Reason.TIMESTAMP_BEFORE_1970
    assert accepted(timestamp="1970-01-01T00:00:00Z").timestamp_ms == 0


def test_a_correction_beyond_the_calendar_is_refused() -> None:
    times = {"originalTimestamp": "9999-12-31T00:00:00Z", "sentAt": "0001-01-01T00:00:00Z"}
    assert reason(**times) is Reason.INVALID_TIMESTAMP


# P-02


def keys(count: int) -> dict[str, int]:
    return {f"k{index}": index for index in range(count)}


def test_p_02_properties() -> None:
    assert len(accepted(properties=keys(300)).properties or ()) == 300
    assert reason(properties=keys(301)) is Reason.TOO_MANY_PROPERTIES


def test_p_02_traits() -> None:
    assert len(accepted(type="identify", traits=keys(299)).traits or ()) == 299
    assert reason(type="identify", traits=keys(300)) is Reason.TOO_MANY_TRAITS
    assert len(accepted(type="group", groupId="g", traits=keys(300)).traits or ()) == 300
    assert reason(type="group", groupId="g", traits=keys(301)) is Reason.TOO_MANY_TRAITS


def test_p_02_message_id() -> None:
    assert accepted(messageId="m" * 100).messageId == "m" * 100
    assert reason(messageId="m" * 101) is Reason.MESSAGE_ID_TOO_LONG
    assert reason(messageId=7) is Reason.MESSAGE_ID_NOT_STRING


def test_p_02_size() -> None:
    def of_size(size: int) -> bytes:
        bare = encode(type="track", event="X", userId="u", properties={"p": ""})
        return bare.replace(b'""', b'"' + b"x" * (size - len(bare)) + b'"')

    assert isinstance(read(of_size(31_000)), TrackingEvent)
    assert isinstance(read(of_size(32 * 1024)), TrackingEvent)
    assert refused(of_size(32 * 1024 + 1)) is Reason.TOO_LARGE
    assert refused(b"x" * 40_000) is Reason.TOO_LARGE


# P-03


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"userId": None}, Reason.NO_USER_ANON_ID),
        ({"userId": ""}, Reason.ID_NOT_STRING),
        ({"userId": "", "anonymousId": ""}, Reason.ID_NOT_STRING),
        ({"userId": True}, Reason.ID_NOT_STRING),
        ({"anonymousId": {}}, Reason.ID_NOT_STRING),
        ({"userId": None, "groupId": []}, Reason.ID_NOT_STRING),
        ({"context": {"groupId": []}, "event": None}, Reason.ID_NOT_STRING),
        ({"event": None}, Reason.EVENT_NOT_DEFINED),
        ({"event": ""}, Reason.EVENT_NOT_DEFINED),
        ({"event": 42}, Reason.EVENT_NOT_STRING),
        ({"properties": "str"}, Reason.PROPERTIES_NOT_OBJECT),
        ({"traits": []}, Reason.TRAITS_NOT_OBJECT),
        ({"context": 1}, Reason.CONTEXT_NOT_OBJECT),
        ({"type": "page", "name": 5}, Reason.NAME_NOT_STRING),
        ({"type": "page", "category": 5}, Reason.CATEGORY_NOT_STRING),
        ({"type": "click"}, Reason.INVALID_TYPE),
        ({"type": "Track"}, Reason.INVALID_TYPE),
        ({"type": 1}, Reason.INVALID_TYPE),
        ({"type": None}, Reason.MISSING_TYPE),
        ({"type": None, "userId": None}, Reason.MISSING_TYPE),
        ({"userId": None, "event": 42}, Reason.NO_USER_ANON_ID),
        ({"event": 42, "properties": []}, Reason.EVENT_NOT_STRING),
        ({"traits": 1, "properties": 1, "timestamp": "x"}, Reason.PROPERTIES_NOT_OBJECT),
    ],
    ids=str,
)
def test_p_03_required_fields(fields: dict[str, Any], expected: Reason) -> None:
    """The reason; of several that hold, the first of the list."""
    assert reason(**fields) is expected


def test_p_03_a_null_user_id_beside_an_anonymous_id_is_anonymous() -> None:
    event = accepted(userId=None, anonymousId="a1")

    assert (event.userId, event.anonymousId) == (UNSET, "a1")


@pytest.mark.parametrize(
    ("number", "text"), [("42", "42"), ("42.0", "42"), ("1e3", "1000"), ("-0.0", "0"), ("0.5", "0.5")]
)
@pytest.mark.parametrize("field", ["userId", "anonymousId", "groupId"])
def test_a_numeric_id_is_its_shortest_text(field: str, number: str, text: str) -> None:
    value = encode(**{"type": "track", "event": "X", "userId": "u", field: "@"}).replace(b'"@"', number.encode())

    assert getattr(read(value), field) == text


def test_empty_ids_and_nulls_beside_good_ones_are_absent() -> None:
    event = accepted(anonymousId="", messageId="", properties=None, traits=None, context=None, name=None, groupId="")

    assert json.loads(encode_resolved(event)).keys() == {
        "type",
        "event",
        "userId",
        "timestamp",
        "timestamp_ms",
    }


@pytest.mark.parametrize(("empty", "good"), [("userId", "anonymousId"), ("anonymousId", "userId")])
def test_an_empty_id_beside_a_good_one_is_absent(empty: str, good: str) -> None:
    fields: dict[str, Any] = {"userId": None, empty: "", good: "x"}
    event = accepted(**fields)

    assert (getattr(event, empty), getattr(event, good)) == (UNSET, "x")


# P-04


def test_p_04_group_rules() -> None:
    assert accepted(type="group", groupId="g" * 500).groupId == "g" * 500
    assert reason(type="group", groupId="g" * 501) is Reason.GROUP_ID_TOO_LONG
    assert reason(type="group", groupId="") is Reason.GROUP_ID_EMPTY
    assert reason(type="group") is Reason.GROUP_ID_MISSING
    assert reason(context={"groupId": ""}) is Reason.GROUP_ID_EMPTY
    assert reason(context={"groupId": "g" * 501}) is Reason.GROUP_ID_TOO_LONG
    assert accepted(context={"groupId": "g"}).context == {"groupId": "g"}
    assert accepted(context={"groupId": 7}).context == {"groupId": "7"}
    assert accepted().groupId is UNSET


# JSON


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", Reason.MALFORMED_JSON),
        (b"{", Reason.MALFORMED_JSON),
        (b"\xff\xfe", Reason.MALFORMED_JSON),
        (b"\xef\xbb\xbf{}", Reason.MALFORMED_JSON),
        (b'{"type":"track"} x', Reason.MALFORMED_JSON),
        (b"[]", Reason.NOT_AN_OBJECT),
        (b"null", Reason.NOT_AN_OBJECT),
        (b'{"a":' * 65 + b"1" + b"}" * 65, Reason.TOO_DEEP),
        (b"[" * 65 + b"]" * 65, Reason.NOT_AN_OBJECT),
        (b"[" * 20_000, Reason.MALFORMED_JSON),
        (b'{"a":' * 65 + b"1" + b"}" * 64 + b"]", Reason.MALFORMED_JSON),
        (b"{}", Reason.MISSING_TYPE),
    ],
    ids=str,
)
def test_what_is_no_json_object_is_refused(value: bytes, expected: Reason) -> None:
    assert refused(value) is expected


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e9999", b"9" * 400, b"01", b"+1"])
@pytest.mark.parametrize("place", [b'"properties":{"p":@}', b'"context":{"p":[@]}', b'"unknown":@', b'"version":@'])
def test_what_is_no_number_is_refused_wherever_it_stands(place: bytes, number: bytes) -> None:
    value = b'{"type":"track","event":"X","userId":"u",' + place.replace(b"@", number) + b"}"

    assert refused(value) is Reason.MALFORMED_JSON


def test_a_lone_surrogate_becomes_the_replacement_character() -> None:
    value = rb'{"type":"track","event":"X","userId":"u","properties":{"a\ud800":["\udc00b","\ud83d\ude00"]}}'

    event = read(value)

    assert isinstance(event, TrackingEvent)
    assert event.properties == {"a\ufffd": ["\ufffdb", "😀"]}
    assert encode_resolved(event).decode("utf-8")


def test_nesting_of_64_is_accepted() -> None:
    value = encode(type="track", event="X", userId="u", properties="@")
    nested = value.replace(b'"@"', b'{"a":' * 63 + b"1" + b"}" * 63)
    deeper = value.replace(b'"@"', b'{"a":' * 64 + b"1" + b"}" * 64)

    assert isinstance(read(nested), TrackingEvent)
    assert refused(deeper) is Reason.TOO_DEEP


# The wire


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("profile_id", "use_evil"),
        ("at", 1),
        ("timestamp_ms", 2),
        ("external_ids", [{"id": "x", "type": "user_id"}]),
        ("profile_id", None),
        ("at", "now"),
    ],
)
def test_front_fields_of_the_input_are_dropped(field: str, value: Any) -> None:
    assert accepted(**{field: value}) == accepted()


@pytest.mark.parametrize("identity", [None, {}, {"violations": []}, "x"])
def test_what_is_the_worker_s_own_in_the_context_is_dropped(identity: Any) -> None:
    assert accepted(context={"identity": identity, "groupId": 7}).context == {"groupId": "7"}


def test_what_is_written_is_what_was_accepted_with_the_front_fields_first() -> None:
    event = accepted(properties={"a": [1, None]}, _metadata={"b": 1}, unknown=1)
    event.profile_id, event.at = "use_1", 5

    written = json.loads(encode_resolved(event))

    assert list(written)[:3] == ["profile_id", "at", "timestamp_ms"]
    assert written["properties"] == {"a": [1, None]}
    assert written["_metadata"] == {"b": 1}
    assert "unknown" not in written


def test_a_record_time_that_no_clock_shows_is_refused_not_raised() -> None:
    value = encode(type="track", event="X", userId="u", receivedAt="2024-01-01T00:00:00Z")

    early = tracking.read(value, received_ms=-(10**17))
    late = tracking.read(encode(type="track", event="X", userId="u"), received_ms=10**17)

    assert isinstance(early, Refusal)
    assert early.reason is Reason.TIMESTAMP_BEFORE_1970
    assert isinstance(late, Refusal)
    assert late.reason is Reason.INVALID_TIMESTAMP
