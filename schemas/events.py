# ruff: noqa: N815 - attributes are named as the fields of the wire: one name to know, none to map
"""The events that are accepted, as they are kept in ``resolved-events``.

One struct reads the input and writes the archive. Its *front fields* are the router's: they stand first in
the value so that the fold finds them early, they are absent on input, and an input that brings one of its own
loses it. A field that the sender left out stays out.

Source: docs/records.md, "Resolved events"; Segment, "Spec: Common Fields".
"""

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import UNSET, Raw, Struct, UnsetType, json


class ExternalId(Struct, frozen=True, gc=False):
    """An identifier that was promoted from an event. Source: Segment, "Identity Resolution: ExternalIDs"."""

    id: str
    type: str
    collection: Literal["users", "accounts"] = "users"
    encoding: Literal["none"] = "none"


CONTEXT_IDENTITY = "identity"
"""The key of ``context`` in which the archive tells what identity resolution left out; not a sender's to set."""


class IdentityViolation(Struct, frozen=True, gc=False):
    """An identifier of the event that was not promoted, and why, in ``context.identity.violations``.

    Source: Segment, "Unify Insights"; docs/records.md, "Resolved events".
    """

    violation: str
    type: str
    id: str


class TrackingEvent(Struct, kw_only=True, gc=False, forbid_unknown_fields=True):
    """One of the six calls. ``gc=False``: decoded JSON holds no cycles.

    Front fields: ``profile_id`` (``use_`` and 32 hex digits); ``at``, the record's own time (ms);
    ``timestamp_ms``, the corrected time of the event, never later than its receipt (ms), which windows and
    ordering use; ``external_ids``, what identity resolution found, as JSON (``encode_external_ids``).
    ``schemas.tracking.read`` sets ``timestamp_ms``, the router the others.
    """

    profile_id: str | UnsetType = UNSET
    at: int | UnsetType = UNSET
    timestamp_ms: int | UnsetType = UNSET
    external_ids: Raw | UnsetType = UNSET

    type: str
    messageId: str | UnsetType = UNSET
    event: str | UnsetType = UNSET
    timestamp: str | UnsetType = UNSET
    userId: str | UnsetType | None = UNSET
    anonymousId: str | UnsetType | None = UNSET
    name: str | UnsetType = UNSET
    category: str | UnsetType = UNSET
    groupId: str | UnsetType = UNSET
    previousId: str | UnsetType = UNSET
    properties: dict[str, Any] | UnsetType = UNSET
    traits: dict[str, Any] | UnsetType = UNSET
    context: dict[str, Any] | UnsetType = UNSET
    integrations: Any = UNSET
    originalTimestamp: str | UnsetType = UNSET
    sentAt: str | UnsetType = UNSET
    receivedAt: str | UnsetType = UNSET
    version: Any = UNSET
    channel: Any = UNSET
    writeKey: Any = UNSET
    projectId: Any = UNSET
    _metadata: Any = UNSET


class PassthroughData(Struct, gc=False):
    """``ts``: seconds since 1970, as the sender gave it; the last writer by ``ts`` wins."""

    audience_id: str
    ts: int | float


class PassthroughEvent(Struct, kw_only=True, gc=False):
    """A qualify or disqualify of one user by a system outside. Front fields as in ``TrackingEvent``.

    Source: Optimizely, "Passthrough segments" (ODP).
    """

    profile_id: str | UnsetType = UNSET
    at: int | UnsetType = UNSET
    timestamp_ms: int | UnsetType = UNSET
    external_ids: Raw | UnsetType = UNSET

    type: Literal["passthrough"] = "passthrough"
    messageId: str
    action: Literal["qualify", "disqualify"]
    identifiers: dict[str, str]
    data: PassthroughData

    @property
    def identifier(self) -> tuple[str, str]:
        """Type and value of the one identifier."""
        ((identifier_type, value),) = self.identifiers.items()
        return identifier_type, value


_encode = json.Encoder().encode
NO_EXTERNAL_IDS = Raw(b"[]")


def encode_external_ids(external_ids: Sequence[ExternalId]) -> Raw:
    """A list of external ids as JSON; the same for every event of a visitor, hence apart from the event."""
    return Raw(_encode(external_ids))


def encode_resolved(event: TrackingEvent | PassthroughEvent) -> bytes:
    """The value of a ``resolved-events`` record of kind ``event``: strict JSON, front fields first."""
    return _encode(event)
