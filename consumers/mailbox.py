"""``resolved-events``, read by the fold: what each kind of record means for its profile."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from schemas import mailbox, merging
from schemas.activation import decode_activation
from schemas.times import parse_ms
from worker.audiences.leaves import Occurrence
from worker.engine.mail import (
    Absorbed,
    Absorption,
    Activate,
    Expectation,
    Mail,
    Qualification,
    Sealing,
    Tick,
)
from worker.errors import InvariantError
from worker.ports import Record
from worker.profiles.ids import profile_bytes

PAGE_NAMES = {"page": "Page Viewed", "screen": "Screen Viewed"}
NAME_PROPERTIES = {"page": "page_name", "screen": "screen_name"}
"""Page and screen calls are events by these names, their name is a property by those.

Source: Segment, "Audiences" (page and screen conditions)."""

NAME_HALVES = (("firstName", "lastName"), ("first_name", "last_name"))

NO_TRAITS: Mapping[str, Any] = {}


def read(record: Record) -> Mail:
    """One record of the mailbox.

    Raises:
        InvariantError: not written by a worker of this project; going on would lose it.
    """
    value = record.value or b""
    name, kind = record.headers[0] if record.headers else ("", b"")  # a worker writes the kind first
    if name != mailbox.KIND_HEADER:
        kind = b""
    try:
        if kind == mailbox.EVENT:
            return Event(record, mailbox.decode_event(value))
        reader = READERS.get(kind)
        if reader is not None:
            return reader(record, value)
    except (msgspec.DecodeError, ValueError) as error:
        raise InvariantError(f"{record.topic}-{record.partition} offset {record.offset}: {error}") from error
    raise InvariantError(f"{record.topic}-{record.partition} offset {record.offset}: kind {kind!r}")


def _tick(record: Record, value: bytes) -> Mail:
    tick = mailbox.decode_tick(value)
    return Tick(profile_bytes(tick.profile_id), record.offset, tick.at)


def _activate(record: Record, value: bytes) -> Mail:
    told = decode_activation(value)
    at_ms = min(told.at, record.timestamp_ms)
    return Activate(profile_bytes(told.profile_id), record.offset, at_ms, told.version, dict(told.history))


def _seal(record: Record, value: bytes) -> Mail:
    told = merging.decode_seal(value)
    profile, parent = profile_bytes(told.profile_id), profile_bytes(told.parent)
    at_ms = min(told.at, record.timestamp_ms)
    return Sealing(profile, record.offset, at_ms, parent, told.token, told.message_id)


def _expect(record: Record, value: bytes) -> Mail:
    told = merging.decode_expect(value)
    profile, child = profile_bytes(told.profile_id), profile_bytes(told.child)
    return Expectation(profile, record.offset, min(told.at, record.timestamp_ms), child, told.token)


def _absorb(record: Record, value: bytes) -> Mail:
    told = merging.decode_absorb(value)
    return Absorption(
        profile_bytes(told.profile_id),
        record.offset,
        min(told.at, record.timestamp_ms),
        profile_bytes(told.child),
        told.token,
        told.message_id,
        told.data,
        told.version,
        frozenset([(profile_bytes(child), token) for child, token in told.awaiting]),
    )


def _absorbed(record: Record, value: bytes) -> Mail:
    told = merging.decode_absorbed(value)
    return Absorbed(profile_bytes(told.profile_id), record.offset, min(told.at, record.timestamp_ms))


class Event:
    """An accepted event. See ``worker.engine.mail.EventMail``."""

    __slots__ = ("_event", "_headers", "_occurrence", "at_ms", "event_at_ms", "name", "offset", "profile", "value")

    kind = "event"

    def __init__(self, record: Record, event: mailbox.FoldEvent) -> None:
        self._event = event
        _, _, self.offset, appended_ms, _, self.value, self._headers = record
        self.profile = bytes.fromhex(event.profile_id[4:])
        # A wrong clock of a producer must not lead a profile into the future.
        self.at_ms = min(event.at, appended_ms)
        self.event_at_ms = min(event.timestamp_ms, self.at_ms)
        # What is no event in conditions has no name there.
        self.name = event.event if event.type == "track" else PAGE_NAMES.get(event.type)
        self._occurrence: Occurred | None = None

    @property
    def message_id(self) -> str:
        return self._event.messageId

    @property
    def traceparent(self) -> bytes | None:
        return next((value for name, value in self._headers if name == "traceparent"), None)

    @property
    def received_ms(self) -> int:
        received = self._event.receivedAt
        receipt = None if received is msgspec.UNSET else parse_ms(received)
        return self._event.at if receipt is None else receipt

    @property
    def external_ids(self) -> bytes:
        return bytes(self._event.external_ids)

    def identifiers(self) -> list[tuple[str, str]]:
        promoted = mailbox.decode_external_ids(self._event.external_ids)
        return [(each.type, each.id) for each in promoted if each.collection == "users"]

    @property
    def qualification(self) -> Qualification | None:
        data = self._event.data
        if data is msgspec.UNSET:
            return None
        return Qualification(data.audience_id, data.ts, self._event.action == "qualify")

    def occurrence(self) -> Occurrence:
        if self._occurrence is None:
            self._occurrence = Occurred(self._event, self)
        return self._occurrence

    def traits(self) -> Mapping[str, Any]:
        event = self._event
        if event.traits is msgspec.UNSET or event.type == "group":  # a group's are the account's
            return NO_TRAITS
        return _with_full_name(mailbox.decode_object(event.traits))


def _with_full_name(traits: dict[str, Any]) -> dict[str, Any]:
    """With ``name``, where only its two halves have been sent.

    Source: Segment, "Spec: Identify" (reserved traits).
    """
    if "name" in traits:
        return traits
    for halves in NAME_HALVES:
        first, last = (traits.get(half) for half in halves)
        if isinstance(first, str) and isinstance(last, str) and first and last:
            return {**traits, "name": f"{first} {last}"}
    return traits


class Forward(Event):
    """An event that came to a profile after it had been merged away. Its value is still addressed to that one."""

    __slots__ = ()

    kind = "forward"

    def __init__(self, record: Record, value: bytes) -> None:
        super().__init__(record, mailbox.decode_event(value))
        self.profile = profile_bytes((record.key or b"").decode())
        # Never later than when it was first appended, however often it has been passed on.
        self.at_ms = min(self.at_ms, int(dict(record.headers)[mailbox.AT_HEADER]))
        self.event_at_ms = min(self.event_at_ms, self.at_ms)


READERS: Mapping[bytes, Callable[[Record, bytes], Mail]] = {
    mailbox.TICK: _tick,
    mailbox.ACTIVATE: _activate,
    mailbox.SEAL: _seal,
    mailbox.EXPECT: _expect,
    mailbox.ABSORB: _absorb,
    mailbox.ABSORBED: _absorbed,
    mailbox.FORWARD: Forward,
}
"""By kind, all but the usual one."""


class Occurred:
    """What conditions look at, decoded when the first of them does."""

    __slots__ = ("_context", "_event", "_mail", "_properties", "arrival", "at_ms")

    def __init__(self, event: mailbox.FoldEvent, mail: Event) -> None:
        self._event = event
        self._mail = mail
        self._properties: dict[str, Any] | None = None
        self._context: dict[str, Any] | None = None
        self.at_ms = mail.event_at_ms
        self.arrival = mail.offset

    @property
    def received_ms(self) -> int:
        return self._mail.received_ms

    @property
    def sources(self) -> frozenset[str]:
        return frozenset(name for name in (self._event.projectId, self._event.writeKey) if isinstance(name, str))

    @property
    def properties(self) -> Mapping[str, Any]:
        if self._properties is None:
            event = self._event
            self._properties = mailbox.decode_object(event.properties)
            if event.type in NAME_PROPERTIES and event.name is not msgspec.UNSET:
                self._properties[NAME_PROPERTIES[event.type]] = event.name
        return self._properties

    @property
    def context(self) -> Mapping[str, Any]:
        if self._context is None:
            self._context = mailbox.decode_object(self._event.context)
        return self._context
