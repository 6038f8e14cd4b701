"""A writer's Avro schema, made ready: parsed, looked at for what it could do to us, its embedded JSON found.

Whoever may register a schema must not be able to bring down who reads by it. Two kinds can, with a record of a few
bytes: one that refers to itself nests without end, and what takes no bytes can be there any number of times.

Source: Apache Avro, "Specification" (Names; Binary encoding); docs/records.md, "Avro".
"""

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, NamedTuple

import fastavro
from fastavro import _read_py
from fastavro.schema import SchemaParseException, UnknownType
from msgspec import json

OPEN_OBJECTS = frozenset({"properties", "traits", "context", "integrations", "_metadata", "identifiers", "data"})
"""Fields that hold JSON when they hold a string, in a schema that does not mark them."""

_NAMED = frozenset({"record", "error", "enum", "fixed"})


class WriterSchema(NamedTuple):
    """``read``: one record off the front of a stream, as fastavro gives it; raises whatever the bytes make it.

    ``embedded``: top-level fields that hold JSON when they hold a string.
    """

    read: Callable[[BytesIO], Any]
    embedded: frozenset[str]


def writer_schema(text: str) -> WriterSchema:
    """
    Raises:
        ValueError: the text is no Avro schema, or one that we do not read by.
    """
    try:
        decoded = json.decode(text)
        parsed = fastavro.parse_schema(decoded)
        if _multiplies_nothing(parsed, {}):
            raise ValueError("it repeats what takes no bytes")
        recursive = _is_recursive(parsed, frozenset())
    except (SchemaParseException, UnknownType, TypeError, LookupError, RecursionError) as error:
        raise ValueError(repr(error)) from error
    # The compiled reader overflows the stack, and with it ends the process, where the other one raises.
    reader: Any = _read_py.schemaless_reader if recursive else fastavro.schemaless_reader

    def read(body: BytesIO) -> Any:
        return reader(body, parsed, None)

    return WriterSchema(read, OPEN_OBJECTS | _marked(decoded))


def _marked(schema: Any) -> frozenset[str]:
    fields = schema.get("fields", ()) if isinstance(schema, Mapping) else ()
    return frozenset(field["name"] for field in fields if field.get("json"))


def _parts(schema: Any) -> list[Any]:
    """The schemas that a parsed schema is made of directly."""
    if isinstance(schema, list):
        return schema
    if not isinstance(schema, Mapping):
        return []
    inner = [schema[name] for name in ("items", "values") if name in schema]
    return inner + [field["type"] for field in schema.get("fields", ())]


def _is_recursive(schema: Any, open_names: frozenset[str]) -> bool:
    """A name must be defined before it is used, so every circle ends at a name whose definition is still open."""
    if isinstance(schema, str):
        return schema in open_names
    if isinstance(schema, Mapping) and schema["type"] in _NAMED:
        open_names |= {schema["name"]}
    return any(_is_recursive(part, open_names) for part in _parts(schema))


def _multiplies_nothing(schema: Any, weightless: dict[str, bool]) -> bool:
    """Whether something that takes no bytes is the item of an array, or is used again by its name.

    ``weightless``: of the names met so far, whether they take no bytes.
    """
    if isinstance(schema, str):
        return weightless.get(schema, False)
    if any(_multiplies_nothing(part, weightless) for part in _parts(schema)):
        return True
    if not isinstance(schema, Mapping):
        return False
    if schema["type"] in _NAMED:
        weightless[schema["name"]] = _is_weightless(schema, weightless)
    return bool(schema["type"] == "array" and _is_weightless(schema["items"], weightless))


def _is_weightless(schema: Any, weightless: Mapping[str, bool]) -> bool:
    """Whether a value takes no bytes."""
    if isinstance(schema, str):
        return schema == "null" or weightless.get(schema, False)
    if not isinstance(schema, Mapping):
        return False  # a union takes a byte for the number of its branch
    if schema["type"] in {"record", "error"}:
        return all(_is_weightless(field["type"], weightless) for field in schema["fields"])
    return bool(schema["type"] == "null" or (schema["type"] == "fixed" and schema["size"] == 0))
