"""What a consumer makes of one input record: accepted with everything that routing needs, or refused with a reason."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from schemas.reasons import Refusal
from worker.audiences.catalogue import Catalogue
from worker.identity.resolve import Violation
from worker.identity.rules import Identifier, Rules
from worker.ports import Record


class Encode(Protocol):
    """An accepted event as it goes into the mailbox of a profile.

    ``at_ms``: the record's own time. ``violations``: those of its resolution; the identifiers that they name are left
    out of what the event promotes, and the event tells of them.
    """

    def __call__(self, profile: bytes, at_ms: int, violations: Sequence[Violation] = ()) -> bytes: ...


class Accepted(Struct, frozen=True, gc=False):
    """A valid event.

    ``identifiers``: by priority, none blocked, at least one. ``event_at_ms``: the event's corrected time, never later
    than its receipt. ``extends``: whether unknown identifiers are added to the profile that a known one leads to.
    ``external_id``: the segment that a passthrough event uses, when nobody has defined it. ``blocked``: identifiers
    that are not among the others because they are blocked; ``encode`` tells of them by itself.
    """

    message_id: str
    identifiers: Sequence[Identifier]
    encode: Encode
    event_at_ms: int
    extends: bool = True
    external_id: str | None = None
    in_the_future: bool = False
    blocked: Sequence[Violation] = ()


class Consumer(Protocol):
    """Reads records of one input topic. Never raises for bad data."""

    def __call__(self, record: Record, catalogue: Catalogue, rules: Rules) -> Accepted | Refusal: ...
