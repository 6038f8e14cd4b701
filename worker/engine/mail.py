"""What lies in a profile's mailbox, as the fold reads it. The bytes are ``schemas.mailbox``'s business."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from worker.audiences.leaves import Occurrence


class Qualification(NamedTuple):
    """What a passthrough event says. ``at_s``: the sender's own time, in seconds."""

    external_id: str
    at_s: float
    qualified: bool


class Mail(Protocol):
    """One mailbox record. ``at_ms`` is the time at which it counts, never later than its append time."""

    @property
    def kind(self) -> str: ...
    @property
    def profile(self) -> bytes: ...
    @property
    def offset(self) -> int: ...
    @property
    def at_ms(self) -> int: ...


class EventMail(Mail, Protocol):
    """An accepted event. ``name`` is the event's name in conditions, None for calls that are no event.

    ``event_at_ms`` is its corrected timestamp; what is expensive to decode is decoded when asked for.
    """

    @property
    def message_id(self) -> str: ...
    @property
    def traceparent(self) -> bytes | None: ...
    @property
    def name(self) -> str | None: ...
    @property
    def event_at_ms(self) -> int: ...
    @property
    def received_ms(self) -> int: ...
    @property
    def external_ids(self) -> bytes:
        """The identifiers undecoded, to know a list again that was met before."""

    def identifiers(self) -> list[tuple[str, str]]:
        """Type and value of each identifier that the event promotes."""

    @property
    def qualification(self) -> Qualification | None: ...
    def occurrence(self) -> Occurrence: ...
    def traits(self) -> Mapping[str, Any]:
        """The traits that the event sets on its profile; empty for everything but an identify call."""


class Tick(NamedTuple):
    """A due timer. ``at_ms`` is the due time that it was written for."""

    profile: bytes
    offset: int
    at_ms: int
    kind: str = "tick"


class Activate(NamedTuple):
    """Definitions have changed: evaluate the profile under version ``version``.

    ``history``: accumulators of leaves that are new with it, as the profile's earlier events would have left them.
    """

    profile: bytes
    offset: int
    at_ms: int
    version: int
    history: Mapping[bytes, int | bytes]
    kind: str = "activate"
