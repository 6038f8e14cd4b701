"""``tracking-events``: the six Segment calls."""

from typing import NamedTuple, cast

from msgspec import Raw

from schemas.events import ExternalId, TrackingEvent, encode_external_ids
from schemas.ids import coordinates_id
from schemas.reasons import Reason, Refusal
from schemas.times import parse_ms
from schemas.tracking import read
from schemas.tracking_careful import read_who
from worker.cache import TwoGenerations
from worker.engine.intake import Accepted
from worker.identity.extract import extract, has_only_ids, normalised, refuse_identifiers
from worker.identity.resolve import Violation, ViolationKind
from worker.identity.rules import GROUP_ID, Identifier, Rules
from worker.ports import Record

_REASONS = list(Reason)
BEHIND_IDENTIFIERS = frozenset(_REASONS[_REASONS.index(Reason.IDENTIFIER_TOO_LONG) + 1 :])
"""Reasons that stand in the closed list behind those of identifiers, which are looked for last."""


class Promoted(NamedTuple):
    """The identifiers of an event that identify, by priority; the same as the archive shows them; the blocked ones."""

    identifiers: list[Identifier]
    external_ids: Raw
    blocked: tuple[Violation, ...]


class Promotions:
    """Finds out what an event promotes; remembers it for visitors who send nothing but their two ids.

    Most events of most visitors are of that kind, and extracting is a fifth of a router's work.
    """

    def __init__(self, *, remembered: int) -> None:
        self._remembered: TwoGenerations[tuple[str, str], Promoted] = TwoGenerations(remembered)
        self._rules: Rules | None = None

    def of(self, event: TrackingEvent, rules: Rules) -> Promoted | Refusal:
        """What the event promotes; a refusal when there is too much of it, or nothing."""
        if rules is not self._rules:
            self._rules = rules
            self._remembered.clear()
        if not has_only_ids(event, rules):
            return promote(extract(event, rules), rules)
        ids = (event.userId or "", event.anonymousId or "")
        known = self._remembered[ids]
        if known is not None:
            return known
        promoted = promote(extract(event, rules), rules)
        if isinstance(promoted, Promoted):
            self._remembered.put(ids, promoted)
        return promoted


def promote(identifiers: list[Identifier], rules: Rules) -> Promoted | Refusal:
    """The identifiers without the blocked ones, unless there are too many, too long ones or none."""
    refusal = refuse_identifiers(identifiers)
    if refusal is not None:
        return refusal
    promoted = [identifier for identifier in identifiers if not rules.blocked(identifier.value)]
    if not promoted:
        detail = "every identifier of the event is blocked" if identifiers else "the event has no identifier"
        return Refusal(Reason.NO_MATCHING_IDENTIFIERS, detail)
    blocked: tuple[Violation, ...] = ()
    if len(promoted) < len(identifiers):
        kept = frozenset(promoted)
        blocked = tuple([Violation(ViolationKind.BLOCKED, one) for one in identifiers if one not in kept])
    return Promoted(promoted, encode_external_ids([ExternalId(value, kind) for kind, value in promoted]), blocked)


def consume(record: Record, rules: Rules, promotions: Promotions) -> Accepted | Refusal:
    """Accept one call, with the identifiers that it may promote.

    Source: docs/records.md, "Tracking events"; docs/decisions.md, "Identity" and "Deduplication".
    """
    value = record.value or b""
    event = read(value, received_ms=record.timestamp_ms)
    if isinstance(event, Refusal):
        return event if event.reason not in BEHIND_IDENTIFIERS else _first_refusal(event, value, rules)
    promoted = promotions.of(event, rules)
    if isinstance(promoted, Refusal):
        return promoted
    group_id = None
    if event.type == "group":
        promoted, group_id = _with_account(promoted, event, rules)
    message_id = event.messageId
    if not message_id:
        event.messageId = message_id = coordinates_id(record.topic, record.partition, record.offset)
    return Accepted(
        message_id,
        event,
        promoted.identifiers,
        promoted.external_ids,
        cast(int, event.timestamp_ms),  # set by `read`
        in_the_future=_in_the_future(event, record),
        blocked=promoted.blocked,
        group_id=group_id,
    )


def _first_refusal(refusal: Refusal, value: bytes, rules: Rules) -> Refusal:
    """A fault of the identifiers, if there is one, stands before this one."""
    call = read_who(value)
    identifiers = [] if call is None else extract(call, rules)
    return refuse_identifiers(identifiers) or refusal


def _with_account(promoted: Promoted, event: TrackingEvent, rules: Rules) -> tuple[Promoted, str | None]:
    """What a group call promotes, and the group_id of its account unless that is blocked."""
    group_id = normalised(GROUP_ID, event.groupId)
    if not group_id:
        return promoted, None
    if rules.blocked(group_id):
        violation = Violation(ViolationKind.BLOCKED, Identifier(GROUP_ID, group_id))
        return promoted._replace(blocked=(*promoted.blocked, violation)), None
    users = [ExternalId(value, kind) for kind, value in promoted.identifiers]
    account = ExternalId(group_id, GROUP_ID, collection="accounts")
    return promoted._replace(external_ids=encode_external_ids([*users, account])), group_id


def _in_the_future(event: TrackingEvent, record: Record) -> bool:
    """Whether the corrected timestamp lay after the receipt, and so counts as the receipt."""
    if event.timestamp_ms != record.timestamp_ms and not event.receivedAt:
        return False  # it counts as itself, for it is not the receipt
    return parse_ms(event.timestamp or "") != event.timestamp_ms
