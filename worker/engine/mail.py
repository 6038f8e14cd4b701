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
    """An accepted event, or one that a merged profile has passed on (``forward``).

    ``name`` is the event's name in conditions, None for calls that are no event.

    ``event_at_ms`` is its corrected timestamp; what is expensive to decode is decoded when asked for.
    """

    @property
    def message_id(self) -> str: ...
    @property
    def value(self) -> bytes:
        """The record's value, to be passed on as it is."""

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


class Sealing(NamedTuple):
    """The profile is merged into ``parent``. ``token``: goes into the answer, for who was told to wait for it."""

    profile: bytes
    offset: int
    at_ms: int
    parent: bytes
    token: str | None
    message_id: str
    kind: str = "seal"


class Expectation(NamedTuple):
    """The history of ``child`` is on its way."""

    profile: bytes
    offset: int
    at_ms: int
    child: bytes
    token: str
    kind: str = "expect"


class Absorption(NamedTuple):
    """All that ``child`` was. ``data``: its state as it is stored, empty when it was sent before.

    ``awaiting``: the histories that the child was still waiting for. ``version``: of the definitions that it was
    evaluated under.
    """

    profile: bytes
    offset: int
    at_ms: int
    child: bytes
    token: str | None
    message_id: str
    data: bytes
    version: int
    awaiting: frozenset[tuple[bytes, str]]
    kind: str = "absorb"


class Absorbed(NamedTuple):
    """The parent has taken the profile's history in."""

    profile: bytes
    offset: int
    at_ms: int
    kind: str = "absorbed"
