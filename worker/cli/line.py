"""One line of ``simulate``'s input: the record it stands for, and when it arrives."""

import base64
import binascii
import json
import re
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from consumers.catalog import DEFINITIONS_TOPIC, INPUT_TOPICS
from schemas.times import parse_ms
from worker.errors import InputError


class Line(NamedTuple):
    """``value`` None: a deletion (``definitions`` only). ``headers`` in order."""

    at_ms: int
    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    at: str
    topic: str
    value: Raw | UnsetType = UNSET
    value_base64: str | UnsetType = UNSET
    key: str | None = None
    headers: dict[str, str] = {}


_decode = msgspec.json.Decoder(_Wire).decode

_ESCAPE = re.compile(
    r"""\\(?:
        (?P<code>u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4})
      | .
    )""",
    re.VERBOSE,
)


def read_line(text: str, number: int) -> Line:
    """
    Raises:
        InputError: the line is no such object; what is wrong *inside* ``value`` is not looked at.
    """
    try:
        wire = _decode(text)
    except UnicodeEncodeError as error:
        raise InputError(f"line {number}: not UTF-8") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if isinstance(error, msgspec.ValidationError):
            raise InputError(f"line {number}: {error}") from error
        wire = _lenient(text, number)
    at_ms = parse_ms(wire.at)
    if at_ms is None:
        raise InputError(f"line {number}: 'at' is no ISO 8601 time with a time zone: {wire.at!r}")
    if wire.topic not in INPUT_TOPICS:
        raise InputError(f"line {number}: {wire.topic!r} is no topic that is read ({', '.join(INPUT_TOPICS)})")
    headers = [(name, value.encode()) for name, value in wire.headers.items()]
    key = None if wire.key is None else wire.key.encode()
    return Line(at_ms, wire.topic, key, _value(wire, number), headers)


def _value(wire: _Wire, number: int) -> bytes | None:
    if (wire.value is UNSET) == (wire.value_base64 is UNSET):
        raise InputError(f"line {number}: exactly one of 'value' and 'value_base64' is needed")
    if isinstance(wire.value_base64, str):
        try:
            return base64.b64decode(wire.value_base64, validate=True)
        except binascii.Error as error:
            raise InputError(f"line {number}: 'value_base64' is no base64: {error}") from error
    value = bytes(wire.value) if isinstance(wire.value, Raw) else b""
    if wire.topic == DEFINITIONS_TOPIC and value.strip() == b"null":
        return None
    return _compact(value)


def _compact(value: bytes) -> bytes:
    """The value in UTF-8 without white space between its tokens: its size is judged by that, however it was typed."""
    try:
        compact = msgspec.json.format(value, indent=-1)
    except (msgspec.DecodeError, RecursionError):
        compact = value.strip()
    return compact if b"\\u" not in compact else _ESCAPE.sub(_character, compact.decode()).encode()


def _character(escape: re.Match[str]) -> str:
    """What an escape stands for; the escape itself where JSON, or UTF-8, has no other way to say it."""
    if escape["code"] is None:
        return escape[0]
    character: str = json.loads(f'"{escape[0]}"')
    must_stay = character < " " or character in {'"', "\\"} or "\ud800" <= character <= "\udfff"
    return escape[0] if must_stay else character


def _lenient(text: str, number: int) -> _Wire:
    """A line that is JSON for the standard library only: a value with NaN, with an unpaired surrogate, very deep."""
    try:
        fields: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"line {number}: not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise InputError(f"line {number}: not an object")
    raw = fields.pop("value", UNSET)
    try:
        wire = msgspec.convert(fields, _Wire)
    except msgspec.ValidationError as error:
        raise InputError(f"line {number}: {error}") from error
    if raw is not UNSET:
        wire.value = Raw(json.dumps(raw, separators=(",", ":")).encode())
    return wire
