"""What a consumer makes of one input record: accepted with everything that routing needs, or refused with a reason."""

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from schemas.reasons import Refusal
from worker.audiences.catalogue import Catalogue
from worker.identity.rules import Identifier, Rules
from worker.ports import Record


class Accepted(Struct, frozen=True, gc=False):
    """A valid event.

    ``identifiers``: by priority, none blocked, at least one. ``extends``: whether unknown ones are added to the
    profile that a known one leads to. ``encode``: the event as it goes into the mailbox of (profile, its time).
    ``external_id``: the segment that a passthrough event uses, when nobody has defined it.
    """

    message_id: str
    identifiers: Sequence[Identifier]
    encode: Callable[[bytes, int], bytes]
    extends: bool = True
    external_id: str | None = None
    in_the_future: bool = False


class Consumer(Protocol):
    """Reads records of one input topic. Never raises for bad data."""

    def __call__(self, record: Record, catalogue: Catalogue, rules: Rules) -> Accepted | Refusal: ...
