"""What a consumer makes of one input record: accepted with everything that routing needs, or refused with a reason."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Raw, Struct

from schemas.events import PassthroughEvent, TrackingEvent
from schemas.reasons import Refusal
from worker.audiences.catalogue import Catalogue
from worker.identity.resolve import Violation
from worker.identity.rules import Identifier, Rules
from worker.ports import Record


class Accepted(Struct, frozen=True, gc=False):
    """A valid event. ``message_id`` is the event's own, or the one made for it.

    ``identifiers``: by priority, none blocked, at least one; ``external_ids``: the same as the archive shows them.
    ``event_at_ms``: the event's corrected time, never later than its receipt. ``extends``: whether unknown identifiers
    are added to the profile that a known one leads to, and several profiles merged. ``external_id``: the segment that
    a passthrough event uses, when nobody has defined it. ``blocked``: identifiers that are not among the others
    because they are blocked. ``group_id``: of the account that a group call links the profile to.
    """

    message_id: str
    event: TrackingEvent | PassthroughEvent
    identifiers: Sequence[Identifier]
    external_ids: Raw
    event_at_ms: int
    extends: bool = True
    external_id: str | None = None
    in_the_future: bool = False
    blocked: Sequence[Violation] = ()
    group_id: str | None = None


class Consumer(Protocol):
    """Reads records of one input topic. Never raises for bad data."""

    def __call__(self, record: Record, catalogue: Catalogue, rules: Rules) -> Accepted | Refusal: ...
