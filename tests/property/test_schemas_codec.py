"""Avro frames: what is put in comes out, and no bytes bring the decoder down."""

import io
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from schemas.codec import AvroDecoder
from schemas.reasons import Reason, Refusal

pytestmark = pytest.mark.property

TEXT = (Path(schemas.__file__).parent / "avro" / "tracking-event.avsc").read_text()
SCHEMA = fastavro.parse_schema(json.loads(TEXT))

texts = st.text(st.characters(codec="utf-8"), max_size=10)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, values, max_size=3)
calls = st.fixed_dictionaries(
    {"type": texts},
    optional={"userId": texts, "event": texts, "properties": objects, "traits": objects, "context": objects},
)


def framed(call: dict[str, Any]) -> bytes:
    body = io.BytesIO()
    flat = {name: json.dumps(item) if isinstance(item, dict) else item for name, item in call.items()}
    fastavro.schemaless_writer(body, SCHEMA, flat)
    return b"\x00\x00\x00\x00\x07" + body.getvalue()


def fetch(schema_id: int) -> str:
    if schema_id != 7:
        raise LookupError(schema_id)
    return TEXT


@given(calls)
def test_what_is_put_in_comes_out(call: dict[str, Any]) -> None:
    value = AvroDecoder(fetch).to_json(framed(call))

    assert isinstance(value, bytes)
    assert json.loads(value) == call


@given(st.binary(max_size=80), st.booleans())
def test_no_bytes_bring_the_decoder_down(value: bytes, known: bool) -> None:
    read = AvroDecoder(fetch).to_json((b"\x00\x00\x00\x00\x07" if known else b"") + value)

    if isinstance(read, Refusal):
        assert read.reason in Reason
    else:
        assert isinstance(json.loads(read), dict)
