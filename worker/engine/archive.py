"""How an accepted event is written into the mailbox of its profile, which is also the archive."""

from collections.abc import Sequence

from msgspec import Raw

from schemas.events import (
    CONTEXT_IDENTITY,
    ExternalId,
    IdentityViolation,
    TrackingEvent,
    encode_external_ids,
    encode_resolved,
)
from worker.engine.intake import Accepted
from worker.identity.resolve import Violation
from worker.identity.rules import GROUP_ID, Identifier


def archived(accepted: Accepted, profile_id: str, at_ms: int, violations: Sequence[Violation] = ()) -> bytes:
    """Fill in the front fields and encode the event; what was left out of its identifiers goes into its context.

    ``at_ms``: the record's own time. ``violations``: those of its resolution; a passthrough event, which has no
    context, has none.
    """
    event = accepted.event
    event.profile_id, event.at, event.external_ids = profile_id, at_ms, accepted.external_ids
    if (accepted.blocked or violations) and isinstance(event, TrackingEvent):
        if violations:
            event.external_ids = _without(accepted, violations)
        event.context = {**(event.context or {}), CONTEXT_IDENTITY: _told([*accepted.blocked, *violations])}
    return encode_resolved(event)


def _without(accepted: Accepted, violations: Sequence[Violation]) -> Raw:
    demoted = {violation.identifier for violation in violations}
    kept = [identifier for identifier in accepted.identifiers if identifier not in demoted]
    external_ids = [ExternalId(value, kind) for kind, value in kept]
    if accepted.group_id is not None and Identifier(GROUP_ID, accepted.group_id) not in demoted:
        external_ids.append(ExternalId(accepted.group_id, GROUP_ID, collection="accounts"))
    return encode_external_ids(external_ids)


def _told(violations: Sequence[Violation]) -> dict[str, list[IdentityViolation]]:
    return {"violations": [IdentityViolation(kind, *identifier) for kind, identifier in violations]}
