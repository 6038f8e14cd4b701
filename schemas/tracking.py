"""The six calls of the Segment specification: read, checked, times corrected.

Two paths. The usual event costs one typed decode and a few comparisons. Whatever is unusual about an event,
it goes the careful path (``schemas.tracking_careful``), which knows every rule and every reason. The usual
path may only accept, and only what the careful path accepts with the same result; a property test holds them
to it.

Source: Segment, "Spec: Common Fields"; docs/records.md, "Tracking events".
"""

from collections.abc import Mapping
from typing import Any, cast

from msgspec import UNSET, json

from schemas.events import CONTEXT_IDENTITY, TrackingEvent
from schemas.json_text import DEPTH_MAX, VALUE_BYTES_MAX, Measured
from schemas.reasons import Reason, Refusal
from schemas.times import LAST_MS, read_ms, utc_text
from schemas.tracking_careful import (
    GROUP_ID_CHARS_MAX,
    KEYS_MAX,
    MESSAGE_ID_CHARS_MAX,
    TYPES,
    read_carefully,
)

_decode = json.Decoder(TrackingEvent).decode

# A double cannot hold an integer of 309 digits or more, but msgspec decodes it without complaint. Every 50th
# byte of a value shows at least six digits in a row where there is one; with all digits mapped to "0" finding
# them is one search.
_STRIDE = 50
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"000000"


def read(value: bytes, *, received_ms: int) -> TrackingEvent | Refusal:
    """Read one call; say why not, when it is not accepted.

    Of the result, ``timestamp`` is corrected for the client's clock, ``timestamp_ms`` is the same but never
    later than the receipt; numeric ids are strings; nulls and empty ids that mean "absent" are absent.

    Units:
        received_ms: the record's Kafka timestamp, ms since 1970.

    Shapes:
        value: the bytes of the record, at most 32 KiB; more is refused unread.

    Source: Segment, "Spec: Common Fields" and "Unify limits"; docs/decisions.md, "Timestamps", "Ids", "JSON".
    """
    if len(value) > VALUE_BYTES_MAX and not isinstance(value, Measured):
        return Refusal(Reason.TOO_LARGE, f"{len(value)} bytes, of which {VALUE_BYTES_MAX} are allowed")
    event = _read_usual(value)
    if event is None:
        careful = read_carefully(value)
        if isinstance(careful, Refusal):
            return careful
        event = careful
    return _with_times(event, received_ms)


def _read_usual(value: bytes) -> TrackingEvent | None:
    """The event, if nothing about it is unusual."""
    if value.count(b"{") + value.count(b"[") > DEPTH_MAX:  # cannot be too deep otherwise
        return None
    if _LONG_NUMBER in value[::_STRIDE].translate(_DIGITS_TO_ZERO):
        return None
    try:
        event = _decode(value)
    except (ValueError, RecursionError):  # msgspec's errors and UnicodeDecodeError are ValueErrors
        return None
    return event if _is_usual(event) and _is_usual_call(event) else None


def _is_usual(event: TrackingEvent) -> bool:
    """No front field was sent, the ids are good, the sizes are within all limits. May clear a null id."""
    if (
        event.profile_id is not UNSET
        or event.at is not UNSET
        or event.timestamp_ms is not UNSET
        or event.external_ids is not UNSET
    ):
        return False
    if event.userId is None:
        event.userId = UNSET
    if event.anonymousId is None:
        event.anonymousId = UNSET
    if event.userId == "" or event.anonymousId == "" or not (event.userId or event.anonymousId):
        return False
    message_id = event.messageId
    return message_id is UNSET or 0 < len(message_id) <= MESSAGE_ID_CHARS_MAX


def _is_usual_call(event: TrackingEvent) -> bool:
    """The fields of the call are within their limits, its required ones are there."""
    call = event.type
    if call not in TYPES or (call == "track" and not event.event):
        return False
    if event.properties and len(event.properties) > KEYS_MAX:
        return False
    if event.traits and len(event.traits) >= KEYS_MAX:
        return False
    group_id = event.groupId
    if group_id is UNSET:
        if call == "group":
            return False
    elif not 0 < len(group_id) <= GROUP_ID_CHARS_MAX:
        return False
    return not event.context or _is_usual_context(event.context)


def _is_usual_context(context: Mapping[str, Any]) -> bool:
    """Nothing of the worker's own was sent, and the group id is good, if there is one."""
    if CONTEXT_IDENTITY in context:
        return False
    if "groupId" not in context:
        return True
    group_id = context["groupId"]
    return isinstance(group_id, str) and 0 < len(group_id) <= GROUP_ID_CHARS_MAX


def _with_times(event: TrackingEvent, received_ms: int) -> TrackingEvent | Refusal:
    """Set ``timestamp`` and ``timestamp_ms``; keep in ``originalTimestamp`` what the client said."""
    text, original_text = event.timestamp, event.originalTimestamp
    try:
        given = None if text is UNSET else read_ms(text)
        original = given if original_text is UNSET else read_ms(original_text)
        sent = None if event.sentAt is UNSET else read_ms(event.sentAt)
        receipt = received_ms if event.receivedAt is UNSET else _receipt(event, received_ms)
    except ValueError as unreadable:
        return Refusal(Reason.INVALID_TIMESTAMP, str(unreadable))
    corrected = _corrected(original, sent, receipt)
    counted = min(corrected, receipt)  # nothing counts before it has been received
    if counted < 0:
        return Refusal(Reason.TIMESTAMP_BEFORE_1970, "the corrected timestamp lies before 1970")
    if corrected > LAST_MS:
        return Refusal(Reason.INVALID_TIMESTAMP, "the corrected timestamp lies after the year 9999")
    if original_text is UNSET and corrected != given:
        event.originalTimestamp = text
    event.timestamp = utc_text(corrected)
    event.timestamp_ms = counted
    return event


def _corrected(original: int | None, sent: int | None, receipt: int) -> int:
    """``timestamp = receivedAt - (sentAt - originalTimestamp)``, as far as the times are known (ms).

    Without ``sentAt`` nothing is known of the client's clock: its time is taken as it is. Without any time of
    the client the receipt counts.

    Source: Segment, "Spec: Common Fields"; docs/decisions.md, "Timestamps".
    """
    if original is None:
        return receipt
    return original if sent is None else receipt - sent + original


def _receipt(event: TrackingEvent, received_ms: int) -> int:
    """When the event was received (ms): never later than the record's own time. Mends ``receivedAt``."""
    given = read_ms(cast(str, event.receivedAt))
    if given <= received_ms:
        return given
    event.receivedAt = utc_text(received_ms) if 0 <= received_ms <= LAST_MS else UNSET
    return received_ms
