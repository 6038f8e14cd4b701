"""Confluent-framed Avro to and from the JSON that the readers and builders of this package speak.

A frame is a zero byte, the schema's id in four bytes (big-endian), and the Avro body. No JSON text begins
with a zero byte, so every record says for itself what it is.

Open objects (``properties``, ``traits``, ``context``, …) have no fixed fields, which Avro has no word for:
they travel as JSON in a string. Our own schemas mark such fields with ``"json": true``; in a schema without
marks their names say it. A writer's schema may as well have a record or a map there: that is the object.

Source: Confluent, "Wire format"; Apache Avro, "Specification"; docs/records.md, "Avro".
"""

import io
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from importlib import resources
from typing import Any, Protocol, Self
from uuid import UUID

import fastavro
from msgspec import json

from schemas.json_text import VALUE_BYTES_MAX, Measured, read_value
from schemas.reasons import Reason, Refusal
from schemas.times import utc_text
from schemas.writer_schema import WriterSchema, writer_schema

FRAME_MAGIC = 0
_HEAD_BYTES = 5
_SCHEMAS_MAX = 1000
"""Schemas kept parsed. Lower: many versions at once are parsed again and again. Higher: memory."""
_JSON_BYTES_MAX = 8 * VALUE_BYTES_MAX
"""Of the JSON that a frame becomes: field names and symbols, which Avro does not carry, can make it any size. Lower:
honest records with long names are refused. Higher: one record costs more than a batch is planned for."""


class SchemaRegistry(Protocol):
    """A schema registry, seen from here. The client is an adapter's; the readers need ``schema`` only."""

    def schema(self, schema_id: int) -> str:
        """The schema's text. Raises ``LookupError`` when the registry answers that it has none."""
        ...

    def register(self, subject: str, schema: str) -> int:
        """Register a schema under ``<topic>-value``, if it is not there yet; its id."""
        ...


def is_framed(value: bytes) -> bool:
    """Is this Avro in Confluent's frame (as far as its first byte tells)?"""
    return value[:1] == b"\x00"


def avro_schema(record: str) -> str:
    """The text of one of our own schemas; ``record`` is its name in ``schemas/avro``."""
    return resources.files("schemas").joinpath("avro", f"{record}.avsc").read_text("utf-8")


def no_registry(_: int) -> str:
    """Stands in for a registry where none is configured: frames are recognised, and cannot be read."""
    raise LookupError("no schema registry is configured")


class AvroDecoder:
    """Framed Avro to the JSON bytes that ``tracking.read`` and its like take."""

    def __init__(self, fetch_schema: Callable[[int], str] = no_registry) -> None:
        """``fetch_schema``: ``SchemaRegistry.schema``; errors other than ``LookupError`` pass through."""
        self._fetch_schema = fetch_schema
        self._parsed: dict[int, WriterSchema | Refusal] = {}

    def to_json(self, value: bytes) -> bytes | Refusal:
        """The record as one JSON object: nulls left out, times as ISO 8601, embedded JSON as what it says.

        The limit of 32 KiB is the frame's; its JSON is ``Measured``, and at most 256 KiB.

        Source: docs/records.md, "Avro".
        """
        if len(value) > VALUE_BYTES_MAX:
            return Refusal(Reason.TOO_LARGE, f"{len(value)} bytes, of which {VALUE_BYTES_MAX} are allowed")
        if len(value) < _HEAD_BYTES or value[0] != FRAME_MAGIC:
            return Refusal(Reason.MALFORMED_AVRO, "not a zero byte and a schema id of four bytes")
        schema = self._schema(int.from_bytes(value[1:_HEAD_BYTES], "big"))
        if isinstance(schema, Refusal):
            return schema
        body = io.BytesIO(value[_HEAD_BYTES:])
        try:
            record = _plain(schema.read(body))
        except RecursionError:
            return Refusal(Reason.TOO_DEEP, "nested too deep")
        except Exception as error:  # noqa: BLE001 - fastavro raises whatever the bytes make it stumble over
            return Refusal(Reason.MALFORMED_AVRO, f"does not decode with its schema: {error!r:.200}")
        if body.read(1):
            return Refusal(Reason.MALFORMED_AVRO, "there are bytes after the record")
        if not isinstance(record, dict):
            return Refusal(Reason.NOT_AN_OBJECT, "the schema's record is not a record")
        return _as_json(record, schema.embedded)

    def _schema(self, schema_id: int) -> WriterSchema | Refusal:
        if schema_id in self._parsed:
            return self._parsed[schema_id]
        try:
            text = self._fetch_schema(schema_id)
        except LookupError as error:  # not kept: it may be registered yet
            return Refusal(Reason.UNKNOWN_SCHEMA, f"schema {schema_id} is not known: {error}")
        schema = _made_ready(schema_id, text)
        if len(self._parsed) >= _SCHEMAS_MAX:
            self._parsed.pop(next(iter(self._parsed)))
        self._parsed[schema_id] = schema
        return schema


class AvroEncoder:
    """The JSON bytes of an output to framed Avro, by one of the schemas in ``schemas/avro``."""

    @classmethod
    def of(cls, text: str, *, schema_id: int) -> Self:
        """By the text of an ``.avsc``."""
        return cls(json.decode(text), schema_id=schema_id)

    def __init__(self, schema: Mapping[str, Any], *, schema_id: int) -> None:
        """``schema``: decoded ``.avsc``; ``schema_id``: what the registry gave for it."""
        self._fields = schema
        self._parsed = fastavro.parse_schema(dict(schema))
        self._head = bytes([FRAME_MAGIC]) + schema_id.to_bytes(4, "big")

    def encode(self, value: bytes) -> bytes:
        """Frame a value that this package built.

        Raises:
            ValueError: the value is not of the schema; a bug of ours.
        """
        body = io.BytesIO()
        fastavro.schemaless_writer(body, self._parsed, _shaped(json.decode(value), self._fields), strict=False)
        return self._head + body.getvalue()


def _made_ready(schema_id: int, text: str) -> WriterSchema | Refusal:
    try:
        return writer_schema(text)
    except ValueError as error:
        return Refusal(Reason.UNKNOWN_SCHEMA, f"schema {schema_id} is not one that is read: {error!s:.200}")


def _as_json(record: dict[str, Any], embedded_fields: frozenset[str]) -> bytes | Refusal:
    for field in embedded_fields & record.keys():
        if isinstance(record[field], str):
            embedded = read_value(record[field].encode("utf-8"))
            if isinstance(embedded, Refusal):
                return Refusal(Reason.MALFORMED_AVRO, f"{field}: {embedded.detail}")
            record[field] = embedded
    value = json.encode({name: item for name, item in record.items() if item is not None})
    if len(value) > _JSON_BYTES_MAX:
        return Refusal(Reason.TOO_LARGE, f"{len(value)} bytes as JSON, of which {_JSON_BYTES_MAX} are allowed")
    return Measured(value)


def _plain(value: Any) -> Any:
    """What Avro decoded, in the types that JSON has."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return utc_text(_epoch_ms(value))
    if isinstance(value, date | time | UUID):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no number that JSON has")
    return value


def _epoch_ms(moment: datetime) -> int:
    """Local timestamps have no zone: they are taken as UTC, like times in text."""
    since = moment.replace(tzinfo=None) - datetime(1970, 1, 1)  # noqa: DTZ001 - Avro's instants are UTC
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def _shaped(value: Any, schema: Any) -> Any:
    """A JSON value in the shape of a schema: marked fields as JSON text, what is absent as its default."""
    if isinstance(schema, list):
        branch = next((branch for branch in schema if branch != "null"), "null")
        return None if value is None else _shaped(value, branch)
    if not isinstance(schema, Mapping):
        return value
    if schema["type"] == "record":
        return {
            field["name"]: _field(value[field["name"]], field) for field in schema["fields"] if field["name"] in value
        }
    if schema["type"] == "array":
        return [_shaped(item, schema["items"]) for item in value]
    return value


def _field(value: Any, field: Mapping[str, Any]) -> Any:
    if field.get("json") and value is not None:
        return json.encode(value).decode("utf-8")
    return _shaped(value, field["type"])
