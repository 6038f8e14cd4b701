"""What is written: audience changes, trait changes, merges, dead letters, the mailbox."""

import json
from typing import Any

import msgspec
import pytest

from schemas import changes, dead_letter, mailbox
from schemas.changes import ProfileIds, TraitChange, Transition
from schemas.events import (
    NO_EXTERNAL_IDS,
    ExternalId,
    PassthroughData,
    PassthroughEvent,
    TrackingEvent,
    encode_external_ids,
    encode_resolved,
)
from schemas.ids import audience_id, coordinates_id, made_id
from schemas.reasons import Reason, Refusal, Stage
from schemas.times import read_ms

pytestmark = pytest.mark.unit

PROFILE = ProfileIds(
    profile_id="use_1",
    user_id="u123",
    anonymous_id="a1",
    email="a@x.io",
    external_ids=encode_external_ids([ExternalId(id="u123", type="user_id")]),
)
ENTERED = Transition(
    key="pricing_fan",
    number=1,
    revision=3,
    reason="event",
    at_ms=read_ms("2025-01-10T10:01:00.000Z"),
    sent_ms=read_ms("2025-01-10T10:01:01.120Z"),
    caused_by="m-17",
)


def test_an_audience_change_is_as_documented_field_by_field_and_in_order() -> None:
    message = changes.audience_change(space_id="default", profile=PROFILE, transition=ENTERED)
    sent_id = changes.message_id("default", "use_1", "pricing_fan", number=1, form="track")

    expected = {
        "type": "track",
        "event": "Audience Entered",
        "messageId": sent_id,
        "userId": "u123",
        "anonymousId": None,
        "timestamp": "2025-01-10T10:01:00.000Z",
        "sentAt": "2025-01-10T10:01:01.120Z",
        "properties": {"audience_key": "pricing_fan", "pricing_fan": True},
        "context": {
            "personas": {
                "computation_class": "audience",
                "computation_id": audience_id("default", "pricing_fan"),
                "computation_key": "pricing_fan",
                "namespace": "default",
                "space_id": "default",
            },
            "traits": {"email": "a@x.io"},
            "externalIds": [{"id": "u123", "type": "user_id", "collection": "users", "encoding": "none"}],
            "audience": {
                "profile_id": "use_1",
                "revision": 3,
                "transition": 1,
                "reason": "event",
                "caused_by": "m-17",
                "merged_into": None,
                "data_bag": None,
            },
        },
    }
    assert message.value.decode() == json.dumps(expected, separators=(",", ":"))
    assert message.headers == [
        ("event", b"Audience Entered"),
        ("audience_key", b"pricing_fan"),
        ("message_id", sent_id.encode()),
        ("space_id", b"default"),
        ("content-type", b"application/json"),
    ]


def test_an_exit_is_even_and_says_false() -> None:
    exited = msgspec.structs.replace(ENTERED, number=2, reason="merge", merged_into="use_2", caused_by=None)
    nobody = ProfileIds(profile_id="use_1", anonymous_id="a1")

    message = changes.audience_change(space_id="s", profile=nobody, transition=exited, traceparent=b"00-x")
    value = json.loads(message.value)

    assert value["event"] == "Audience Exited"
    assert value["properties"]["pricing_fan"] is False
    assert (value["userId"], value["anonymousId"]) == (None, "a1")
    assert value["context"]["traits"] == {}
    assert value["context"]["audience"]["merged_into"] == "use_2"
    assert ("traceparent", b"00-x") in message.headers


def test_the_identify_form_carries_the_flag_and_the_email_as_traits() -> None:
    message = changes.audience_change(space_id="s", profile=PROFILE, transition=ENTERED, form="identify")
    value = json.loads(message.value)

    assert value["type"] == "identify"
    assert value["traits"] == {"email": "a@x.io", "pricing_fan": True}
    assert "event" not in value
    assert "properties" not in value
    assert "traits" not in value["context"]


def test_an_audience_may_name_its_event() -> None:
    message = changes.audience_change(space_id="s", profile=PROFILE, transition=ENTERED, event_name="Came In")

    assert json.loads(message.value)["event"] == "Came In"
    assert message.headers[0] == ("event", b"Came In")


def test_the_message_id_depends_on_everything_that_makes_an_output_another_one() -> None:
    base: dict[str, Any] = {"space_id": "s", "profile_id": "p", "key": "k", "number": 1, "form": "track"}
    others: list[dict[str, Any]] = [
        {"space_id": "t"},
        {"profile_id": "q"},
        {"key": "l"},
        {"number": 3},
        {"form": "identify"},
        {"receiver": "u1"},
        {"kind": "trait"},
        {"space_id": "sp", "profile_id": ""},
    ]

    ids = [changes.message_id(**{**base, **other}) for other in [{}, *others]]

    assert len(set(ids)) == len(ids)
    assert ids[0] == changes.message_id("s", "p", "k", number=1, form="track")
    assert ids[0].startswith("aw_")
    assert len(ids[0]) == 3 + 32
    assert int(ids[0][3:], 16)


def test_made_ids_are_those_of_other_machines_and_years() -> None:
    """Pinned: readers keep them."""
    assert audience_id("default", "pricing_fan") == "aud_fa53173dbea5868da37836faddd6e943"
    assert made_id("aw_", "ab", "c") != made_id("aw_", "a", "bc")
    assert coordinates_id("t", 1, 11) != coordinates_id("t", 11, 1)


def test_a_trait_change_carries_the_value() -> None:
    change = TraitChange(key="total", value=450.5, version=2, at_ms=0, sent_ms=1)

    tracked = changes.trait_change(space_id="s", profile=PROFILE, change=change)
    identified = changes.trait_change(space_id="s", profile=PROFILE, change=change, form="identify")

    assert json.loads(tracked.value)["properties"] == {"trait_key": "total", "total": 450.5}
    assert json.loads(tracked.value)["event"] == "Trait Computed"
    assert json.loads(tracked.value)["context"]["personas"]["computation_class"] == "trait"
    assert json.loads(identified.value)["traits"] == {"email": "a@x.io", "total": 450.5}
    assert tracked.headers[1] == ("trait_key", b"total")


def test_a_merge_names_child_and_parent() -> None:
    message = changes.profile_merge(space_id="s", child="use_1", parent="use_2", at_ms=0, caused_by="m1")

    assert json.loads(message.value) == {
        "child": "use_1",
        "parent": "use_2",
        "at": "1970-01-01T00:00:00.000Z",
        "messageId": dict(message.headers)["message_id"].decode(),
    }
    assert dict(message.headers)["caused_by"] == b"m1"


# Dead letters


def letter(original: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return dead_letter.headers(
        original=original,
        refusal=Refusal(Reason.TOO_DEEP, "nested \ud800"),
        stage=Stage.DECODE,
        topic="tracking-events",
        partition=3,
        offset=17,
        task_id="worker-0",
    )


def test_a_dead_letter_keeps_the_originals_headers_and_adds_kafka_connects() -> None:
    headers = letter([("a", b"\xff"), ("a", b"2")])

    assert headers[:2] == [("a", b"\xff"), ("a", b"2")]
    assert dict(headers[2:]) == {
        "__connect.errors.topic": b"tracking-events",
        "__connect.errors.partition": b"3",
        "__connect.errors.offset": b"17",
        "__connect.errors.connector.name": b"audience-worker",
        "__connect.errors.task.id": b"worker-0",
        "__connect.errors.stage": b"decode",
        "__connect.errors.class.name": b"audience-worker.decode",
        "__connect.errors.exception.class.name": b"too_deep",
        "__connect.errors.exception.message": b"nested ?",
        "reason": b"too_deep",
        "stage": b"decode",
    }


def test_a_letter_that_dies_again_tells_of_its_last_death_only() -> None:
    once = letter([("a", b"1"), ("reason", b"old"), ("__connect.errors.topic", b"old")])

    assert letter(once) == once == letter([("a", b"1")])


# The mailbox


def test_the_fold_reads_what_the_router_wrote_of_a_call() -> None:
    event = TrackingEvent(
        profile_id="use_1",
        at=5,
        timestamp_ms=4,
        external_ids=encode_external_ids([ExternalId(id="u", type="user_id")]),
        type="track",
        messageId="m1",
        event="X",
        properties={"a": {"b": 1}},
        context={"c": 1},
    )

    read = mailbox.decode_event(encode_resolved(event))

    assert (read.profile_id, read.at, read.timestamp_ms, read.messageId) == ("use_1", 5, 4, "m1")
    assert mailbox.decode_external_ids(read.external_ids) == [ExternalId(id="u", type="user_id")]
    assert mailbox.decode_object(read.properties) == {"a": {"b": 1}}
    assert mailbox.decode_object(read.traits) == {}


def test_the_fold_reads_what_the_router_wrote_of_a_passthrough_event() -> None:
    event = PassthroughEvent(
        profile_id="use_1",
        at=5,
        timestamp_ms=4,
        external_ids=NO_EXTERNAL_IDS,
        messageId="m1",
        action="qualify",
        identifiers={"email": "a@b.c"},
        data=PassthroughData(audience_id="a1", ts=1.5),
    )

    read = mailbox.decode_event(encode_resolved(event))

    assert (read.type, read.action) == ("passthrough", "qualify")
    assert read.data == mailbox.FoldData("a1", 1.5)


def test_what_is_no_routers_is_an_error() -> None:
    with pytest.raises(msgspec.DecodeError):
        mailbox.decode_event(b'{"type":"track"}')


def test_a_tick_comes_back() -> None:
    tick = mailbox.Tick("use_1", 1736503260000)

    assert mailbox.encode_tick(tick) == b'{"profile_id":"use_1","at":1736503260000}'
    assert mailbox.decode_tick(mailbox.encode_tick(tick)) == tick
