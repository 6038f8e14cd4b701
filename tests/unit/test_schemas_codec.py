"""Framed Avro in and out."""

import io
import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest

import schemas
from schemas import changes, tracking
from schemas.codec import AvroDecoder, AvroEncoder, is_framed
from schemas.events import ExternalId, TrackingEvent
from schemas.reasons import Reason, Refusal

pytestmark = pytest.mark.unit

AVRO = Path(schemas.__file__).parent / "avro"


def avsc(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((AVRO / f"{name}.avsc").read_text())
    return schema


def framed(schema: dict[str, Any], record: Any, *, schema_id: int = 7) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), record)
    return b"\x00" + schema_id.to_bytes(4, "big") + body.getvalue()


def record_of(*fields: tuple[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": [{"name": name, "type": kind} for name, kind in fields]}


def decoder(*registered: dict[str, Any]) -> AvroDecoder:
    texts = {7 + index: json.dumps(schema) for index, schema in enumerate(registered)}
    return AvroDecoder(texts.__getitem__)


def decoded(schema: dict[str, Any], record: Any) -> Any:
    read = decoder(schema).to_json(framed(schema, record))
    return read if isinstance(read, Refusal) else json.loads(read)


def reason(value: bytes, *registered: dict[str, Any]) -> Reason:
    refusal = decoder(*registered).to_json(value)
    assert isinstance(refusal, Refusal), refusal
    assert "\n" not in refusal.detail
    return refusal.reason


def test_a_call_in_avro_is_the_same_call() -> None:
    call = {
        "type": "track",
        "event": "X",
        "userId": "u1",
        "properties": '{"a":{"b":[1,null]}}',
        "version": "2",
    }
    schema = avsc("tracking-event")

    value = decoder(schema).to_json(framed(schema, call))

    assert isinstance(value, bytes)
    event = tracking.read(value, received_ms=0)
    assert isinstance(event, TrackingEvent)
    assert (event.userId, event.properties, event.version) == ("u1", {"a": {"b": [1, None]}}, "2")


def test_a_writers_record_or_map_is_the_object_it_is() -> None:
    schema = record_of(
        ("properties", {**record_of(("price", "double"), ("note", ["null", "string"])), "name": "P"}),
        ("traits", {"type": "map", "values": "int"}),
    )

    assert decoded(schema, {"properties": {"price": 1.5, "note": None}, "traits": {"a": 1}}) == {
        "properties": {"price": 1.5, "note": None},
        "traits": {"a": 1},
    }


def test_logical_types_become_text_and_numbers() -> None:
    schema = record_of(
        ("at", {"type": "long", "logicalType": "timestamp-millis"}),
        ("local", {"type": "long", "logicalType": "local-timestamp-micros"}),
        ("day", {"type": "int", "logicalType": "date"}),
        ("price", {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}),
        ("bytes", "bytes"),
        ("nothing", ["null", "string"]),
    )
    moment = datetime(2025, 1, 10, 10, 1, 0, 5000, tzinfo=UTC)
    record = {
        "at": moment,
        "local": moment.replace(tzinfo=None),
        "day": moment.date(),
        "price": Decimal("12.50"),
        "bytes": b"x",
        "nothing": None,
    }

    assert decoded(schema, record) == {
        "at": "2025-01-10T10:01:00.005Z",
        "local": "2025-01-10T10:01:00.005Z",
        "day": "2025-01-10",
        "price": 12.5,
        "bytes": "x",
    }


def test_bad_frames_are_refused() -> None:
    schema = record_of(("type", "string"))
    good = framed(schema, {"type": "track"})

    assert reason(b"\x00\x00", schema) is Reason.MALFORMED_AVRO
    assert reason(b"{}" * 9, schema) is Reason.MALFORMED_AVRO
    assert reason(good[:-2], schema) is Reason.MALFORMED_AVRO
    assert reason(good + b"\x00", schema) is Reason.MALFORMED_AVRO
    assert reason(b"\x00" * 32_769, schema) is Reason.TOO_LARGE
    assert reason(framed(schema, {"type": "track"}, schema_id=99), schema) is Reason.UNKNOWN_SCHEMA
    assert reason(good, {"type": "nonsense"}) is Reason.UNKNOWN_SCHEMA
    assert reason(framed({"type": "string"}, "track"), {"type": "string"}) is Reason.NOT_AN_OBJECT


def test_a_registry_that_does_not_answer_is_no_fault_of_the_record() -> None:
    class RegistryDownError(Exception):
        pass

    def fetch(_: int) -> str:
        raise RegistryDownError

    with pytest.raises(RegistryDownError):
        AvroDecoder(fetch).to_json(b"\x00\x00\x00\x00\x07x")


def test_a_schema_is_fetched_once() -> None:
    schema = record_of(("type", "string"))
    asked: list[int] = []

    def fetch(schema_id: int) -> str:
        asked.append(schema_id)
        return json.dumps(schema)

    reader = AvroDecoder(fetch)
    for _ in range(3):
        reader.to_json(framed(schema, {"type": "track"}))

    assert asked == [7]


@pytest.mark.parametrize("text", ['{"a":', '1, "type": "evil"', "NaN", "[" * 100, ""])
def test_embedded_text_that_is_no_json_cannot_smuggle_anything_in(text: str) -> None:
    schema = record_of(("type", "string"), ("properties", "string"))

    assert reason(framed(schema, {"type": "track", "properties": text}), schema) is Reason.MALFORMED_AVRO


def test_a_double_that_json_has_not_is_refused() -> None:
    schema = record_of(("x", "double"))

    assert reason(framed(schema, {"x": math.nan}), schema) is Reason.MALFORMED_AVRO
    assert reason(framed(schema, {"x": math.inf}), schema) is Reason.MALFORMED_AVRO


@pytest.mark.parametrize("form", ["track", "identify"])
def test_an_audience_change_survives_the_way_through_avro(form: changes.Form) -> None:
    profile = changes.ProfileIds("use_1", "u1", None, "a@b.c", [ExternalId(id="u1", type="user_id")])
    transition = changes.Transition(
        key="k", number=1, revision=2, reason="import", at_ms=0, sent_ms=1, data_bag={"a": [1]}
    )
    message = changes.audience_change(space_id="s", profile=profile, transition=transition, form=form)
    schema = avsc("audience-change")

    value = AvroEncoder(schema, schema_id=7).encode(message.value)

    assert is_framed(value)
    assert not is_framed(message.value)
    read = fastavro.schemaless_reader(io.BytesIO(value[5:]), fastavro.parse_schema(schema), None)
    assert isinstance(read, dict)
    original = json.loads(message.value)
    body = "properties" if form == "track" else "traits"
    assert json.loads(read[body]) == original[body]
    assert read["context"]["personas"] == original["context"]["personas"]
    assert read["context"]["externalIds"] == original["context"]["externalIds"]
    assert json.loads(read["context"]["audience"]["data_bag"]) == {"a": [1]}
    assert (read["userId"], read["anonymousId"], read["event"]) == (
        original["userId"],
        None,
        original.get("event"),
    )


def test_a_trait_change_and_a_merge_survive_it_too() -> None:
    profile = changes.ProfileIds("use_1", "u1")
    change = changes.TraitChange(key="t", value=[1, "a"], version=1, at_ms=0, sent_ms=1)
    trait = changes.trait_change(space_id="s", profile=profile, change=change).value
    merge = changes.profile_merge(space_id="s", child="c", parent="p", at_ms=0, caused_by="m1").value

    for name, value in (("trait-change", trait), ("profile-merge", merge)):
        back = decoder(avsc(name)).to_json(AvroEncoder(avsc(name), schema_id=7).encode(value))
        assert isinstance(back, bytes)
        assert (
            json.loads(back).items()
            >= {key: item for key, item in json.loads(value).items() if item is not None and key != "context"}.items()
        )
