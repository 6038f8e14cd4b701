"""What leaves: audience changes, trait changes and merges, as bytes and headers.

Pure: the same arguments give the same bytes, and the same transition has the same ``messageId`` for ever, so
that a reader can drop what he has seen.

Source: Segment, "Using Engage Data" and "Spec: Track"; docs/records.md, "Audience changes".
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from msgspec import Struct, json

from schemas.events import ExternalId
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

    ``anonymous_id`` is shown only when there is no ``user_id``.
    """

    profile_id: str
    user_id: str | None = None
    anonymous_id: str | None = None
    email: str | None = None
    external_ids: Sequence[ExternalId] = ()


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
    context: dict[str, Any] = {
        "personas": _personas("audience", audience_id(space_id, key), key, space_id),
        "traits": _email(profile),
        "externalIds": profile.external_ids,
        "audience": {
            "profile_id": profile.profile_id,
            "revision": transition.revision,
            "transition": transition.number,
            "reason": transition.reason,
            "caused_by": transition.caused_by,
            "merged_into": transition.merged_into,
            "data_bag": transition.data_bag,
        },
    }
    head = _Head(event if form == "track" else None, sent_id, transition.at_ms, transition.sent_ms)
    if form == "track":
        value = _call(head, profile, "properties", {"audience_key": key, key: entered}, context)
    else:
        value = _call(head, profile, "traits", {**context.pop("traits"), key: entered}, context)
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
    context: dict[str, Any] = {
        "personas": _personas("trait", trait_id(space_id, key), key, space_id),
        "traits": _email(profile),
        "externalIds": profile.external_ids,
    }
    head = _Head(event_name if form == "track" else None, sent_id, change.at_ms, change.sent_ms)
    if form == "track":
        value = _call(head, profile, "properties", {"trait_key": key, key: change.value}, context)
    else:
        value = _call(head, profile, "traits", {**context.pop("traits"), key: change.value}, context)
    return Message(value, _headers(event_name, ("trait_key", key), sent_id, space_id, traceparent))


def profile_merge(*, space_id: str, child: str, parent: str, at_ms: int) -> Message:
    """A profile has been merged into another. The Kafka key is the child's id.

    Source: docs/records.md, "Profile merges".
    """
    sent_id = made_id(MESSAGE_PREFIX, "merge", space_id, child, parent)
    value = {"child": child, "parent": parent, "at": utc_text(at_ms), "messageId": sent_id}
    names = [("message_id", sent_id.encode()), ("space_id", space_id.encode())]
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


def _call(head: _Head, profile: ProfileIds, body: str, content: object, context: object) -> bytes:
    """The call around a change; field order is part of what readers see in their consoles."""
    start = {"type": "identify"} if head.event is None else {"type": "track", "event": head.event}
    return _encode(
        {
            **start,
            "messageId": head.message_id,
            "userId": profile.user_id,
            "anonymousId": profile.anonymous_id if profile.user_id is None else None,
            "timestamp": utc_text(head.at_ms),
            "sentAt": utc_text(head.sent_ms),
            body: content,
            "context": context,
        }
    )


# One small dictionary for each definition, not one for each output. Shared: never changed once made.
@lru_cache(maxsize=16_384)
def _personas(computation: str, computation_id: str, key: str, space_id: str) -> dict[str, str]:
    return {
        "computation_class": computation,
        "computation_id": computation_id,
        "computation_key": key,
        "namespace": space_id,
        "space_id": space_id,
    }


def _email(profile: ProfileIds) -> dict[str, str]:
    return {} if profile.email is None else {"email": profile.email}


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
