# ruff: noqa: N815 - attributes are named as the fields of the wire: one name to know, none to map
"""What leaves: audience changes, trait changes and merges, as bytes and headers.

Pure: the same arguments give the same bytes, and the same transition has the same ``messageId`` for ever, so
that a reader can drop what he has seen.

Source: Segment, "Using Engage Data" and "Spec: Track"; docs/records.md, "Audience changes".
"""

from functools import lru_cache
from typing import Any, Literal, NamedTuple

from msgspec import UNSET, Raw, Struct, UnsetType, json

from schemas.events import NO_EXTERNAL_IDS
from schemas.ids import MESSAGE_PREFIX, audience_id, made_id, trait_id
from schemas.times import utc_text

Header = tuple[str, bytes]
Form = Literal["track", "identify"]
ChangeReason = Literal["event", "time", "passthrough", "import", "merge", "definition", "deletion", "identifier"]

_CONTENT_TYPE = ("content-type", b"application/json")
_encode = json.Encoder().encode


class Message(NamedTuple):
    """One output: value and headers. The Kafka key is the profile id."""

    value: bytes
    headers: list[Header]


class ProfileIds(NamedTuple):
    """What a reader may key by. ``user_id``, ``anonymous_id``, ``email``: the newest; None: there is none.

    ``anonymous_id`` is shown only when there is no ``user_id``. ``external_ids``: all of them, as JSON
    (``schemas.events.encode_external_ids``).
    """

    profile_id: str
    user_id: str | None = None
    anonymous_id: str | None = None
    email: str | None = None
    external_ids: Raw = NO_EXTERNAL_IDS


class Transition(Struct, frozen=True, kw_only=True, gc=False):
    """One entry into or exit from an audience.

    ``number`` counts 1, 2, 3, … per profile and audience; odd is an entry. ``caused_by``: the messageId of
    the event that caused it, if one did. ``merged_into``: the parent's profile id, when a merge ended it.

    Units: ``at_ms``, the moment of evaluation, and ``sent_ms``: ms since 1970.
    """

    key: str
    number: int
    revision: int
    reason: ChangeReason
    at_ms: int
    sent_ms: int
    caused_by: str | None = None
    merged_into: str | None = None
    data_bag: Any = None

    @property
    def entered(self) -> bool:
        return self.number % 2 == 1


def audience_change(
    *,
    space_id: str,
    profile: ProfileIds,
    transition: Transition,
    form: Form = "track",
    event_name: str | None = None,
    receiver: str = "",
    traceparent: bytes | None = None,
) -> Message:
    """One transition as a message.

    Shapes:
        event_name: of the track form; by default ``Audience Entered`` or ``Audience Exited``.
        receiver: which identifiers, or which linked user, this copy is for, when there are several copies.
        traceparent: of the record that caused it.

    Source: Segment, "Using Engage Data"; docs/records.md, "Audience changes".
    """
    key, entered = transition.key, transition.entered
    event = event_name or ("Audience Entered" if entered else "Audience Exited")
    sent_id = message_id(space_id, profile.profile_id, key, number=transition.number, form=form, receiver=receiver)
    about = _Audience(
        profile.profile_id,
        transition.revision,
        transition.number,
        transition.reason,
        transition.caused_by,
        transition.merged_into,
        transition.data_bag,
    )
    personas = _personas("audience", audience_id(space_id, key), key, space_id)
    head = _Head(event if form == "track" else None, sent_id, transition.at_ms, transition.sent_ms)
    value = _call(head, profile, ("audience_key", key, entered), personas, about)
    return Message(value, _headers(event, ("audience_key", key), sent_id, space_id, traceparent))


class TraitChange(Struct, frozen=True, kw_only=True, gc=False):
    """A computed trait has a new value; None: it has none any more. ``version`` counts its changes.

    Units: ``at_ms``, ``sent_ms``: ms since 1970.
    """

    key: str
    value: Any
    version: int
    at_ms: int
    sent_ms: int


def trait_change(
    *,
    space_id: str,
    profile: ProfileIds,
    change: TraitChange,
    form: Form = "track",
    event_name: str = "Trait Computed",
    receiver: str = "",
    traceparent: bytes | None = None,
) -> Message:
    """A changed value as a message; arguments as for ``audience_change``.

    Source: Segment, "Using Engage Data"; docs/records.md, "Trait changes".
    """
    key = change.key
    sent_id = message_id(
        space_id, profile.profile_id, key, number=change.version, form=form, receiver=receiver, kind="trait"
    )
    personas = _personas("trait", trait_id(space_id, key), key, space_id)
    head = _Head(event_name if form == "track" else None, sent_id, change.at_ms, change.sent_ms)
    value = _call(head, profile, ("trait_key", key, change.value), personas, UNSET)
    return Message(value, _headers(event_name, ("trait_key", key), sent_id, space_id, traceparent))


def profile_merge(*, space_id: str, child: str, parent: str, at_ms: int, caused_by: str) -> Message:
    """A profile has been merged into another, by the event with the messageId ``caused_by``. Its key is the child.

    Source: docs/records.md, "Profile merges".
    """
    sent_id = made_id(MESSAGE_PREFIX, "merge", space_id, child, parent)
    value = {"child": child, "parent": parent, "at": utc_text(at_ms), "messageId": sent_id}
    names = [("message_id", sent_id.encode()), ("space_id", space_id.encode()), ("caused_by", caused_by.encode())]
    return Message(_encode(value), [*names, _CONTENT_TYPE])


def message_id(
    space_id: str,
    profile_id: str,
    key: str,
    *,
    number: int,
    form: str,
    receiver: str = "",
    kind: str = "audience",
) -> str:
    """The id of an output: a pure function of what it says, so that what is sent again has the same.

    Source: docs/records.md, "Ids".
    """
    return made_id(MESSAGE_PREFIX, kind, space_id, profile_id, key, str(number), form, receiver)


class _Head(NamedTuple):
    """``event``: None for the identify form."""

    event: str | None
    message_id: str
    at_ms: int
    sent_ms: int


class _Audience(Struct, gc=False):
    profile_id: str
    revision: int
    transition: int
    reason: ChangeReason
    caused_by: str | None
    merged_into: str | None
    data_bag: Any


class _Context(Struct, gc=False):
    personas: Raw
    traits: dict[str, str] | UnsetType
    externalIds: Raw
    audience: _Audience | UnsetType


class _Track(Struct, gc=False, tag_field="type", tag="track"):
    event: str
    messageId: str
    userId: str | None
    anonymousId: str | None
    timestamp: str
    sentAt: str
    properties: dict[str, Any]
    context: _Context


class _Identify(Struct, gc=False, tag_field="type", tag="identify"):
    messageId: str
    userId: str | None
    anonymousId: str | None
    timestamp: str
    sentAt: str
    traits: dict[str, Any]
    context: _Context


def _call(
    head: _Head, profile: ProfileIds, content: tuple[str, str, Any], personas: Raw, about: _Audience | UnsetType
) -> bytes:
    """The call around a change; field order is part of what readers see in their consoles.

    ``content``: name of the field with the key, the key, what has become of it.
    """
    name, key, value = content
    email = {} if profile.email is None else {"email": profile.email}
    anonymous_id = profile.anonymous_id if profile.user_id is None else None
    rest = (head.message_id, profile.user_id, anonymous_id, utc_text(head.at_ms), utc_text(head.sent_ms))
    if head.event is None:
        context = _Context(personas, UNSET, profile.external_ids, about)
        return _encode(_Identify(*rest, {**email, key: value}, context))
    context = _Context(personas, email, profile.external_ids, about)
    return _encode(_Track(head.event, *rest, {name: key, key: value}, context))


# Encoded once for each definition, not once for each output.
@lru_cache(maxsize=16_384)
def _personas(computation: str, computation_id: str, key: str, space_id: str) -> Raw:
    return Raw(
        _encode(
            {
                "computation_class": computation,
                "computation_id": computation_id,
                "computation_key": key,
                "namespace": space_id,
                "space_id": space_id,
            }
        )
    )


def _headers(event: str, key: tuple[str, str], sent_id: str, space_id: str, traceparent: bytes | None) -> list[Header]:
    headers = [
        ("event", event.encode()),
        (key[0], key[1].encode()),
        ("message_id", sent_id.encode()),
        ("space_id", space_id.encode()),
        _CONTENT_TYPE,
    ]
    if traceparent is not None:
        headers.append(("traceparent", traceparent))
    return headers
