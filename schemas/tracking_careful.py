"""The six calls, read field by field: every rule of the contract, and the exact reason when one is broken.

The fields are read in the order of ``Reason``, so the first refusal met is the one that counts.

Source: Segment, "Delivery Overview" (failed on ingest) and "Unify limits"; docs/dead-letters.md.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, UnsetType

from schemas.events import CONTEXT_IDENTITY, TrackingEvent
from schemas.json_text import name_of, read_object, shortest
from schemas.reasons import Reason, Refusal

TYPES = frozenset({"identify", "track", "page", "screen", "group", "alias"})
KEYS_MAX = 300
"""Segment's limit for properties and traits of one event; identify traits must stay below it."""
MESSAGE_ID_CHARS_MAX = 100
GROUP_ID_CHARS_MAX = 500

_STRINGS = (("name", Reason.NAME_NOT_STRING), ("category", Reason.CATEGORY_NOT_STRING))
_OBJECTS = (
    ("properties", Reason.PROPERTIES_NOT_OBJECT),
    ("traits", Reason.TRAITS_NOT_OBJECT),
    ("context", Reason.CONTEXT_NOT_OBJECT),
)
_TIMES = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")
_ANYTHING = ("integrations", "version", "channel", "writeKey", "projectId", "_metadata")


class _RefusedError(Exception):
    """Leaves the reading at the first broken rule; never leaves this module."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.refusal = Refusal(reason, detail)


def read_carefully(value: bytes) -> TrackingEvent | Refusal:
    """The call that the bytes hold, its times not yet looked at except that they are text.

    Fields that the specification does not know, and what is the worker's own in ``resolved-events``, are left out.
    """
    fields = read_object(value)
    if isinstance(fields, Refusal):
        return fields
    try:
        return _event(fields)
    except _RefusedError as refused:
        return refused.refusal


def read_who(value: bytes) -> TrackingEvent | None:
    """A call as far as what identifies in it has been read; None when something is wrong before that.

    Of a call refused for what stands behind, it says whether its identifiers are to be refused first.
    """
    fields = read_object(value)
    if isinstance(fields, Refusal):
        return None
    try:
        return _who(fields)
    except _RefusedError:
        return None


def _event(fields: Mapping[str, Any]) -> TrackingEvent:
    event = _who(fields)
    event.messageId = _message_id(fields)
    _check_group_ids(event, fields)
    for field in _TIMES:
        setattr(event, field, _text(fields, field, Reason.INVALID_TIMESTAMP))
    for field in _ANYTHING:
        setattr(event, field, fields.get(field, UNSET))
    return event


def _who(fields: Mapping[str, Any]) -> TrackingEvent:
    event = TrackingEvent(type=_type(fields))
    _read_ids(event, fields)
    _read_names(event, fields)
    _read_objects(event, fields)
    _check_counts(event)
    return event


def _type(fields: Mapping[str, Any]) -> str:
    call = fields.get("type")
    if call is None:
        raise _RefusedError(Reason.MISSING_TYPE, "there is no type")
    if not isinstance(call, str):
        raise _RefusedError(Reason.INVALID_TYPE, f"type is {name_of(call)}, not a string")
    if call not in TYPES:
        raise _RefusedError(Reason.INVALID_TYPE, f"type {call[:40]!r} is not one of {', '.join(sorted(TYPES))}")
    return call


def _read_ids(event: TrackingEvent, fields: Mapping[str, Any]) -> None:
    """``userId``, ``anonymousId``: one of them is needed; an empty one beside a good one counts as absent."""
    for field in ("userId", "anonymousId", "groupId", "previousId"):
        setattr(event, field, _id(fields, field) or UNSET)
    if isinstance(fields.get("context"), dict):
        _id(fields["context"], "groupId")  # its own kind of wrong comes before what is wrong elsewhere
    if event.userId or event.anonymousId:
        return
    if fields.get("userId") is None and fields.get("anonymousId") is None:
        raise _RefusedError(Reason.NO_USER_ANON_ID, "there is neither a userId nor an anonymousId")
    raise _RefusedError(Reason.ID_NOT_STRING, "userId and anonymousId: one is empty, none is good")


def _id(fields: Mapping[str, Any], field: str) -> str | None:
    """An id as text; None when absent. Numbers are ids of systems that have no others."""
    value = fields.get(field)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _RefusedError(Reason.ID_NOT_STRING, f"{field} is {name_of(value)}, not a string")
    return shortest(value)


def _read_names(event: TrackingEvent, fields: Mapping[str, Any]) -> None:
    name = fields.get("event")
    if event.type == "track" and (name is None or name == ""):
        raise _RefusedError(Reason.EVENT_NOT_DEFINED, "a track call needs an event")
    event.event = _text(fields, "event", Reason.EVENT_NOT_STRING)


def _read_objects(event: TrackingEvent, fields: Mapping[str, Any]) -> None:
    for field, reason in _OBJECTS:
        value = fields.get(field)
        if value is not None and not isinstance(value, dict):
            raise _RefusedError(reason, f"{field} is {name_of(value)}, not an object")
        setattr(event, field, UNSET if value is None else value)
    if event.context and CONTEXT_IDENTITY in event.context:
        event.context = {key: value for key, value in event.context.items() if key != CONTEXT_IDENTITY}
    if event.context and event.context.get("groupId") is not None:
        event.context = {**event.context, "groupId": _id(event.context, "groupId")}
    for field, reason in _STRINGS:
        setattr(event, field, _text(fields, field, reason))


def _check_counts(event: TrackingEvent) -> None:
    properties, traits = len(event.properties or ()), len(event.traits or ())
    if properties > KEYS_MAX:
        raise _RefusedError(Reason.TOO_MANY_PROPERTIES, f"{properties} properties, {KEYS_MAX} are allowed")
    traits_max = KEYS_MAX - 1 if event.type == "identify" else KEYS_MAX
    if traits > traits_max:
        raise _RefusedError(Reason.TOO_MANY_TRAITS, f"{traits} traits, {traits_max} are allowed")


def _message_id(fields: Mapping[str, Any]) -> str | UnsetType:
    refusal = refuse_message_id(fields.get("messageId"))
    if refusal is not None:
        raise _RefusedError(*refusal)
    return fields.get("messageId") or UNSET


def refuse_message_id(message_id: object) -> Refusal | None:
    """What is wrong with a ``messageId``; null and the empty string are no id, which is not wrong."""
    if message_id is None:
        return None
    if not isinstance(message_id, str):
        return Refusal(Reason.MESSAGE_ID_NOT_STRING, f"messageId is {name_of(message_id)}, not a string")
    if len(message_id) > MESSAGE_ID_CHARS_MAX:
        detail = f"messageId has {len(message_id)} characters, {MESSAGE_ID_CHARS_MAX} are allowed"
        return Refusal(Reason.MESSAGE_ID_TOO_LONG, detail)
    return None


def _check_group_ids(event: TrackingEvent, fields: Mapping[str, Any]) -> None:
    """A group call needs a groupId; a track may have one in its context, but not an empty one."""
    if event.type == "group" and not event.groupId:
        reason = Reason.GROUP_ID_MISSING if fields.get("groupId") is None else Reason.GROUP_ID_EMPTY
        raise _RefusedError(reason, "a group call needs a groupId")
    in_context = (event.context or {}).get("groupId")
    if event.type == "track" and in_context == "":
        raise _RefusedError(Reason.GROUP_ID_EMPTY, "context.groupId is empty")
    for field, value in (("groupId", event.groupId), ("context.groupId", in_context)):
        if isinstance(value, str) and len(value) > GROUP_ID_CHARS_MAX:
            detail = f"{field} has {len(value)} characters, {GROUP_ID_CHARS_MAX} are allowed"
            raise _RefusedError(Reason.GROUP_ID_TOO_LONG, detail)


def _text(fields: Mapping[str, Any], field: str, reason: Reason) -> str | UnsetType:
    """A string; UNSET when absent or null."""
    value = fields.get(field)
    if value is None:
        return UNSET
    if not isinstance(value, str):
        raise _RefusedError(reason, f"{field} is {name_of(value)}, not a string")
    return value
