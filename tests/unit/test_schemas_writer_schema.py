"""Schemas of other writers: who registers one must not be able to bring down who reads by it."""

import json
from typing import Any

import pytest

from schemas.codec import AvroDecoder
from schemas.json_text import VALUE_BYTES_MAX
from schemas.reasons import Reason, Refusal

HEAD = b"\x00\x00\x00\x00\x07"
ENDLESS_LIST = b"\xfe\xff\xff\xff\xff\x7f"  # an array's block of 2^40 items or so


def record(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": key, "type": kind} for key, kind in fields.items()]}


def read(schema: Any, body: bytes) -> Any:
    value = AvroDecoder(lambda _: json.dumps(schema)).to_json(HEAD + body)
    return value.reason if isinstance(value, Refusal) else json.loads(value)


LINKED = {**record("Link", next=["null", "shop.Link"]), "namespace": "shop"}


def test_a_schema_that_refers_to_itself_is_read() -> None:
    assert read(LINKED, b"\x02\x02\x00") == {"next": {"next": {"next": None}}}


@pytest.mark.parametrize("depth", [500, 32_000])
def test_a_record_that_nests_without_end_is_refused(depth: int) -> None:
    """The deeper one overflows the stack of fastavro's compiled reader, and with it ended the process."""
    assert read(LINKED, b"\x02" * depth + b"\x00") is Reason.TOO_DEEP


def test_a_record_that_consists_of_itself_is_refused() -> None:
    assert read(record("R", again="R"), b"") is Reason.TOO_DEEP


NOTHING = record("Nothing")
WEIGHTLESS_ITEMS = {
    "null": record("R", many={"type": "array", "items": "null"}),
    "an empty record": record("R", many={"type": "array", "items": NOTHING}),
    "a record of nulls": record("R", many={"type": "array", "items": record("N", a="null", b=NOTHING)}),
    "by its name": record("R", one=NOTHING, many={"type": "array", "items": "Nothing"}),
    "an empty fixed": record("R", many={"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}),
    "inside": record("R", inner={"type": "map", "values": {"type": "array", "items": "null"}}),
}


@pytest.mark.parametrize("schema", WEIGHTLESS_ITEMS.values(), ids=WEIGHTLESS_ITEMS)
def test_an_array_of_what_takes_no_bytes_is_not_read(schema: dict[str, Any]) -> None:
    """Six bytes would be a list of a trillion items."""
    assert read(schema, ENDLESS_LIST) is Reason.UNKNOWN_SCHEMA


def test_what_takes_no_bytes_cannot_be_doubled_and_doubled() -> None:
    schema = NOTHING
    for level in range(40):
        name = schema["name"]
        schema = record(f"Twice{level}", left=schema, right=name)

    assert read(schema, b"") is Reason.UNKNOWN_SCHEMA


def test_an_array_that_says_it_is_endless_and_is_not_is_refused() -> None:
    assert read(record("R", many={"type": "array", "items": "string"}), ENDLESS_LIST) is Reason.MALFORMED_AVRO


def test_the_limit_is_the_frames_and_its_json_may_be_larger() -> None:
    schema = record("R", many={"type": "array", "items": record("Item", a_name_that_takes_20="boolean")})

    assert len(read(schema, b"\xe0\x5d" + b"\x01" * 6000 + b"\x00")["many"]) == 6000
    assert read(schema, b"\x80\x71" + b"\x01" * 7232 + b"\x00") == {"many": [{"a_name_that_takes_20": True}] * 7232}
    assert read(schema, b"\x80\x9c\x01" + b"\x01" * 9984 + b"\x00") is Reason.TOO_LARGE
    assert read(record("R", text="string"), b"\x00" * VALUE_BYTES_MAX) is Reason.TOO_LARGE


@pytest.mark.parametrize("text", ["", "[", '"R"', "1", "{}", '{"type": "object"}', 'syntax = "proto3";', "[" * 5000])
def test_what_is_no_schema_is_an_unknown_one(text: str) -> None:
    value = AvroDecoder(lambda _: text).to_json(HEAD + b"x")

    assert isinstance(value, Refusal)
    assert value.reason is Reason.UNKNOWN_SCHEMA
