"""Passthrough events: a system outside says that a user entered or left one of its audiences.

Source: Optimizely, "Passthrough segments" (ODP); docs/records.md, "Passthrough events".
"""

from collections.abc import Container, Mapping
from typing import Any, Literal, cast

from schemas.events import PassthroughData, PassthroughEvent
from schemas.ids import PASSTHROUGH_PREFIX, made_id
from schemas.json_text import VALUE_BYTES_MAX, Measured, name_of, read_object, shortest
from schemas.reasons import Reason, Refusal
from schemas.tracking_careful import refuse_message_id

TS_LIMIT = 10**11
"""Seconds until the year 5138. A larger number is milliseconds, which the sender must mend, not we guess."""

_ACTIONS = ("qualify", "disqualify")


def read(value: bytes, *, received_ms: int, high_confidence: Container[str]) -> PassthroughEvent | Refusal:
    """Read one passthrough event; say why not, when it is not accepted.

    The result always has a ``messageId``: the one given, or one made of the content.

    Units:
        received_ms: the record's Kafka timestamp, ms since 1970.
        result: ``data.ts`` in seconds as given, ``timestamp_ms`` the same in ms, not later than the receipt.

    Shapes:
        high_confidence: the identifier types of which one is trusted to name the user.

    Source: Optimizely, "Passthrough segments" (ODP); docs/decisions.md, "Passthrough segments".
    """
    if len(value) > VALUE_BYTES_MAX and not isinstance(value, Measured):
        return Refusal(Reason.TOO_LARGE, f"{len(value)} bytes, of which {VALUE_BYTES_MAX} are allowed")
    fields = read_object(value)
    if isinstance(fields, Refusal):
        return fields
    refusal = _refuse_head(fields)
    if refusal is not None:
        return refusal
    identifier = _identifier(fields.get("identifiers"), high_confidence)
    if isinstance(identifier, Refusal):
        return identifier
    action = fields.get("action")
    if action not in _ACTIONS:
        return Refusal(Reason.UNKNOWN_ACTION, f"action is neither {' nor '.join(_ACTIONS)}: {action!r:.40}")
    data = _data(fields.get("data"))
    if isinstance(data, Refusal):
        return data
    return PassthroughEvent(
        timestamp_ms=min(int(data.ts * 1000), received_ms),
        messageId=fields.get("messageId") or content_id(identifier, action=action, data=data),
        action=cast(Literal["qualify", "disqualify"], action),
        identifiers=dict([identifier]),
        data=data,
    )


def content_id(identifier: tuple[str, str], *, action: str, data: PassthroughData) -> str:
    """The messageId of an event that has none: one for each identifier, audience, action and ``ts``."""
    return made_id(PASSTHROUGH_PREFIX, *identifier, data.audience_id, action, shortest(data.ts))


def _refuse_head(fields: Mapping[str, Any]) -> Refusal | None:
    kind = fields.get("type")
    if kind is None:
        return Refusal(Reason.MISSING_TYPE, "there is no type")
    if kind != "passthrough":
        return Refusal(Reason.INVALID_TYPE, f"type is not passthrough: {kind!r:.40}")
    identifiers = fields.get("identifiers")
    for name, value in identifiers.items() if isinstance(identifiers, dict) else ():
        if isinstance(value, bool | list | dict):
            return Refusal(Reason.ID_NOT_STRING, f"identifiers.{name:.40} is {name_of(value)}, not a string")
    return refuse_message_id(fields.get("messageId"))


def _identifier(identifiers: object, high_confidence: Container[str]) -> tuple[str, str] | Refusal:
    """Type and value of the only identifier; nulls and empty strings are none."""
    sent = identifiers.items() if isinstance(identifiers, dict) else ()
    given = [(name, value) for name, value in sent if value is not None and value != ""]
    if len(given) != 1:
        return Refusal(Reason.IDENTIFIER_COUNT, f"{len(given)} identifiers, exactly one is needed")
    name, value = given[0]
    if name not in high_confidence:
        return Refusal(Reason.IDENTIFIER_NOT_HIGH_CONFIDENCE, f"{name[:40]!r} is not a high-confidence type")
    return name, value if isinstance(value, str) else shortest(value)


def _data(data: object) -> PassthroughData | Refusal:
    fields = data if isinstance(data, dict) else {}
    audience_id, ts = fields.get("audience_id"), fields.get("ts")
    if not isinstance(audience_id, str) or not audience_id:
        return Refusal(Reason.AUDIENCE_ID_MISSING, "data.audience_id is not a string, or is empty")
    if isinstance(ts, bool) or not isinstance(ts, int | float):
        return Refusal(Reason.TS_INVALID, f"data.ts is {name_of(ts)}, not a number of seconds")
    if not 0 <= ts < TS_LIMIT:
        return Refusal(Reason.TS_INVALID, "data.ts is not in seconds since 1970")
    return PassthroughData(audience_id=audience_id, ts=ts)
