"""What the audience oracle is given: the definitions, and the accepted records of one profile."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.audiences.language import tree


@dataclass(frozen=True)
class Record:
    """An accepted record of the profile: an event when it has a name, and perhaps new traits or a membership.

    ``at_ms``: the record's own time, when it is evaluated. ``ts_ms``: when it happened, never after its receipt.
    ``received_ms``: the receipt, never after ``at_ms``; None: the same.
    ``segment``: the key of an external audience, of which the record says at ``ts_ms`` whether the profile is
    in it (``qualified``). ``user``, ``anonymous``: whether it names a user id, an anonymous id.
    ``people``: whom it is about; of several it says that they are one (``audience_oracle_merges``).
    """

    at_ms: int
    ts_ms: int
    received_ms: int | None = None
    event: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    traits: Mapping[str, Any] = field(default_factory=dict)
    segment: str | None = None
    qualified: bool = False
    user: bool = True
    anonymous: bool = False
    people: tuple[int, ...] = (1,)

    @property
    def age(self) -> tuple[int, int]:
        """By time of the event, then of its receipt; a stable sort leaves the rest to the order of arrival."""
        return (self.ts_ms, self.at_ms if self.received_ms is None else self.received_ms)


@dataclass(frozen=True)
class Computation:
    """The query of an audience or of a computed trait, parsed."""

    query: tree.Query
    include_anonymous: bool = False


@dataclass(frozen=True)
class Definitions:
    """``segments``: keys of the external audiences that are defined."""

    audiences: Mapping[str, Computation] = field(default_factory=dict)
    traits: Mapping[str, Computation] = field(default_factory=dict)
    segments: frozenset[str] = frozenset()

    @property
    def computations(self) -> Mapping[str, Computation]:
        return {**self.audiences, **self.traits}
