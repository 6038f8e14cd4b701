"""The usual path, the careful path, and two oracles that share no code with them."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas import tracking
from schemas.events import TrackingEvent, encode_resolved
from schemas.json_text import read_object
from schemas.reasons import Reason, Refusal
from schemas.tracking_careful import read_carefully

pytestmark = pytest.mark.property

texts = st.text(st.characters(codec="utf-8"), max_size=12)
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
leaves = scalars | texts
json_values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts | st.sampled_from(["email", "groupId", "identity"]), json_values, max_size=4)
moments = st.integers(-(10**10), 4 * 10**12).map(
    lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)
iso_times = moments.map(lambda at: at.isoformat(timespec="milliseconds").replace("+00:00", "Z"))

GOOD: dict[str, st.SearchStrategy[Any]] = {
    "messageId": texts,
    "event": texts,
    "userId": texts,
    "anonymousId": texts,
    "name": texts,
    "groupId": texts,
    "properties": objects,
    "traits": objects,
    "context": objects,
    "integrations": json_values,
    "timestamp": iso_times,
    "sentAt": iso_times,
    "receivedAt": iso_times,
    "originalTimestamp": iso_times,
    "version": json_values,
}
FRONT = {"profile_id": texts, "at": st.integers(), "external_ids": st.just([]), "unknown": json_values}


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """Calls that are mostly right: any of the fields, now and then with a value of the wrong kind."""
    event: dict[str, Any] = draw(st.fixed_dictionaries({}, optional=GOOD))
    event["type"] = draw(st.sampled_from(["identify", "track", "page", "screen", "group", "alias"]))
    if draw(st.booleans()):
        event |= {"userId": "u1", "event": "X", "groupId": "g"}
    for field in draw(st.lists(st.sampled_from([*GOOD, "type"]), max_size=2)):
        if draw(st.booleans()):
            event[field] = draw(json_values)
    if draw(st.integers(0, 9)) == 0:
        event |= draw(st.fixed_dictionaries({}, optional=FRONT))
    return event


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """The bytes of such a call with a few of them changed, cut out or put in."""
    value = bytearray(json.dumps(draw(events()), ensure_ascii=draw(st.booleans())).encode())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(value)))
        piece = draw(st.binary(max_size=2) | st.sampled_from([b"\\ud800", b"null", b"1e999", b"[", b"}", b'"']))
        value[at : at + draw(st.integers(0, 3))] = piece
    return bytes(value)


def same_on_both_paths(value: bytes) -> None:
    usual = tracking._read_usual(value)
    if usual is not None:
        assert usual == read_carefully(value)


@given(events())
@example({"type": "track", "event": "X", "userId": "u", "context": {"groupId": 5}})
@example({"type": "page", "userId": None, "anonymousId": "a", "event": ""})
@example({"type": "page", "userId": "u", "context": {"identity": 1, "groupId": "g"}})
def test_what_the_usual_path_accepts_the_careful_path_reads_the_same(event: dict[str, Any]) -> None:
    same_on_both_paths(json.dumps(event).encode())


@given(mutated())
def test_so_it_is_for_damaged_bytes(value: bytes) -> None:
    same_on_both_paths(value)


@given(st.binary(max_size=64) | mutated(), st.integers(-(2**63), 2**63 - 1))
def test_any_bytes_give_an_event_or_a_refusal_and_an_event_can_be_written(value: bytes, received_ms: int) -> None:
    read = tracking.read(value, received_ms=received_ms)

    if isinstance(read, TrackingEvent):
        assert read_object(encode_resolved(read))
        assert isinstance(read.timestamp_ms, int)
        assert 0 <= read.timestamp_ms <= received_ms
    else:
        assert read.reason in Reason


def plain_time(event: dict[str, Any], receipt: datetime) -> datetime:
    """The rule of the specification in words of datetime."""
    at = {name: datetime.fromisoformat(event[name]) for name in event if name.endswith(("imestamp", "At"))}
    receipt = min(receipt, at.get("receivedAt", receipt))
    original = at.get("originalTimestamp", at.get("timestamp"))
    if original is None:
        return receipt
    if "sentAt" not in at:
        return original
    return receipt - (at["sentAt"] - original)


zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ["timestamp", "sentAt", "receivedAt", "originalTimestamp"],
            st.builds(
                lambda at, zone: at.replace(microsecond=at.microsecond // 1000 * 1000).astimezone(zone).isoformat(),
                moments,
                zones,
            ),
        ),
    ),
    moments,
)
def test_times_are_those_of_the_specification(times: dict[str, Any], received: datetime) -> None:
    received = received.replace(microsecond=0)
    value = json.dumps({"type": "track", "event": "X", "userId": "u", **times}).encode()
    expected = plain_time(times, received)
    receipt = min(received, datetime.fromisoformat(times.get("receivedAt", received.isoformat())))

    event = tracking.read(value, received_ms=int(received.timestamp() * 1000))

    if min(expected, receipt).timestamp() < 0:
        assert isinstance(event, Refusal)
        assert event.reason is Reason.TIMESTAMP_BEFORE_1970
    else:
        assert isinstance(event, TrackingEvent)
        shown = expected.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert event.timestamp == shown
        assert event.timestamp_ms == round(min(expected, receipt).timestamp() * 1000)


@given(st.binary(max_size=40) | mutated() | json_values.map(lambda value: json.dumps(value).encode()))
def test_strict_json_agrees_with_another_strict_decoder(value: bytes) -> None:
    """Except for lone surrogates, which msgspec refuses and we mend."""
    ours = read_object(value)
    try:
        theirs = msgspec.json.decode(value)
    except (ValueError, RecursionError):
        theirs = None
    if isinstance(theirs, dict):
        assert ours == theirs
    elif b"\\ud" not in value and b"\\uD" not in value:
        assert isinstance(ours, Refusal)


def nestings(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arrays = st.lists(inner, max_size=3).map(lambda items: "[" + ",".join(items) + "]")
    return arrays | inner.map(lambda item: '{"a":' + item + "}")


brackets = st.recursive(st.sampled_from(["1", '"]"', '"{[\\""', "{}"]), nestings, max_leaves=20)


def depth_of(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


@given(st.integers(0, 70), brackets)
def test_too_deep_is_exactly_deeper_than_64(wrappings: int, inside: str) -> None:
    text = '{"a":' * wrappings + '{"b":[' + inside + ',"[[[[{{{{"' * 20 + "]}" + "}" * wrappings

    read = read_object(text.encode())

    if depth_of(json.loads(text)) <= 64:
        assert read == json.loads(text)
    else:
        assert isinstance(read, Refusal)
        assert read.reason is Reason.TOO_DEEP
