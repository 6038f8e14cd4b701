# ruff: noqa: N815 - attributes are named as the fields of the wire: one name to know, none to map
"""The records of ``resolved-events``: the mailbox of every profile, and the archive of what was accepted.

The header ``kind`` says what a record is. ``event`` is the archive's; readers skip every other kind, which is
the worker talking to itself. This module reads what the fold needs of an ``event``, and ticks.

Source: ARCHITECTURE.md, "Route, then fold".
"""

import re
from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType, json

from schemas.events import NO_EXTERNAL_IDS, ExternalId

KIND_HEADER = "kind"

EVENT = b"event"
FORWARD = b"forward"
TICK = b"tick"
SEAL = b"seal"
EXPECT = b"expect"
ABSORB = b"absorb"
ABSORBED = b"absorbed"
ACTIVATE = b"activate"
SIGNAL = b"signal"

AT_HEADER = "at"
"""Of a ``forward``: the time at which the event counts (ms), as decimal text."""

KINDS: frozenset[bytes] = frozenset({EVENT, FORWARD, TICK, SEAL, EXPECT, ABSORB, ABSORBED, ACTIVATE, SIGNAL})


class Tick(Struct, frozen=True, gc=False):
    """A timer of a profile is due. ``at``: the time that it was set for, ms."""

    profile_id: str
    at: int


class FoldData(Struct, gc=False):
    """``data`` of a passthrough event."""

    audience_id: str
    ts: int | float


class FoldEvent(Struct, kw_only=True, gc=False):
    """What the fold needs of an accepted event, tracking or passthrough; the rest is skipped undecoded.

    ``external_ids``, ``properties``, ``traits`` and ``context`` are undecoded JSON (``decode_external_ids`` and
    ``decode_object`` read them): most events bring no new identifier and touch no condition on the others.

    Units: ``at``, ``timestamp_ms``: ms since 1970; ``data.ts``: seconds.
    """

    profile_id: str
    at: int
    timestamp_ms: int
    external_ids: Raw = NO_EXTERNAL_IDS
    type: str
    messageId: str
    event: str | None = None
    name: str | UnsetType = UNSET
    receivedAt: str | UnsetType = UNSET
    properties: Raw | UnsetType = UNSET
    traits: Raw | UnsetType = UNSET
    context: Raw | UnsetType = UNSET
    writeKey: Any = UNSET
    projectId: Any = UNSET
    action: str | UnsetType = UNSET
    data: FoldData | UnsetType = UNSET


_decode_event = json.Decoder(FoldEvent).decode
_decode_tick = json.Decoder(Tick).decode
_decode_external_ids = json.Decoder(list[ExternalId]).decode
_decode_object = json.Decoder(dict[str, Any]).decode
_encode = json.Encoder().encode
_long_digits = re.compile(rb"[0-9]{19}").search
_INTEGERS = range(-(2**63), 2**64)
"""What MessagePack, and so a stored state, can hold."""


def decode_event(value: bytes) -> FoldEvent:
    """Read the value of an ``event`` or ``forward``.

    Raises:
        msgspec.DecodeError: not written by a router; a bug or a foreign writer.
    """
    return _decode_event(value)


def decode_external_ids(raw: Raw) -> list[ExternalId]:
    """What identity resolution has promoted from a ``FoldEvent``."""
    return _decode_external_ids(raw)


def decode_object(raw: Raw | UnsetType) -> dict[str, Any]:
    """The properties, traits or context of a ``FoldEvent``; empty when it has none.

    An integer of more than 64 bits is the nearest double, as it is for most readers of JSON.
    """
    if raw is UNSET:
        return {}
    decoded: dict[str, Any] = _decode_object(raw)
    return _narrowed(decoded) if _long_digits(raw) else decoded


def _narrowed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _narrowed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_narrowed(item) for item in value]
    return float(value) if isinstance(value, int) and value not in _INTEGERS else value


def encode_tick(tick: Tick) -> bytes:
    """``{"profile_id": "use_…", "at": 1736503260000}``."""
    return _encode(tick)


def decode_tick(value: bytes) -> Tick:
    """Read the value of a ``tick``.

    Raises:
        msgspec.DecodeError: not written by a worker.
    """
    return _decode_tick(value)
