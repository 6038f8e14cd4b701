"""``passthrough-events``: a system outside says who is in a segment of its own.

Source: Optimizely, "Passthrough segments" (ODP); docs/decisions.md, "Passthrough segments" and "Keys".
"""

from typing import cast

from schemas.events import ExternalId, encode_external_ids
from schemas.passthrough import read
from schemas.reasons import Reason, Refusal
from worker.audiences.catalogue import Catalogue
from worker.engine.intake import Accepted
from worker.identity.extract import normalised, refuse_identifiers
from worker.identity.rules import Identifier, Rules
from worker.ports import Record


def consume(record: Record, catalogue: Catalogue, rules: Rules, *, require_definition: bool) -> Accepted | Refusal:
    """Accept one qualify or disqualify; its one identifier is trusted as it is and links nothing."""
    event = read(record.value or b"", received_ms=record.timestamp_ms, high_confidence=rules.high_confidence)
    if isinstance(event, Refusal):
        return event
    kind, raw = event.identifier
    identifier = Identifier(kind, normalised(kind, raw) or "")
    refusal = refuse_identifiers([identifier])
    if refusal is not None:
        return refusal
    if not identifier.value or rules.blocked(identifier.value):
        return Refusal(Reason.NO_MATCHING_IDENTIFIERS, f"the {kind} of the event is blocked")
    refusal = _refuse_key(event.data.audience_id, catalogue, require_definition=require_definition)
    if refusal is not None:
        return refusal
    undefined = event.data.audience_id not in catalogue.key_by_external
    return Accepted(
        event.messageId,
        event,
        [identifier],
        encode_external_ids([ExternalId(identifier.value, identifier.type)]),
        cast(int, event.timestamp_ms),  # set by `read`
        extends=False,
        external_id=event.data.audience_id if undefined else None,
    )


def _refuse_key(external_id: str, catalogue: Catalogue, *, require_definition: bool) -> Refusal | None:
    if external_id in catalogue.key_by_external:
        return None
    if external_id in catalogue.by_key:
        return Refusal(Reason.RESERVED_KEY, f"{external_id!r} is the key of a defined audience")
    if require_definition:
        return Refusal(Reason.UNKNOWN_AUDIENCE, f"no definition names {external_id!r}")
    return None
