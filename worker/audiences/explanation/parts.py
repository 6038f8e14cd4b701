"""What an explanation is made of: plain values, the same for people and for ``--json``.

Moments are milliseconds since 1970; ``NEVER`` where there is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from worker.audiences.conditions import Facts
from worker.audiences.definitions import Definition
from worker.audiences.windows import NEVER


class Trait(Protocol):
    @property
    def at_ms(self) -> int: ...


class Membership(Protocol):
    @property
    def transition(self) -> int: ...
    @property
    def since_ms(self) -> int: ...


class Word(Protocol):
    """What a passthrough sender has said last, and when by its own clock (seconds)."""

    @property
    def at_s(self) -> float: ...
    @property
    def qualified(self) -> bool: ...


class Person(Facts, Protocol):
    """A profile's state as far as an explanation reads it."""

    @property
    def traits(self) -> Mapping[str, Trait]: ...
    @property
    def memberships(self) -> Mapping[str, Membership]: ...
    @property
    def externals(self) -> Mapping[str, Word]: ...
    @property
    def eligibility(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Part:
    """One condition. ``value`` None: undecided. ``changes_ms``: when the value is another one if no record comes.

    ``due_ms``: before which evaluation need not look again. ``remedies``: what would give it another value. A
    junction has ``parts``, a comparison ``sides``.
    """

    kind: Literal["and", "or", "not", "comparison", "segment"]
    query: str
    value: bool | None
    due_ms: int
    changes_ms: int
    remedies: tuple[str, ...] = ()
    parts: tuple["Part", ...] = ()
    sides: tuple["Side", ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """One event behind a value. ``values``: what the query reads of it, by the text that reads it.

    ``counts`` None: undecided. ``until_ms``: when it leaves the window, or comes into it (``waits``). ``part``: what
    the query asks of it beyond the event itself.
    """

    at_ms: int
    values: Mapping[str, Any]
    counts: bool | None = True
    waits: bool = False
    until_ms: int = NEVER
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """A value that is compared. ``undecided``: ``value`` is that of what is decided so far.

    ``wanted``: the count that it needs, where more is enough. ``told``: where it comes from. ``events``: the newest of
    those behind it; ``unseen``: how many more are kept. ``definition``: what it refers to.
    """

    query: str
    value: Any
    told: str
    undecided: bool = False
    wanted: int | None = None
    events: tuple[Seen, ...] = ()
    unseen: int = 0
    definition: "Explained | None" = None


@dataclass(frozen=True, slots=True)
class Explained:
    """One definition: of an audience ``part``, of a computed trait ``side``; neither when it was explained already.

    ``eligible``: whether the profile may be a member, or be told of.
    """

    definition: Definition
    eligible: bool
    part: Part | None = None
    side: Side | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether the profile should be a member; undecided is not one yet."""
        return self.eligible and self.part is not None and self.part.value is True
