"""How an accepted event is written into the mailbox of its profile."""

from collections.abc import Sequence

from schemas.events import (
    CONTEXT_IDENTITY,
    ExternalId,
    IdentityViolation,
    PassthroughEvent,
    TrackingEvent,
    encode_resolved,
)
from worker.engine.intake import Encode
from worker.identity.resolve import Violation
from worker.profiles.ids import profile_text


def encoding(
    event: TrackingEvent | PassthroughEvent, external_ids: list[ExternalId], blocked: Sequence[Violation] = ()
) -> Encode:
    """Fills in the front fields and encodes the event; what was left out of its identifiers goes into its context.

    ``external_ids``: what the event promotes, by priority, as long as resolution demotes none of it. ``blocked``: what
    it would promote, had the value not been blocked. A passthrough event has no context, and its only identifier is
    never left out.
    """

    def encode(profile: bytes, at_ms: int, violations: Sequence[Violation] = ()) -> bytes:
        event.profile_id = profile_text(profile)
        event.at = at_ms
        event.external_ids = external_ids
        if (blocked or violations) and isinstance(event, TrackingEvent):
            event.external_ids = _without(external_ids, violations)
            event.context = {**(event.context or {}), CONTEXT_IDENTITY: _told([*blocked, *violations])}
        return encode_resolved(event)

    return encode


def _without(external_ids: list[ExternalId], violations: Sequence[Violation]) -> list[ExternalId]:
    demoted = {violation.identifier for violation in violations}
    return [external_id for external_id in external_ids if (external_id.type, external_id.id) not in demoted]


def _told(violations: Sequence[Violation]) -> dict[str, list[IdentityViolation]]:
    return {"violations": [IdentityViolation(kind, *identifier) for kind, identifier in violations]}
